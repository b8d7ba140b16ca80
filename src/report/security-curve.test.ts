import { expect, test } from "vitest";
import { securityCurve } from "../evaluation/index.js";
import { roles } from "./palette.js";
import { securityCurveChart } from "./security-curve.js";

const dense = securityCurve([0.02, 0.04, 0.05, 0, Number.POSITIVE_INFINITY]);
const pruned = securityCurve([0.01, 0.01, 0.03, 0, 0]);
const chart = (options = {}) =>
  securityCurveChart(
    "curves",
    [
      { name: "dense, fmn", curve: dense },
      { name: "pruned, fmn", curve: pruned },
    ],
    options,
  );

test("names each network with its number of images, and the axes", () => {
  const svg = chart({ norm: "Linf" });
  for (const text of ["dense, fmn (n = 5)", "pruned, fmn (n = 5)", "robust accuracy, %", "radius in Linf"]) {
    expect(svg).toContain(text);
  }
});

test("draws a line and a band for each, a mark where one is asked for, and nothing beyond the end", () => {
  const [first, second, mark] = ["#0072b2", "#d55e00", roles.rule.light];
  for (const colour of [first, second]) {
    expect(chart()).toContain(`stroke="${colour}"`);
    expect(chart()).toContain(`fill="${colour}"`);
  }
  expect(chart()).not.toContain(mark);
  expect(chart({ mark: 0.031 })).toContain(`stroke="${mark}"`);
  expect(chart({ until: 0.03 })).not.toMatch(/>0.0[4-6]</);
  expect(chart()).toContain(">0.06<");
  expect(chart()).toBe(chart());
});

test("curves that are flat at once are drawn too", () => {
  expect(securityCurveChart("flat", [{ name: "lost", curve: securityCurve([0, 0]) }])).toContain("lost (n = 2)");
});

test("names the mark, and the whole axis ends at a round number", () => {
  const named = chart({ mark: 0.031, markName: "eps 8/255" });
  expect(named).toContain("eps 8/255");
  expect(chart({ mark: 0.07 })).toContain(">0.08<");
  const long = securityCurveChart("long", [{ name: "x".repeat(60), curve: dense }]);
  expect(long).toContain("… (n = 5)");
});

// What charts of the page are told to draw.
import type { LineSeriesOption } from "echarts";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { roles } from "../../report/palette.js";
import type * as LineOption from "./line-option.js";

let lineOption: typeof LineOption.lineOption;
beforeAll(async () => {
  vi.stubGlobal("window", { matchMedia: () => ({ matches: false, addEventListener() {} }) });
  ({ lineOption } = await import("./line-option.js"));
});
afterAll(() => vi.unstubAllGlobals());

const optionOf = (points: LineOption.Curve["points"], more: Partial<LineOption.LineOptions> = {}) => {
  const option = lineOption({ curves: [{ name: "a", colour: roles.ink, points }], xName: "x", yName: "y", ...more });
  return { option, series: (option.series as LineSeriesOption[])[0] };
};

test("a mark stands where it is told to, not at its value with two places", () => {
  const at = 4 / 255;
  const { series } = optionOf([[0, 1]], { marks: [{ at, name: "eps 4/255" }], xRange: [0, 0.1] });
  expect(series?.markLine?.data).toEqual([{ xAxis: at, name: "eps 4/255" }]);
  expect(Number(at.toFixed(series?.markLine?.precision ?? 2))).toBeCloseTo(at, 9);
});

test("one number gets few ticks, and shares get digits that tell ticks apart", () => {
  expect(optionOf([[0, 1]]).option.yAxis).toMatchObject({ splitNumber: 2 });
  const { option } = optionOf(
    [
      [0, 0.01],
      [1, 0.02],
    ],
    { percent: true },
  );
  const { splitNumber, axisLabel } = option.yAxis as {
    splitNumber: number;
    axisLabel: { formatter(share: number): string };
  };
  expect(splitNumber).toBe(4);
  expect([0.01, 0.015, 0.02].map((share) => axisLabel.formatter(share))).toEqual(["1", "1.5", "2"]);
});

test("a curve of steps holds each value up to the next point", () => {
  expect(
    optionOf(
      [
        [0, 1],
        [1, 0],
      ],
      { steps: true },
    ).series,
  ).toMatchObject({ step: "end" });
  expect(
    optionOf([
      [0, 1],
      [1, 0],
    ]).series,
  ).not.toHaveProperty("step");
});

test("an axis of logarithms begins where it is told to", () => {
  const { xAxis } = optionOf([[0.001, 1]], { xLog: true, xRange: [0.001, 0.1] }).option;
  expect(xAxis).toMatchObject({ type: "log", min: 0.001, max: 0.1 });
});

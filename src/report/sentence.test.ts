import { describe, expect, test } from "vitest";
import { wilson } from "../util/index.js";
import type { ReportRow } from "./data.js";
import { sentence } from "./sentence.js";

function row(name: string, clean: number | null, robust: number | null, change: Partial<ReportRow> = {}): ReportRow {
  const interval = (value: number | null) => (value === null ? null : wilson(Math.round(value * 1000), 1000));
  return {
    name,
    sparsity: 0.9,
    cleanAccuracy: clean,
    cleanInterval: interval(clean),
    robustAccuracy: robust,
    robustInterval: interval(robust),
    attack: "pgd-20",
    examples: 1000,
    eps: "8/255",
    seed: 1,
    maskRobustAccuracy: null,
    maskDistance: null,
    swapFraction: null,
    sharpnessGap: null,
    passes: null,
    seconds: null,
    stageSeconds: {},
    run: null,
    origins: {},
    ...change,
  };
}

describe("sentence", () => {
  test("claims nothing where intervals overlap", () => {
    const text = sentence([row("dense", 0.52, 0.31), row("hydra", 0.51, 0.305), row("hydra-s2ap", 0.515, 0.32)]);
    expect(text).toBe(
      "In robust accuracy, the 95 % intervals of all three networks overlap: no difference between " +
        "dense (31.0 %), hydra (30.5 %) and hydra-s2ap (32.0 %) is shown. In clean accuracy, the 95 % intervals of all " +
        "three networks overlap: no difference between dense (52.0 %), hydra (51.0 %) and hydra-s2ap (51.5 %) is shown.",
    );
  });

  test("names the pairs that are apart, and only those", () => {
    const text = sentence([row("dense", 0.52, 0.31), row("hydra", 0.51, 0.3), row("magnitude", 0.5, 0.2)]);
    expect(text).toContain(
      "In robust accuracy, magnitude (20.0 %) lies below dense (31.0 %) and hydra (30.0 %), with 95 % intervals that " +
        "do not meet; all other intervals overlap, so no other difference is shown.",
    );
    expect(text).toContain("In clean accuracy, the 95 % intervals of all three networks overlap");
  });

  test("groups rows that lie below the same ones", () => {
    const text = sentence([row("a", 0.5, 0.4), row("b", 0.5, 0.2), row("c", 0.5, 0.21)]);
    expect(text).toContain("b (20.0 %) and c (21.0 %) lie below a (40.0 %), with");
  });

  test("counts the pairs where there are too many to name", () => {
    const text = sentence(
      ["a", "b", "c", "d", "e"].map((name, i) => row(name, null, 0.2 + 0.05 * i + (i === 4 ? -0.04 : 0))),
    );
    expect(text).toBe(
      "In robust accuracy, which goes from a (20.0 %) to e (36.0 %), 6 of 10 pairs of networks have 95 % intervals that " +
        "do not meet; all other intervals overlap, so no other difference is shown.",
    );
  });

  test("says so when every pair is apart", () => {
    const text = sentence([row("a", 0.9, 0.6), row("b", 0.5, 0.2)]);
    expect(text).toContain("robust accuracy, b (20.0 %) lies below a (60.0 %), with 95 % intervals that do not meet.");
    expect(text).not.toContain("overlap");
  });

  test("does not compare what was measured differently", () => {
    const text = sentence([row("a", 0.5, 0.4), row("b", 0.5, 0.1, { eps: "4/255" })]);
    expect(text).toContain("so their robust accuracy is not compared");
    expect(text).toContain("In clean accuracy, the 95 % intervals of both networks overlap");
  });

  test("copes with one row, with none, and with rows not yet evaluated", () => {
    expect(sentence([row("a", null, 0.4)])).toBe("The robust accuracy of a is 40.0 % (95 % interval 37.0 to 43.1 %).");
    for (const rows of [[], [row("a", null, null)]]) expect(sentence(rows)).toContain("nothing to compare");
  });

  test("touching intervals overlap", () => {
    const a = row("a", null, 0.3, { robustInterval: [0.2, 0.4] });
    const b = row("b", null, 0.5, { robustInterval: [0.4, 0.6] });
    expect(sentence([a, b])).toContain("overlap");
    expect(sentence([a, { ...b, robustInterval: [0.41, 0.6] }])).toContain("lies below");
  });
});

import { expect, test } from "vitest";
import { robustnessOf } from "../../test/support/robustness.js";
import { compareRecords, mcnemar } from "./compare.js";
import type { Description } from "./description.js";

test("few disagreements: the binomial, by hand", () => {
  // 2 (1 + 10 + 45) / 2^10
  expect(mcnemar(2, 8)).toEqual({ method: "exact", p: 112 / 1024, statistic: null });
  expect(mcnemar(0, 5).p).toBe(2 / 32);
  expect(mcnemar(8, 2).p).toBe(mcnemar(2, 8).p);
  expect(mcnemar(3, 3).p).toBe(1);
  expect(mcnemar(0, 0).p).toBe(1);
  expect(mcnemar(0, 24)).toEqual({ method: "exact", p: 2 ** -23, statistic: null });
});

test("many: chi-square with continuity, by hand", () => {
  // (|10 - 20| - 1)^2 / 30 = 2.7; tables: 3.841459 at 5 %, 6.634897 at 1 %, 10.827566 at 0.1 %.
  const { method, statistic, p } = mcnemar(10, 20);
  expect([method, statistic]).toEqual(["chi-square", 2.7]);
  expect(p).toBeCloseTo(0.1003482, 7);
  expect(mcnemar(15, 15).p).toBe(1);
  // (|121 - 59| - 1)^2 / 180 = 20.6722...: past where the series gives way to the fraction
  expect(mcnemar(121, 59).p / 5.4502e-6).toBeCloseTo(1, 3);
});

test("images are paired by position, and those of one alone are left out", () => {
  const a = robustnessOf([
    { index: 4, label: 1, clean: 1, brokenBy: null },
    { index: 0, label: 0, clean: 0, brokenBy: null },
    { index: 1, label: 1, clean: 1, brokenBy: "apgd-ce" },
    { index: 2, label: 2, clean: 0, brokenBy: "clean" },
  ]);
  const b = robustnessOf(
    [
      { index: 0, label: 0, clean: 0, brokenBy: "fab-t" },
      { index: 1, label: 1, clean: 1, brokenBy: null },
      { index: 2, label: 2, clean: 2, brokenBy: null },
      { index: 3, label: 2, clean: 2, brokenBy: null },
    ],
    { eps: "0.031" },
  );
  expect(compareRecords(a, b)).toEqual({
    examples: 3,
    left: { a: 1, b: 1 },
    robust: { both: 0, onlyA: 1, onlyB: 2, neither: 0 },
    clean: { both: 2, onlyA: 0, onlyB: 1, neither: 0 },
    agreement: 0,
    robustAccuracy: { a: 1 / 3, b: 2 / 3 },
    mcnemar: { method: "exact", p: 1, statistic: null },
    onlyA: [0],
    onlyB: [1, 2],
    differences: ["threat: linf 8/255 in A, linf 0.031 in B"],
  });
});

test("records of other images are refused", () => {
  const of = (index: number, label: number) => robustnessOf([{ index, label, clean: label, brokenBy: null }]);
  expect(() => compareRecords(of(0, 1), of(0, 2))).toThrow(/image 0 with label 1 in one and 2 in the other/);
  expect(() => compareRecords(of(0, 1), of(1, 1))).toThrow(/share none/);
});

test("differences name what the descriptions tell: options, search and all", () => {
  const found = robustnessOf([{ index: 0, label: 1, clean: 1, brokenBy: null }]);
  const description: Description = {
    format: 1,
    model: { weights: "aa", spec: {}, dtype: "float32", search: "folded bfloat16" },
    data: { name: "made", sha256: "dd", indices: null, examples: 1, shape: [1, 2, 2] },
    ...{ norm: "linf", eps: "8/255", preset: "custom", seed: 0, batchSize: 128, block: 128 },
    attacks: [{ name: "apgd-ce", options: { steps: 2, restarts: 1 }, runs: [""] }],
    ...{ leave: true, individual: false, warmStart: null, versions: {} },
  };
  const differences = (a: Description | undefined, b: Description | undefined) =>
    compareRecords(found, found, { a, b }).differences;
  const other: Description = {
    ...description,
    model: { ...description.model, weights: "bb", search: "exact" },
    attacks: [{ name: "apgd-ce", options: { steps: 100, restarts: 1 }, runs: [""] }],
    ...{ leave: false, batchSize: 64, warmStart: { source: "evals/dense", sha256: "cc" } },
  };
  expect(differences(description, { ...description, versions: { node: "1" } })).toEqual([]);
  expect(differences(description, other)).toEqual([
    "apgd-ce steps: 2 in A, 100 in B",
    "search: folded bfloat16, broken images leave in A, exact, broken images stay in B",
    "warm start: none in A, evals/dense in B",
  ]);
  expect(differences(description, undefined)).toEqual([expect.stringContaining("not compared")]);
  const verdict = { question: "robust < 0.40", answer: true, bound: 0.39 };
  expect(compareRecords(found, { ...found, verdict }).differences).toEqual(["until: the end in A, robust < 0.40 in B"]);
});

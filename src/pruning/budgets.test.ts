import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { disposeParams, type Params, param } from "../nn/index.js";
import { manualSeed, ops, scope, type Tensor, tensor } from "../torch/index.js";
import { rng } from "../util/index.js";
import { erkRatios, exactCounts, givenRatios, weightCount } from "./budgets.js";
import { globalMasks } from "./global.js";
import { keptCount } from "./kept-count.js";
import { lampCounts, lampRatios, lampScores } from "./lamp.js";
import { measureSparsity } from "./mask.js";

const sum = (values: Iterable<number>) => [...values].reduce((a, b) => a + b, 0);

const extent = fc.integer({ min: 1, max: 9 });
const shape = fc.oneof(fc.tuple(extent, extent), fc.tuple(extent, extent, extent, extent));
const network = fc
  .array(shape, { minLength: 1, maxLength: 8 })
  .map((shapes) => new Map(shapes.map((of, i) => [`l${i}`, { shape: of }])));
const ratio = fc.double({ min: 0.01, max: 1, noNaN: true });

test("ERK meets its budget with any layers, and its counts do exactly where a weight a layer leaves room", () => {
  const property = fc.property(network, ratio, (weights, keepRatio) => {
    const ratios = erkRatios(weights, keepRatio);
    const all = weightCount(weights);
    const kept = sum(
      Array.from(weights, ([name, of]) => (ratios.get(name) as number) * weightCount(new Map([["", of]]))),
    );
    expect(kept).toBeCloseTo(keepRatio * all, 6);
    const counts = exactCounts(weights, ratios, keepRatio);
    expect(sum(counts.values())).toBe(Math.max(keptCount(all, keepRatio), weights.size));
    expect(Math.min(...counts.values())).toBeGreaterThanOrEqual(1);
  });
  fc.assert(property, { numRuns: 300 });
});

test("given ratios are named by layer, all of them, and no others", () => {
  const weights: Params = new Map([
    ["a.weight", tensor([1, 2])],
    ["b.weight", tensor([1, 2])],
  ]);
  expect([...givenRatios("random", weights, { a: 0.5, "b.weight": 1 })]).toEqual([
    ["a.weight", 0.5],
    ["b.weight", 1],
  ]);
  expect(() => givenRatios("random", weights, { a: 0.5 })).toThrow("random: expected a keepRatios entry for b");
  expect(() => givenRatios("random", weights, { a: 0.5, b: 1, c: 1 })).toThrow(
    'random: expected keepRatios of the layers a, b, got "c"',
  );
  disposeParams(weights);
});

function normal(name: string, of: readonly number[], scale: number): Tensor {
  manualSeed(rng(7, name));
  return ops.normal_(ops.empty(of), { std: scale });
}

describe("LAMP", () => {
  test("of a few weights, by hand", () => {
    // Squares 1, 4, 4, 9: 1/18, 4/17 twice, 9/9.
    const scores = lampScores(tensor([1, -2, 2, 3])).toNumbers();
    [1 / 18, 4 / 17, 4 / 17, 1].forEach((wanted, i) => {
      expect(scores[i]).toBeCloseTo(wanted, 15);
    });
    expect(lampScores(tensor([0, 0])).toNumbers()).toEqual([0, 0]);
  });

  test("agrees with the definition, and is ordered as the magnitudes", () => {
    scope(() => {
      const weight = normal("w", [5, 4, 3, 3], 1);
      const values = weight.toNumbers();
      const scores = lampScores(weight).toNumbers();
      values.forEach((u, i) => {
        const above = sum(values.filter((v) => Math.abs(v) >= Math.abs(u)).map((v) => v * v));
        expect(scores[i]).toBeCloseTo((u * u) / above, 10);
      });
      const by = (key: readonly number[]) =>
        values.map((_, i) => i).sort((a, b) => (key[a] as number) - (key[b] as number));
      expect(by(scores)).toEqual(by(values.map(Math.abs)));
    });
  });

  test("keeps exactly the budget over all layers, at least one weight of each, more in small layers", () => {
    scope(() => {
      const weights: Params = new Map([
        ["small", normal("small", [8, 3, 3, 3], 0.01)],
        ["large", normal("large", [32, 32, 3, 3], 1)],
        ["last", normal("last", [10, 32], 0.1)],
      ]);
      for (const keepRatio of [0.001, 0.01, 0.1, 0.5, 1]) {
        const counts = lampCounts(weights, keepRatio);
        expect(sum(counts.values())).toBe(keptCount(weightCount(weights), keepRatio));
        expect(Math.min(...counts.values())).toBeGreaterThanOrEqual(1);
      }
      const ratios = lampRatios(weights, 0.1);
      // The scale of a layer does not matter, its size does.
      expect(ratios.get("small")).toBeGreaterThan(ratios.get("large") as number);
      expect((ratios.get("small") as number) * 216).toBeCloseTo(lampCounts(weights, 0.1).get("small") as number, 9);
    });
  });
});

test("global masks keep the largest weights of all layers, equal ones of the last layer first", () => {
  scope(() => {
    const weights: Params = new Map([
      ["a", tensor([0.1, -3, 1, 2])],
      ["b", tensor([9, 1, -1, 0])],
    ]);
    const masks = globalMasks(weights, 0.5);
    expect(param(masks, "a").toNumbers()).toEqual([0, 1, 0, 1]);
    expect(param(masks, "b").toNumbers()).toEqual([1, 0, 1, 0]);
    expect(measureSparsity(masks, ["a", "b"]).total).toBe(0.5);
  });
});

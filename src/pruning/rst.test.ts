import { afterAll, describe, expect, test } from "vitest";
import { freeModel, tinyNet } from "../../test/support/tiny.js";
import { disposeParams, param } from "../nn/index.js";
import { manualSeed, ops, scope } from "../torch/index.js";
import { rng } from "../util/index.js";
import { rst } from "./rst.js";
import { drawnWeight, weightInit } from "./rst-weights.js";

const model = tinyNet();
afterAll(() => freeModel(model));

const SHAPE = [64, 16, 3, 3];
const fanIn = 16 * 9;
const fanOut = 64 * 9;

/** Standard deviation about zero, and how many magnitudes there are. */
function measured(init: (typeof weightInit)["_zod"]["output"], fanFactor = 1) {
  return scope(() => {
    const values = drawnWeight(SHAPE, { init, fanFactor }, rng(1, init)).toNumbers();
    const scale = Math.sqrt(values.reduce((sum, v) => sum + v * v, 0) / values.length);
    return {
      scale,
      largest: values.reduce((most, v) => Math.max(most, Math.abs(v)), 0),
      magnitudes: new Set(values.map(Math.abs)).size,
      positive: values.filter((v) => v > 0).length / values.length,
    };
  });
}

describe("the random weights", () => {
  const gain = Math.sqrt(2 / fanIn);
  test.each([
    ["signed-constant", gain, 1, 0.5],
    ["unsigned-constant", gain, 1, 1],
    ["kaiming-normal", gain, undefined, 0.5],
    ["kaiming-uniform", gain, undefined, 0.5],
    ["xavier-normal", Math.sqrt(2 / (fanIn + fanOut)), undefined, 0.5],
    ["xavier-constant", Math.sqrt(2 / (fanIn + fanOut)), 1, 1],
    ["standard", Math.sqrt(1 / (3 * fanIn)), undefined, 0.5],
  ] as const)("%s have their scale", (init, scale, magnitudes, positive) => {
    const found = measured(init);
    expect(found.scale / scale).toBeCloseTo(1, magnitudes === undefined ? 1 : 6);
    if (magnitudes !== undefined) expect(found.magnitudes).toBe(magnitudes);
    expect(found.positive).toBeCloseTo(positive, 1);
    if (init === "kaiming-uniform") expect(found.largest).toBeLessThanOrEqual(Math.sqrt(6 / fanIn));
    if (init === "standard") expect(found.largest).toBeLessThanOrEqual(1 / Math.sqrt(fanIn));
  });

  test("are all of the kinds that the option names", () => {
    expect(weightInit.unwrap().options).toHaveLength(7);
    for (const init of weightInit.unwrap().options) expect(measured(init).scale).toBeGreaterThan(0);
  });

  test("with scaleFan have a fan-in smaller by 1 - keepRatio, as the reference has", () => {
    expect(measured("signed-constant", 0.9).scale / measured("signed-constant").scale).toBeCloseTo(
      1 / Math.sqrt(0.9),
      6,
    );
    expect(() => rst({ structure: "n:m", pattern: "2:4", scaleFan: true })).toThrow(
      "rst: expected scaleFan to be false without a keepRatio below 1, got true",
    );
  });
});

describe("the network that is searched in", () => {
  const drawn = (seed: number) => rst({ keepRatio: 0.1 }).initWeights?.(model, rng(seed)) ?? new Map();

  test("has drawn weights, biases of zero and batch norm without effect, by the key", () => {
    const [params, again, other] = [drawn(1), drawn(1), drawn(2)];
    expect([...params.keys()]).toEqual([...model.params.keys()]);
    for (const [name, value] of params) {
      expect(value.shape).toEqual(param(model.params, name).shape);
      const numbers = value.toNumbers();
      if (name.endsWith(".bias")) expect(new Set(numbers)).toEqual(new Set([0]));
      else if (name.includes("_bn")) expect(new Set(numbers)).toEqual(new Set([1]));
      else {
        expect(numbers).not.toEqual(param(other, name).toNumbers());
        expect(numbers).toEqual(param(again, name).toNumbers());
      }
    }
    disposeParams(params, again, other);
  });

  test("has scores uniform in ±1/sqrt(fan_in) of their own shape, those of filters standard normal", () => {
    const fans = { weights: 8 * 9, rows: 8 * 3, kernels: 8 };
    for (const [structure, fan] of Object.entries(fans)) {
      const { scores } = rst({ keepRatio: 0.1, structure: structure as "rows" }).init(model, rng(1));
      const largest = scope(() => ops.amax(ops.abs(param(scores, "conv2.weight"))).item());
      expect(largest).toBeLessThanOrEqual(1 / Math.sqrt(fan));
      expect(largest).toBeGreaterThan(0.9 / Math.sqrt(fan));
      disposeParams(scores);
    }
    const { scores } = rst({ keepRatio: 0.1, structure: "filters" }).init(model, rng(1));
    expect(param(scores, "conv2.weight").shape).toEqual([16, 1, 1, 1]);
    manualSeed(rng(1).at("scores", "conv2.weight"));
    expect(param(scores, "conv2.weight").toNumbers()).toEqual(scope(() => ops.normal_(ops.empty([16])).toNumbers()));
    disposeParams(scores);
  });
});

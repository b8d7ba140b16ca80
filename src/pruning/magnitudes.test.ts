import { describe, expect, test } from "vitest";
import { grad, manualSeed, ops, scope, type Tensor, tensor } from "../torch/index.js";
import { rng } from "../util/index.js";
import { magnitudeMasks, straightThrough } from "./magnitudes.js";
import { keepLargest } from "./select.js";

function normal(name: string, shape: readonly number[]): Tensor {
  manualSeed(rng(11, name));
  return ops.normal_(ops.empty(shape, { dtype: "float64" }));
}

const named = (weight: Tensor) => new Map([["layer.weight", weight]]);
const only = (params: ReadonlyMap<string, Tensor>) => params.get("layer.weight") as Tensor;

/** A loss of the masked weights that is not linear in them and rises at zero too. */
const loss = (theta: Tensor) => ops.sum(ops.exp(theta));

describe("the gradient of scores", () => {
  const scores = normal("scores", [6, 5]);
  const weights = normal("weights", [6, 5]);

  test("is what autograd finds with the mask passed straight through to |s|", () => {
    const wanted = scope(() => {
      const s = ops.detach(scores).setRequiresGrad(true);
      const magnitude = ops.abs(s);
      const mask = keepLargest(ops.detach(magnitude), 9);
      const through = ops.add(magnitude, ops.sub(mask, ops.detach(magnitude)));
      return grad(loss(ops.mul(weights, through)), [s])[0] as Tensor;
    });
    const found = scope(() => {
      const theta = ops.mul(weights, keepLargest(ops.abs(scores), 9)).setRequiresGrad(true);
      const weightGradients = named(grad(loss(theta), [theta])[0] as Tensor);
      return only(straightThrough({ scores: named(scores), weights: named(weights), weightGradients }));
    });
    // |s| + (m - |s|) is m but for rounding.
    const difference = scope(() => ops.amax(ops.abs(ops.sub(found, wanted))).item());
    expect(difference).toBeLessThan(1e-14);
    expect(found.toNumbers().every((value) => value !== 0)).toBe(true);
  });

  test("reaches pruned weights", () => {
    const weightGradients = named(tensor(new Float64Array([2, 2, 2, 2])));
    const at = { scores: named(tensor(new Float64Array([0.1, -5, 4, 0]))), weightGradients };
    const found = straightThrough({ ...at, weights: named(tensor(new Float64Array([3, 3, -3, 3]))) });
    // The last score is zero: it has no sign and does not move.
    expect(only(found).toNumbers()).toEqual([6, -6, -6, 0]);
  });
});

test("masks keep the kept count of each layer by |score|", () => {
  const scores = new Map([
    ["a", tensor([0.5, -3, 2, -1])],
    ["b", tensor([9, -8, 1, 0, 0, 0], [2, 3])],
  ]);
  const masks = magnitudeMasks(scores, 0.5);
  expect(masks.get("a")?.toNumbers()).toEqual([0, 1, 1, 0]);
  expect(masks.get("b")?.toNumbers()).toEqual([1, 1, 1, 0, 0, 0]);
});

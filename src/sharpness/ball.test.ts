// The steepest shift of gradients whose squares leave float32, and of none at all.
import { expect, test } from "vitest";
import { ops, scope, tensor } from "../torch/index.js";
import { steepestShift } from "./ball.js";

const SCORES = [3, 0, -4];
const GRADIENT = [0.6, 0, 0.8];

function shiftOf(scale: number): number[] {
  return scope(() => {
    const scores = new Map([["w", tensor(Float32Array.from(SCORES))]]);
    const gradient = new Map([["w", ops.mul(tensor(Float32Array.from(GRADIENT)), { float: scale })]]);
    return steepestShift(scores, gradient, 0.1, "l2").get("w")?.toNumbers() ?? [];
  });
}

// gamma ||s|| g / ||g|| with ||s|| = 5, ||g|| = 1 at any scale.
test.each([1, 1e-11, 1e-13, 1e-25, 1e-37, 1e20, 1e37])(
  "points along the gradient and is gamma ||s|| long, scale %d",
  (scale) => {
    const shift = shiftOf(scale);
    GRADIENT.forEach((g, i) => {
      expect(shift[i]).toBeCloseTo(0.5 * g, 6);
    });
  },
);

test("is zero where the gradient is", () => {
  expect(shiftOf(0)).toEqual([0, 0, 0]);
});

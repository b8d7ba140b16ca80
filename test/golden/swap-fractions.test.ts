// What a radius means: the share of kept weights that S2AP's z swaps for pruned ones, with normal scores and a normal
// gradient over a million weights, as docs/methods/s2ap.md and the specification tabulate it.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { disposeParams, mapParams, type Params } from "../../src/nn/index.js";
import { keepLargest, keptCount, swapFraction } from "../../src/pruning/index.js";
import { shifted, steepestShift } from "../../src/sharpness/ball.js";
import { keep, manualSeed, ops, scope } from "../../src/torch/index.js";
import { rng } from "../../src/util/index.js";

const weights = 1_000_000;
/** Radius, and per cent of the kept weights swapped when 10 % and when 1 % are kept. */
const table: readonly (readonly [gamma: number, tenPercent: number, onePercent: number])[] = [
  [0.001, 0.08, 0.09],
  [0.005, 0.42, 0.55],
  [0.01, 0.83, 1.1],
  [0.05, 4.2, 5.5],
  [0.1, 8.3, 11.4],
  [0.5, 37, 50],
];
const rows = table.flatMap(([gamma, ten, one]) => [
  { gamma, keepRatio: 0.1, percent: ten },
  { gamma, keepRatio: 0.01, percent: one },
]);

let scores: Params;
let gradient: Params;
const normal = (name: string): Params => {
  manualSeed(rng(8, name));
  const drawn = scope(() => ops.normal_(ops.empty([weights])));
  return new Map([["w", keep(drawn, { forever: true })]]);
};
beforeAll(() => {
  [scores, gradient] = [normal("scores"), normal("gradient")];
});
afterAll(() => disposeParams(scores, gradient));

function swapped(gamma: number, keepRatio: number, uphill: Params): number {
  return scope(() => {
    const masks = (at: Params) => mapParams(at, (s) => keepLargest(ops.abs(s), keptCount(weights, keepRatio)));
    return swapFraction(masks(scores), masks(shifted(scores, steepestShift(scores, uphill, gamma, "l2"))));
  });
}

/** The digits that the table prints: half of the last one may be lost to rounding. */
const rounding = (percent: number) => 0.5 * 10 ** -(String(percent).split(".")[1]?.length ?? 0);

describe("the swap fraction", () => {
  test.each(rows)("at gamma $gamma with a share of $keepRatio kept is $percent %", ({ gamma, keepRatio, percent }) => {
    const kept = keptCount(weights, keepRatio);
    // Two draws are compared, each of which counts its swaps with a standard error of their root or less.
    const noise = 100 * (Math.sqrt((2 * percent * kept) / 100) / kept);
    const found = 100 * swapped(gamma, keepRatio, gradient);
    expect(Math.abs(found - percent)).toBeLessThan(3 * noise + rounding(percent));
  });

  test("is smaller where few entries carry the gradient: most of z is spent on them", () => {
    scope(() => {
      const heavy = mapParams(gradient, (g) => ops.mul(g, ops.mul(g, g)));
      // E|g| / rms(g) is 0.80 for a normal g and 0.41 for its cube, and small swaps go with it.
      expect(swapped(0.01, 0.1, heavy) / swapped(0.01, 0.1, gradient)).toBeCloseTo(0.41 / 0.8, 1);
    });
  });

  test("is zero at gamma zero", () => expect(swapped(0, 0.1, gradient)).toBe(0));
});

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { disposeParams, mapParams, type Params, param } from "../nn/index.js";
import { keepLargest } from "../pruning/index.js";
import { keep, liveTensors, manualSeed, ops, scope, tensor } from "../torch/index.js";
import { rng, UsageError } from "../util/index.js";
import { shifted, steepestShift } from "./ball.js";
import { swapFraction } from "./diagnostics.js";
import { findRadius, radiusOf, type Search } from "./radius.js";
import { gradients } from "./registry.js";

const [weights, kept] = [20_000, 4_000];
let scores: Params;
let gradient: Params;
const normal = (name: string): Params => {
  manualSeed(rng(3, name));
  const drawn = scope(() => ops.normal_(ops.empty([weights])));
  return new Map([["w", keep(drawn, { forever: true })]]);
};
beforeAll(() => {
  [scores, gradient] = [normal("scores"), normal("gradient")];
});
afterAll(() => disposeParams(scores, gradient));

const masksOf = (at: Params, count = kept) => mapParams(at, (s) => keepLargest(ops.abs(s), count));
const masksAt = (radius: number, count = kept) =>
  masksOf(shifted(scores, steepestShift(scores, gradient, radius, "l2")), count);
const search = (target: number, count = kept): Search => ({
  name: "s2ap",
  option: "gamma",
  target,
  masks: masksOf(scores, count),
  masksAt: (radius) => masksAt(radius, count),
});

describe("a radius found from what it swaps", () => {
  test.each([0.001, 0.01, 0.1, 0.5])("swaps the share %f, and a thousandth less of it does not", (target) => {
    scope(() => {
      const radius = findRadius(search(target));
      const swaps = (at: number) => swapFraction(masksOf(scores), masksAt(at));
      expect(swaps(radius)).toBeGreaterThanOrEqual(target);
      expect(swaps(radius)).toBeLessThan(target * 1.01 + 1 / kept);
      expect(swaps(radius / 1.002)).toBeLessThan(target);
    });
  });

  test("is found also where larger radii swap nothing any more", () => {
    scope(() => {
      // Only the least of the kept has a gradient, downhill: it falls out near radius 1 and comes back beyond 2.
      const one = (values: number[]): Params => new Map([["w", tensor(values)]]);
      const at = { s: one([1, 2, 3]), z: one([0, -2, 0]) };
      const moved = (radius: number) =>
        mapParams(at.s, (s, name) => ops.add(s, ops.mul(param(at.z, name), { float: radius })));
      const masksHere = (radius: number) => masksOf(moved(radius), 2);
      const radius = findRadius({ ...search(0.5), masks: masksHere(0), masksAt: masksHere });
      expect(radius).toBeGreaterThanOrEqual(0.5);
      expect(radius).toBeLessThan(0.501);
      expect(swapFraction(masksHere(0), masksHere(100))).toBe(0);
    });
  });

  test("leaves no tensor behind", () => {
    scope(() => {
      const wanted = search(0.01);
      const before = liveTensors();
      findRadius(wanted);
      expect(liveTensors()).toBe(before);
    });
  });

  test("is an error where nothing can be swapped", () => {
    scope(() => {
      const attempt = () => findRadius(search(0.01, weights));
      expect(attempt).toThrow(UsageError);
      expect(attempt).toThrow(
        "s2ap: expected gamma: auto to find a radius that swaps 0.01 of the kept weights or more, got 0",
      );
    });
  });
});

describe("radiusOf", () => {
  test("looks once and keeps what it found", () => {
    scope(() => {
      const state: Record<string, number> = {};
      const found = radiusOf("auto", state, search(0.01));
      expect(state).toEqual({ gamma: found });
      expect(found).toBe(findRadius(search(0.01)));
      expect(radiusOf("auto", state, search(0.2))).toBe(found);
      expect(radiusOf("auto", { gamma: 0.25 }, search(0.2))).toBe(0.25);
    });
  });

  test("takes a number as it is and keeps nothing", () => {
    scope(() => {
      const state: Record<string, number> = {};
      expect(radiusOf(0.3, state, search(0.01))).toBe(0.3);
      expect(state).toEqual({});
    });
  });
});

test("radii are numbers from zero on, or auto", () => {
  const { options } = gradients.get("s2ap");
  const fits = (gamma: unknown) => options.safeParse({ gamma }).success;
  expect([0, 0.5, "auto"].map(fits)).toEqual([true, true, true]);
  expect([-1, "automatic", null].map(fits)).toEqual([false, false, false]);
});

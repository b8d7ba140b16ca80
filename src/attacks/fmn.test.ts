import { expect, test } from "vitest";
import { countPasses } from "../nn/index.js";
import { ops, scope, type Tensor, tensor } from "../torch/index.js";
import { rng } from "../util/index.js";
import type { Victim } from "./attack.js";
import { type FmnOptions, type FmnState, fmn, fmnSearch } from "./fmn.js";
import { deltaOptimizer, fmnOptimizer, fmnScheduler, rateSchedule } from "./fmn-optimizer.js";
import { changeNorm } from "./project.js";
import { runSearch, type SearchContext, type SearchState } from "./search.js";
import { l1, l2, linf } from "./threat.js";

const slope = [1, -2, 0.5, 0.25];
/** Class 1 where slope . x > offset: the nearest such point of an image is known. */
function plane(offset: number): Victim {
  const passes = countPasses();
  return {
    passes,
    logits(x: Tensor) {
      passes.forward += 1;
      const value = ops.sub(
        ops.sumDim(ops.mul(ops.flatten(x, { startDim: 1 }), tensor(Float64Array.from(slope))), [1]),
        offset,
      );
      return ops.stack([ops.neg(value), value], { dim: 1 });
    },
  };
}
const inputs = tensor(Float64Array.of(0.5, 0.5, 0.5, 0.5, 0.4, 0.6, 0.5, 0.5, 0.6, 0.3, 0.5, 0.5), [3, 1, 2, 2]);
const values = [0.5 - 1 + 0.25 + 0.125, 0.4 - 1.2 + 0.25 + 0.125, 0.6 - 0.6 + 0.25 + 0.125];

function context(victim: Victim): SearchContext {
  const y = ops.zeros([3], { dtype: "int64" });
  return { x: inputs, y, indices: Int32Array.of(0, 1, 2), victim, rng: rng(0) };
}
const run = (threat: Parameters<typeof fmnSearch>[0], offset: number, options: FmnOptions) =>
  runSearch(fmnSearch(threat, options), threat, context(plane(offset)), { leave: false }).state as FmnState;

test.each([
  ["linf", linf({ eps: "0.1" }), slope.reduce((sum, w) => sum + Math.abs(w), 0)],
  ["l2", l2({ eps: "0.1" }), Math.hypot(...slope)],
] as const)("in %s it comes near the distance to a plane", (norm, threat, dual) => {
  scope(() => {
    const { distance, found } = run(threat, 0.2, { steps: 400, optimizer: { name: "sgd", lr: 0.5 } });
    const known = values.map((value) => Math.max((0.2 - value) / dual, 0));
    const measured = distance.toNumbers();
    for (const [i, value] of measured.entries()) {
      expect(value).toBeGreaterThanOrEqual((known[i] as number) - 1e-12);
      expect(value - (known[i] as number)).toBeLessThan(0.01);
    }
    // The third image is on the other side already.
    expect(measured[2]).toBe(0);
    expect(
      changeNorm(norm, inputs, found)
        .toNumbers()
        .map((v, i) => Math.abs(v - (measured[i] as number)) < 1e-12),
    ).toEqual([true, true, true]);
  });
});

test("where no point is found the distance is infinite and the image is as it was", () => {
  scope(() => {
    const { distance, found } = run(linf({ eps: "1" }), 100, { steps: 10 });
    expect(distance.toNumbers()).toEqual([Infinity, Infinity, Infinity]);
    expect(found.toArray()).toEqual(inputs.toArray());
  });
});

test("as an attack it stops at the first point inside the ball", () => {
  scope(() => {
    const { victim, ...images } = context(plane(-0.1));
    const { indices } = images;
    const attack = fmn(linf({ eps: "0.05" }), { steps: 100, optimizer: { name: "sgd", lr: 0.05 } });
    const points = attack.perturb(victim, images.x, images.y, { rng: rng(0), indices });
    expect(attack.name).toBe("fmn-100");
    const lengths = changeNorm("linf", inputs, points).toNumbers();
    // values -0.125, -0.425, 0.375: distances 0.007, 0.087, 0.
    expect([(lengths[0] as number) > 0, lengths[1], lengths[2]]).toEqual([true, 0, 0]);
    expect(lengths[0]).toBeLessThanOrEqual(0.05 + 1e-7);
  });
});

test("L1 is refused, and a mistyped option", () => {
  expect(() => fmn(l1({ eps: 1 }))).toThrow('fmn: expected a threat in linf or l2, got "l1"');
  expect(() => fmn(linf({ eps: 1 }), { loss: "mse" as "ce" })).toThrow("fmn: expected loss");
});

const one = (value: number) => tensor(Float64Array.of(value), [1, 1, 1, 1]);
/** Where an optimiser leads from 0 with these gradients. */
function path(options: object, gradients: readonly number[], rate = 0.1): number[] {
  return scope(() => {
    const optimizer = deltaOptimizer(fmnOptimizer.parse(options));
    let delta = one(0);
    let state = optimizer.begin(delta) as unknown as SearchState;
    return gradients.map((gradient, step) => {
      const moved = optimizer.step(state, { delta, gradient: one(gradient), rate, step });
      ({ delta } = moved);
      state = moved.rows as unknown as SearchState;
      return delta.item();
    });
  });
}
const near = (found: readonly number[], wanted: readonly number[]) =>
  expect(found.map((value) => Number(value.toFixed(9)))).toEqual(wanted.map((value) => Number(value.toFixed(9))));

test("SGD with momentum, dampening and weight decay", () => {
  near(path({ name: "sgd" }, [1, -3]), [-0.1, 0.2]);
  // v1 = 1; v2 = 0.5 * 1 + 0.8 * (2 + 0.1 * -0.1)
  near(path({ name: "sgd", momentum: 0.5, dampening: 0.2, weightDecay: 0.1 }, [1, 2]), [
    -0.1,
    -0.1 - 0.1 * (0.5 + 0.8 * 1.99),
  ]);
});

test("Adam and Adamax", () => {
  const [m, v] = [0.9 * 0.1 * 1 + 0.1 * 2, 0.99 * 0.01 * 1 + 0.01 * 4];
  const second = -0.1 / (1 + 1e-8) - (0.1 * (m / 0.19)) / (Math.sqrt(v / (1 - 0.99 ** 2)) + 1e-8);
  near(path({ name: "adam", beta2: 0.99 }, [1, 2]), [-0.1 / (1 + 1e-8), second]);
  near(path({ name: "adamax", beta2: 0.5 }, [1, 0.2]), [
    -0.1 / (1 + 1e-8),
    -0.1 / (1 + 1e-8) - (0.1 * ((0.09 + 0.02) / 0.19)) / (0.5 + 5e-9),
  ]);
});

test("learning rates: cosine to its end, and by image where the loss stands still", () => {
  scope(() => {
    const cosine = rateSchedule(fmnScheduler.parse({ name: "cosine" }), 2, 10);
    const none = {} as SearchState;
    expect(cosine.rate(none, 0)).toBe(2);
    expect(cosine.rate(none, 5)).toBeCloseTo(1.01, 12);
    expect(rateSchedule(fmnScheduler.parse({ name: "none" }), 2, 10).rate(none, 9)).toBe(2);

    const plateau = rateSchedule(fmnScheduler.parse({ name: "plateau", patience: 1 }), 2, 10);
    let state = plateau.begin(ops.zeros([2, 1, 1, 1])) as unknown as SearchState;
    const rates = [
      [1, 1],
      [1, 0.5],
      [1, 0.4],
      [1, 0.3],
      [1, 0.3],
    ].map((loss) => {
      state = plateau.after(state, tensor(Float32Array.from(loss))) as unknown as SearchState;
      return (plateau.rate(state, 0) as Tensor).toNumbers();
    });
    expect(rates).toEqual([
      [2, 2],
      [2, 2],
      [1, 2],
      [1, 2],
      [0.5, 2],
    ]);
  });
});

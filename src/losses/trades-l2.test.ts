import { expect, test } from "vitest";
import { crossEntropy, l2, linf, pgd, type Victim } from "../attacks/index.js";
import { countPasses } from "../nn/index.js";
import { manualSeed, ops, scope, type Tensor, tensor } from "../torch/index.js";
import { rng } from "../util/index.js";
import { trades } from "./trades.js";
import { tradesL2 } from "./trades-l2.js";

const pixels = 12;
const key = rng(3, "trades-l2");

function normal(name: string, shape: readonly number[]): Tensor {
  manualSeed(rng(2, name));
  return ops.normal_(ops.empty(shape));
}
const weights = normal("weights", [pixels, 4]);
const x = ops.clamp(ops.add(ops.mul(normal("x", [3, 3, 2, 2]), 0.2), 0.5), { min: 0, max: 1 });
const y = tensor(BigInt64Array.of(0n, 1n, 3n));
const linear: Victim = { logits: (at) => ops.matmul(ops.flatten(at, { startDim: 1 }), weights), passes: countPasses() };

const rowsOf = (t: Tensor) => {
  const all = t.toNumbers();
  return Array.from({ length: all.length / pixels }, (_, i) => all.slice(i * pixels, (i + 1) * pixels));
};
const length = (row: readonly number[]) => Math.hypot(...row);

/** The steps in plain numbers, from the displacement that the attack's key gives. */
function byHand(eps: number, steps: number): number[][] {
  manualSeed(key);
  const start = rowsOf(ops.mul(ops.normal_(ops.emptyLike(x, { memoryFormat: "contiguous" })), 0.001));
  const w = weights.toNumbers();
  const labels = y.toNumbers();
  return rowsOf(x).map((image, i) => {
    let d = start[i] as number[];
    for (let step = 0; step < steps; step++) {
      const z = [0, 1, 2, 3].map((c) =>
        image.reduce((sum, v, k) => sum + (v + (d[k] as number)) * (w[4 * k + c] as number), 0),
      );
      const total = z.reduce((sum, v) => sum + Math.exp(v), 0);
      const error = z.map((v, c) => Math.exp(v) / total - (c === labels[i] ? 1 : 0));
      const gradient = image.map((_, k) => error.reduce((sum, e, c) => sum + e * (w[4 * k + c] as number), 0));
      const norm = length(gradient);
      const moved = d.map((v, k) => v + ((2 * eps) / steps) * ((gradient[k] as number) / norm));
      const boxed = moved.map((v, k) => Math.min(1, Math.max(0, (image[k] as number) + v)) - (image[k] as number));
      d = boxed.map((v) => v * Math.min(1, eps / length(boxed)));
    }
    return image.map((v, k) => v + (d[k] as number));
  });
}

test.each([
  [0.5, 5],
  [2, 4],
])("SGD on the displacement, eps %d in %d steps, is that of plain arithmetic", (eps, steps) => {
  scope(() => {
    const found = rowsOf(tradesL2(l2({ eps }), steps).perturb(linear, x, y, { rng: key, objective: crossEntropy }));
    for (const [i, row] of byHand(eps, steps).entries()) {
      for (const [k, value] of row.entries()) expect(found[i]?.[k]).toBeCloseTo(value, 5);
    }
    const lengths = found.map((row, i) => length(row.map((v, k) => v - (rowsOf(x)[i]?.[k] as number))));
    for (const each of lengths) expect(each).toBeLessThanOrEqual(eps * (1 + 1e-5));
    expect(Math.max(...lengths)).toBeGreaterThan(eps / 2);
  });
});

test("where the gradient is zero noise takes its place, by the key", () => {
  const flat: Victim = { logits: (at) => ops.mul(linear.logits(at), 0), passes: countPasses() };
  const at = (seed: number) =>
    scope(() =>
      tradesL2(l2({ eps: 0.25 }), 2).perturb(flat, x, y, { rng: rng(seed), objective: crossEntropy }),
    ).toNumbers();
  expect(at(1)).toEqual(at(1));
  expect(at(1)).not.toEqual(at(2));
  expect(at(1).every(Number.isFinite)).toBe(true);
  const moved = at(1).map((v, i) => v - (x.toNumbers()[i] as number));
  expect(length(moved.slice(0, pixels))).toBeGreaterThan(0.2);
});

test("TRADES takes it by `sgdSteps`, in L2 only", () => {
  const options = { rng: key, memory: undefined };
  const threat = l2({ eps: 0.5 });
  const [own, other] = scope(() =>
    [{ sgdSteps: 3 }, {}].map((more) =>
      trades(pgd(threat, { steps: 3 }), more)
        .craft(linear, x, y, options)
        .toNumbers(),
    ),
  );
  expect(own).not.toEqual(other);
  expect(() => trades(pgd(linf({ eps: 0.1 })), { sgdSteps: 3 })).toThrow(
    'trades: expected sgdSteps with a threat in l2, got "linf"',
  );
});

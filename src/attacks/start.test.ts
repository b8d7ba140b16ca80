import { expect, test } from "vitest";
import { countPasses } from "../nn/index.js";
import { ops, scope, type Tensor, tensor } from "../torch/index.js";
import { rng } from "../util/index.js";
import type { Victim } from "./attack.js";
import { pgd } from "./pgd.js";
import { l2, linf } from "./threat.js";

const x = tensor([0.5, 0.5, 0.5, 0.02], [1, 1, 2, 2]);
const y = tensor(BigInt64Array.of(0n));

/** Sees every point that the attack asks about, and is as sure of itself everywhere: nothing moves. */
function watcher(points: number[][]): Victim {
  return {
    passes: countPasses(),
    logits(at: Tensor) {
      points.push(ops.detach(at).toNumbers());
      return ops.mul(ops.reshape(ops.slice(ops.flatten(at, { startDim: 1 }), { dim: 1, end: 2 }), [-1, 2]), 0);
    },
  };
}

test.each([
  ["linf", linf({ eps: "0.1" }), [0.55, 0.42, 0.6, 0]],
  ["l2", l2({ eps: "10" }), [0.55, 0.42, 0.75, 0]],
] as const)("PGD in %s begins at given points, inside the ball and the box", (_, threat, inside) => {
  const points: number[][] = [];
  const start = tensor([0.55, 0.42, 0.75, -0.03], [1, 1, 2, 2]);
  const found = scope(() =>
    pgd(threat, { steps: 2, restarts: 2 }).perturb(watcher(points), x, y, { rng: rng(0), start }),
  );
  expect(points.length).toBeGreaterThan(4);
  for (const point of [...points, found.toNumbers()]) {
    for (const [i, value] of point.entries()) expect(value).toBeCloseTo(inside[i] as number, 6);
  }
});

test("a start of another shape is refused", () => {
  const perturb = () => pgd(linf({ eps: "0.1" })).perturb(watcher([]), x, y, { rng: rng(0), start: tensor([1]) });
  expect(perturb).toThrow("attack: expected a start shaped [1,1,2,2] like x, got");
});

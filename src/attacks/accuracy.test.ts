import { expect, test } from "vitest";
import { splitOf } from "../../test/support/oracle-split.js";
import { countPasses } from "../nn/index.js";
import { manualSeed, ops, scope, type Tensor, tensor } from "../torch/index.js";
import { rng } from "../util/index.js";
import { accuracy } from "./accuracy.js";
import type { Victim } from "./attack.js";
import { changeNorm, projector } from "./project.js";
import { l2, linf } from "./threat.js";
import { reach } from "./verify.js";

const threat = linf({ eps: "0.1" });
const options = { rng: rng(0) };

/** Four images of one pixel, of two classes: darker or brighter than 0.5. All are classified rightly. */
const four = splitOf(
  "four",
  tensor(Uint8Array.of(30, 120, 140, 220), [4, 1, 1, 1]),
  tensor(BigInt64Array.of(0n, 0n, 1n, 1n)),
  2,
);
const network = (scale = 1): Victim => ({
  passes: countPasses(),
  logits(x: Tensor) {
    const value = ops.mul(ops.sub(ops.reshape(x, [-1, 1]), 0.5), scale);
    return ops.cat([ops.neg(value), value], { dim: 1 });
  },
});

test("logits that are not finite are an error, with an attack and without", () => {
  // Finite weights, whose products are not.
  const huge = network(1e30);
  const overflows: Victim = { ...huge, logits: (x) => ops.mul(huge.logits(x), 1e30) };
  for (const attack of [undefined, { name: "none", threat, perturb: (_: Victim, x: Tensor) => x }]) {
    expect(() => accuracy(overflows, four, attack, options)).toThrow("attack: expected finite logits, got NaN");
  }
  expect(accuracy(huge, four, undefined, options).correct).toBe(4);
});

test("a misclassified point outside the ball or the box does not count, and is told", () => {
  const by = (perturb: (x: Tensor) => Tensor, norm = threat) =>
    accuracy(network(), four, { name: "moved", threat: norm, perturb: (_, x) => perturb(x) }, options);
  const mirrored = by((x) => ops.add(ops.neg(x), 1));
  // Two of the four are so near to 0.5 that their mirror image lies within 0.1.
  expect(mirrored).toMatchObject({ correct: 4, robust: 2, robustAccuracy: 0.5, outside: 2 });
  expect([...mirrored.predictions.adversarial]).toEqual([0, 1, 0, 1]);
  expect(by((x) => ops.add(x, 0.7), linf({ eps: "1" }))).toMatchObject({ robust: 3, outside: 1 });
  expect(by((x) => x)).toMatchObject({ robust: 4, outside: 0 });
});

test("what is projected onto an L2 ball lies in it, of large images too", () => {
  scope(() => {
    manualSeed(rng(0));
    const x = ops.uniform_(ops.empty([2, 3, 512, 512]), { low: 0.2, to: 0.8 });
    const point = ops.add(x, ops.normal_(ops.emptyLike(x)));
    for (const ball of [l2({ eps: "0.5" }), l2({ eps: "10" })]) {
      const [longest] = ops.topk(changeNorm("l2", x, projector(ball, x)(point)), 1)[0].toNumbers() as [number];
      expect(longest).toBeLessThanOrEqual(reach(ball));
    }
  });
});

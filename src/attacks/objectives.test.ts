import { describe, expect, test } from "vitest";
import { finiteDifferences } from "../../test/support/finite-difference.js";
import { grad, manualSeed, ops, scope, type Tensor, tensor } from "../torch/index.js";
import { rng } from "../util/index.js";
import { type AttackObjective, crossEntropy, dlr, dlrTargeted, klFrom, margin } from "./objectives.js";

const [rows, classes] = [5, 6];

function logitsOf(name: string): Tensor {
  manualSeed(rng(1, name));
  return ops.mul(ops.normal_(ops.empty([rows, classes], { dtype: "float64" })), 3);
}

const y = tensor(BigInt64Array.of(0n, 1n, 5n, 2n, 2n));
const target = tensor(BigInt64Array.of(3n, 0n, 1n, 4n, 5n));
const clean = logitsOf("clean");

const objectives: Readonly<Record<string, AttackObjective>> = {
  crossEntropy,
  margin,
  dlr,
  dlrTargeted: dlrTargeted(target),
  klFrom: klFrom(ops.softmax(clean, 1), ops.logSoftmax(clean, 1)),
};

describe.each(Object.entries(objectives))("%s", (_, objective) => {
  const logits = logitsOf("logits");

  test("its gradient is that of finite differences", () => {
    const leaf = ops.detach(logits).setRequiresGrad(true);
    const found = scope(() => grad(ops.sum(objective(leaf, y)), [leaf])[0] as Tensor).toNumbers();
    const wanted = finiteDifferences((at) => ops.sum(objective(at, y)), logits);
    expect(wanted.some((value) => Math.abs(value) > 0.01)).toBe(true);
    for (const [i, value] of found.entries()) expect(value).toBeCloseTo(wanted[i] as number, 7);
  });

  test("is one number an image, which no other image changes", () => {
    const all = objective(logits, y).toNumbers();
    expect(all).toHaveLength(rows);
    const moved = ops.clone(logits);
    ops.copy_(ops.select(moved, 0, 1), ops.full([classes], { float: 0.5 }, { dtype: "float64" }));
    const after = objective(moved, y).toNumbers();
    expect(after.filter((value, i) => value === all[i])).toHaveLength(rows - 1);
  });
});

describe("the sign", () => {
  const logits = tensor(new Float64Array([3, 1, 0, -1, 3, 1, 0, -1]), [2, 4]);
  const labels = tensor(BigInt64Array.of(0n, 1n)); // right, then wrong

  test("of the margin and of DLR is above zero where misclassified", () => {
    expect(margin(logits, labels).toNumbers()).toEqual([-2, 2]);
    expect(dlr(logits, labels).toNumbers().map(Math.sign)).toEqual([-1, 1]);
  });

  test("of the targeted DLR rises towards the target", () => {
    const towards = dlrTargeted(tensor(BigInt64Array.of(1n, 0n)));
    expect(towards(logits, labels).toNumbers().map(Math.sign)).toEqual([-1, 1]);
  });

  test("of KL is zero at its own distribution and above elsewhere", () => {
    const kl = klFrom(ops.softmax(logits, 1), ops.logSoftmax(logits, 1));
    expect(kl(logits, labels).toNumbers().map(Math.abs)).toEqual([0, 0]);
    for (const value of kl(ops.mul(logits, 2), labels).toNumbers()) expect(value).toBeGreaterThan(0.01);
  });
});

test.each([
  ["dlr", dlr, 3],
  ["dlr-targeted", dlrTargeted(tensor(BigInt64Array.of(1n))), 4],
] as const)("%s refuses too few classes", (name, objective, least) => {
  const few = ops.zeros([1, least - 1], { dtype: "float64" });
  const wanted = `${name}: expected at least ${least} classes, got ${least - 1}`;
  expect(() => objective(few, tensor(BigInt64Array.of(0n)))).toThrow(wanted);
});

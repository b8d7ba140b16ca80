import { describe, expect, test } from "vitest";
import { finiteDifferences } from "../../test/support/finite-difference.js";
import { grad, manualSeed, ops, scope, type Tensor, tensor } from "../torch/index.js";
import { rng } from "../util/index.js";
import {
  type AttackObjective,
  crossEntropy,
  dlr,
  dlrNotes,
  dlrTargeted,
  dlrTargetedNotes,
  klFrom,
  margin,
} from "./objectives.js";

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

describe("few classes", () => {
  const [labels, to] = [tensor(BigInt64Array.of(0n, 1n)), tensor(BigInt64Array.of(1n, 0n))];
  const two = tensor(new Float64Array([3, 1, 5, 2]), [2, 2]);
  const three = tensor(new Float64Array([3, 1, -1, 5, 2, 0]), [2, 3]);

  test("two have the plain margin in place of a ratio", () => {
    expect(dlr(two, labels).toNumbers()).toEqual([-2, 3]);
    expect(dlrTargeted(to)(two, labels).toNumbers()).toEqual([-2, 3]);
  });

  test("three have the usual ratio, and z(1) - z(3) below the targeted one", () => {
    const wanted = [-2 / 4, 3 / 5];
    for (const objective of [dlr, dlrTargeted(to)]) {
      for (const [i, value] of objective(three, labels).toNumbers().entries()) {
        expect(value).toBeCloseTo(wanted[i] as number, 10);
      }
    }
  });

  test("are said in words, and enough of them are not", () => {
    expect(dlrNotes(2)).toEqual(["the plain margin in place of DLR, which needs 3 classes and has 2"]);
    expect(dlrTargetedNotes(2)).toEqual([
      "the plain margin in place of the targeted DLR, which needs 4 classes and has 2",
    ]);
    expect(dlrTargetedNotes(3)).toEqual([
      "z(1) - z(3) below the targeted DLR, which needs 4 classes and has 3; towards the class of rank 3 it is constant " +
        "until the ranks change, and its zero gradient is no warning",
    ]);
    expect([dlrNotes(3), dlrTargetedNotes(4)]).toEqual([[], []]);
  });
});

describe("shifting and scaling the logits", () => {
  const draws = Array.from({ length: 20 }, (_, i) => rng(i, "scale"));
  const amount = (key: ReturnType<typeof rng>, low: number, high: number) => {
    manualSeed(key);
    return ops.uniform_(ops.empty([rows, 1], { dtype: "float64" }), { low, to: high });
  };

  test.each([
    ["dlr", dlr, true],
    ["dlr-targeted", dlrTargeted(target), true],
    ["margin", margin, false],
  ] as const)("%s", (_, objective, invariant) => {
    for (const key of draws) {
      const logits = logitsOf(`scaled ${key.key}`);
      const moved = ops.add(ops.mul(logits, amount(key.at("by"), 0.01, 100)), amount(key.at("plus"), -50, 50));
      const largest = ops.amax(ops.abs(ops.sub(objective(moved, y), objective(logits, y)))).item();
      if (invariant) expect(largest).toBeLessThan(1e-8);
      else expect(largest).toBeGreaterThan(0.01);
    }
  });
});

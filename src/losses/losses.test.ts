import { describe, expect, test } from "vitest";
import { finiteDifferences } from "../../test/support/finite-difference.js";
import { linf, pgd } from "../attacks/index.js";
import { grad, manualSeed, noGrad, ops, scope, type Tensor, tensor } from "../torch/index.js";
import { type AnyEntry, parseOptions, rng } from "../util/index.js";
import type { RobustLoss, TrainingForward } from "./loss.js";
import { pgdAt } from "./pgd-at.js";
import { type LossContext, losses } from "./registry.js";
import { trades } from "./trades.js";

const [images, pixels, classes] = [4, 6, 3];

function normal(name: string, shape: readonly number[]): Tensor {
  manualSeed(rng(2, name));
  return ops.normal_(ops.empty(shape, { dtype: "float64" }));
}

const x = normal("x", [images, pixels]);
const xAdv = ops.add(x, normal("change", [images, pixels]), { alpha: 0.3 });
const y = tensor(BigInt64Array.of(0n, 2n, 1n, 2n));
const batch = { x, y, xAdv };
const attack = pgd(linf({ eps: "8/255" }), { steps: 1 });

/** A network of one smooth hidden layer, all weights in one tensor. */
function networkOf(weights: Tensor): TrainingForward {
  const hidden = ops.reshape(ops.slice(weights, { end: pixels * 5 }), [pixels, 5]);
  const out = ops.reshape(ops.slice(weights, { start: pixels * 5 }), [5, classes]);
  return (input) => ops.matmul(ops.tanh(ops.matmul(input, hidden)), out);
}

const close = (found: readonly number[], wanted: readonly number[]) => {
  expect(found).toHaveLength(wanted.length);
  for (const [i, value] of found.entries()) expect(value).toBeCloseTo(wanted[i] as number, 7);
};

const rows: [string, AnyEntry<LossContext, RobustLoss>][] = losses.entries();

describe.each(rows)("%s", (name, row) => {
  const loss: RobustLoss = row.create(parseOptions(name, row.options, {}), { attack });

  test("its gradient with respect to weights is that of finite differences", () => {
    const weights = normal("weights", [5 * (pixels + classes)]);
    const valueAt = (at: Tensor) => loss.evaluate(networkOf(at), batch).loss;
    const leaf = ops.detach(weights).setRequiresGrad(true);
    const found = scope(() => grad(valueAt(leaf), [leaf])[0] as Tensor).toNumbers();
    expect(found.some((value) => Math.abs(value) > 0.01)).toBe(true);
    close(found, finiteDifferences(valueAt, weights));
  });

  test("names itself, its threat, and gives the logits of the adversarial examples", () => {
    const forward = networkOf(normal("weights", [5 * (pixels + classes)]));
    expect([loss.name, loss.threat]).toEqual([name, attack.threat]);
    expect(loss.evaluate(forward, batch).robustLogits.toNumbers()).toEqual(forward(xAdv).toNumbers());
  });
});

/** Logits of the clean and of the adversarial images, whatever these are. */
const given =
  (clean: Tensor, adversarial: Tensor): TrainingForward =>
  (input) =>
    input === x ? clean : adversarial;

describe("TRADES", () => {
  const [clean, adversarial] = [normal("clean", [images, classes]), normal("adversarial", [images, classes])];
  const beta = 6;
  const loss = trades(attack, { beta });

  test("is CE(clean) + beta mean KL(clean || adversarial), in plain arithmetic", () => {
    const byImage = (t: Tensor) =>
      Array.from({ length: images }, (_, i) => t.toNumbers().slice(i * classes, (i + 1) * classes));
    const softmax = (z: readonly number[]) => {
      const total = z.reduce((sum, value) => sum + Math.exp(value), 0);
      return z.map((value) => Math.exp(value) / total);
    };
    const [p, q] = [byImage(clean).map(softmax), byImage(adversarial).map(softmax)] as [number[][], number[][]];
    const labels = y.toNumbers();
    const value = p.reduce((sum, row, i) => {
      const kl = row.reduce((total, pc, c) => total + pc * Math.log(pc / (q[i]?.[c] as number)), 0);
      return sum + (-Math.log(row[labels[i] as number] as number) + beta * kl) / images;
    }, 0);
    expect(loss.evaluate(given(clean, adversarial), batch).loss.item()).toBeCloseTo(value, 12);
  });

  test("its gradient flows through both arguments of the divergence", () => {
    const [a, b] = [clean, adversarial].map((t) => ops.detach(t).setRequiresGrad(true)) as [Tensor, Tensor];
    const [toClean, toAdversarial] = scope(() => grad(loss.evaluate(given(a, b), batch).loss, [a, b])) as [
      Tensor,
      Tensor,
    ];
    const valueAt = (at: Tensor, other: Tensor) => loss.evaluate(given(at, other), batch).loss;
    close(
      toClean.toNumbers(),
      finiteDifferences((at) => valueAt(at, adversarial), clean),
    );
    close(
      toAdversarial.toNumbers(),
      finiteDifferences((at) => valueAt(clean, at), adversarial),
    );
    // Without the divergence only the cross-entropy would reach the clean logits.
    const ce = scope(() => grad(ops.crossEntropyLoss(a, y), [a])[0] as Tensor).toNumbers();
    expect(Math.max(...toClean.toNumbers().map((value, i) => Math.abs(value - (ce[i] as number))))).toBeGreaterThan(
      0.1,
    );
  });
});

describe("forwards run in the order that batch norm sees", () => {
  const orderOf = (loss: RobustLoss) => {
    const seen: string[] = [];
    const network = networkOf(normal("weights", [5 * (pixels + classes)]));
    const forward: TrainingForward = (input) => {
      seen.push(input === x ? "clean" : "adversarial");
      return network(input);
    };
    noGrad(() => scope(() => loss.evaluate(forward, batch)));
    return seen;
  };

  test.each([
    ["PGD-AT", pgdAt(attack), ["adversarial"]],
    ["PGD-AT as the references", pgdAt(attack, { bnUpdates: "reference" }), ["clean", "adversarial"]],
    ["TRADES", trades(attack), ["clean", "adversarial"]],
    [
      "TRADES as the references",
      trades(attack, { bnUpdates: "reference" }),
      ["clean", "clean", "adversarial", "clean"],
    ],
  ])("%s", (_, loss, order) => expect(orderOf(loss)).toEqual(order));
});

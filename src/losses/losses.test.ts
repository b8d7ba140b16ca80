import { describe, expect, test } from "vitest";
import { finiteDifferences } from "../../test/support/finite-difference.js";
import { type Attack, linf, pgd } from "../attacks/index.js";
import { countPasses } from "../nn/index.js";
import { grad, manualSeed, noGrad, ops, scope, type Tensor, tensor } from "../torch/index.js";
import { type AnyEntry, parseOptions, rng } from "../util/index.js";
import { fgsmRs } from "./fgsm-rs.js";
import { freeAt } from "./free-at.js";
import type { RobustLoss, TrainingForward } from "./loss.js";
import { mart } from "./mart.js";
import { natural } from "./natural.js";
import { pgdAt } from "./pgd-at.js";
import { type LossContext, losses } from "./registry.js";
import { smoothing } from "./smoothing.js";
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
    const images = name === "natural" ? x : xAdv;
    expect(loss.evaluate(forward, batch).robustLogits.toNumbers()).toEqual(forward(images).toNumbers());
  });
});

/** Logits of the clean and of the adversarial images, whatever these are. */
const given =
  (clean: Tensor, adversarial: Tensor): TrainingForward =>
  (input) =>
    input === x ? clean : adversarial;

const byImage = (t: Tensor) =>
  Array.from({ length: images }, (_, i) => t.toNumbers().slice(i * classes, (i + 1) * classes));
const softmax = (z: readonly number[]) => {
  const total = z.reduce((sum, value) => sum + Math.exp(value), 0);
  return z.map((value) => Math.exp(value) / total);
};
type Rows = readonly (readonly number[])[];
const mean = (f: (i: number) => number) =>
  Array.from({ length: images }, (_, i) => f(i) / images).reduce((a, b) => a + b);

describe("in plain arithmetic, from logits as they are and spread over many orders of magnitude", () => {
  const labels = y.toNumbers();
  const at = (rows: Rows, i: number, c: number) => rows[i]?.[c] as number;
  const ce = (p: Rows, smooth = 0) =>
    mean((i) => {
      const logs = (p[i] as number[]).map((value) => -Math.log(value));
      return (1 - smooth) * (logs[labels[i] as number] as number) + (smooth / classes) * logs.reduce((a, b) => a + b);
    });
  const kl =
    (p: Rows, q: Rows, tiny = 0) =>
    (i: number) =>
      (p[i] as number[]).reduce((sum, pc, c) => sum + pc * (Math.log(pc) - Math.log(at(q, i, c) + tiny)), 0);
  const martOf = (beta: number) => (p: Rows, q: Rows) => {
    const wrong = (i: number) => Math.max(...(q[i] as number[]).filter((_, c) => c !== labels[i]));
    const weight = (i: number) => 1.0000001 - at(p, i, labels[i] as number);
    return (
      ce(q) - mean((i) => Math.log(1.0001 - wrong(i) + 1e-12)) + beta * mean((i) => kl(p, q, 1e-12)(i) * weight(i))
    );
  };
  const threat = attack.threat;
  const formulas: readonly (readonly [string, RobustLoss, (p: Rows, q: Rows) => number])[] = [
    ["pgd-at", pgdAt(attack), (_, q) => ce(q)],
    ["pgd-at with smoothed labels", pgdAt(attack, { labelSmoothing: 0.1 }), (_, q) => ce(q, 0.1)],
    ["natural", natural(threat), (p) => ce(p)],
    ["natural with smoothed labels", natural(threat, { labelSmoothing: 0.2 }), (p) => ce(p, 0.2)],
    ["fgsm-rs with smoothed labels", fgsmRs(threat, { labelSmoothing: 0.1 }), (_, q) => ce(q, 0.1)],
    ["free-at with smoothed labels", freeAt(threat, { labelSmoothing: 0.3 }), (_, q) => ce(q, 0.3)],
    ["trades", trades(attack), (p, q) => ce(p) + 6 * mean(kl(p, q))],
    ["smoothing", smoothing(threat, { beta: 2 }), (p, q) => ce(p) + 2 * mean(kl(p, q))],
    ["smoothing on noisy images alone", smoothing(threat, { form: "noisy" }), (_, q) => ce(q)],
    ["mart", mart(attack), martOf(5)],
    ["mart with another weight", mart(attack, { beta: 0.5 }), martOf(0.5)],
  ];

  test.each(formulas.flatMap((row) => [0.1, 1, 10].map((scale) => [...row, scale] as const)))(
    "%s",
    (_, loss, formula, scale) => {
      const [clean, adversarial] = ["clean", "adversarial"].map((name) =>
        ops.mul(normal(name, [images, classes]), scale),
      ) as [Tensor, Tensor];
      const wanted = formula(byImage(clean).map(softmax), byImage(adversarial).map(softmax));
      const found = loss.evaluate(given(clean, adversarial), batch).loss.item();
      expect(Math.abs(found - wanted)).toBeLessThan(1e-12 * Math.max(1, Math.abs(wanted)));
    },
  );
});

describe("MART", () => {
  const [clean, adversarial] = [normal("clean", [images, classes]), normal("adversarial", [images, classes])];

  test("its gradient flows through both predictions, and through the weight by the clean one", () => {
    const loss = mart(attack);
    const valueAt = (a: Tensor, b: Tensor) => loss.evaluate(given(a, b), batch).loss;
    const [a, b] = [clean, adversarial].map((t) => ops.detach(t).setRequiresGrad(true)) as [Tensor, Tensor];
    const [toClean, toAdversarial] = scope(() => grad(valueAt(a, b), [a, b])) as [Tensor, Tensor];
    expect(Math.max(...toClean.toNumbers().map(Math.abs))).toBeGreaterThan(0.1);
    close(
      toClean.toNumbers(),
      finiteDifferences((at) => valueAt(at, adversarial), clean),
    );
    close(
      toAdversarial.toNumbers(),
      finiteDifferences((at) => valueAt(clean, at), adversarial),
    );
  });

  test("stays finite, gradient included, where the predictions are certain", () => {
    const sure = tensor(Float64Array.of(900, 0, -900, -900, 0, 900, 0, 900, 0, 0, 0, 900), [images, classes]);
    for (const [p, q] of [
      [sure, ops.neg(sure)],
      [ops.neg(sure), sure],
      [sure, sure],
    ] as const) {
      const [a, b] = [p, q].map((t) => ops.detach(t).setRequiresGrad(true)) as [Tensor, Tensor];
      const { loss } = mart(attack).evaluate(given(a, b), batch);
      const all = [loss, ...grad(loss, [a, b])].flatMap((t) => t.toNumbers());
      expect(all.every(Number.isFinite)).toBe(true);
    }
  });
});

describe("how examples begin", () => {
  const seen = (make: (spy: Attack) => RobustLoss) => {
    const starts: unknown[] = [];
    const spy: Attack = {
      ...attack,
      perturb: (_victim, at, _y, options) => {
        starts.push(options.start);
        return at;
      },
    };
    const victim = { logits: networkOf(normal("weights", [5 * (pixels + classes)])), passes: countPasses() };
    make(spy).craft(victim, x, y, { rng: rng(1) });
    return starts;
  };

  test.each([
    ["MART at x + 0.001 N(0,1)", mart, ["gaussian"]],
    ["TRADES too", trades, ["gaussian"]],
    ["PGD-AT where the attack does", pgdAt, [undefined]],
  ] as const)("%s", (_, make, wanted) => expect(seen(make)).toEqual(wanted));
});

describe("TRADES", () => {
  const [clean, adversarial] = [normal("clean", [images, classes]), normal("adversarial", [images, classes])];
  const beta = 6;
  const loss = trades(attack, { beta });

  test("is CE(clean) + beta mean KL(clean || adversarial), in plain arithmetic", () => {
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
    ["MART", mart(attack), ["clean", "adversarial"]],
    ["MART as the references", mart(attack, { bnUpdates: "reference" }), ["clean", "clean", "adversarial"]],
    ["natural", natural(attack.threat), ["clean"]],
    ["smoothing", smoothing(attack.threat), ["clean", "adversarial"]],
    ["smoothing on noisy images", smoothing(attack.threat, { form: "noisy" }), ["adversarial"]],
    ["TRADES", trades(attack), ["clean", "adversarial"]],
    [
      "TRADES as the references",
      trades(attack, { bnUpdates: "reference" }),
      ["clean", "clean", "adversarial", "clean"],
    ],
  ])("%s", (_, loss, order) => expect(orderOf(loss)).toEqual(order));
});

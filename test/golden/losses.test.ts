// Training losses of fixed logits, and their gradients, against numbers computed once with plain PyTorch in float64.
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { linf, pgd } from "../../src/attacks/index.js";
import { mart, natural, pgdAt, type RobustLoss, smoothing, trades } from "../../src/losses/index.js";
import { enableGrad, grad, scope, type Tensor, tensor } from "../../src/torch/index.js";

interface Case {
  readonly loss: string;
  readonly scale: number;
  readonly value: number;
  /** Gradients with respect to the logits of clean and adversarial images; null where the loss does not see them. */
  readonly toClean: readonly number[] | null;
  readonly toAdversarial: readonly number[] | null;
}
interface Numbers {
  readonly labels: readonly number[];
  readonly classes: number;
  readonly cases: readonly Case[];
}
const { labels, classes, cases } = JSON.parse(
  readFileSync(new URL("data/formulas/losses.json", import.meta.url), "utf8"),
) as Numbers;

const attack = pgd(linf({ eps: "8/255" }));
const made: Readonly<Record<string, RobustLoss>> = {
  "pgd-at smoothed 0.1": pgdAt(attack, { labelSmoothing: 0.1 }),
  natural: natural(attack.threat),
  "trades beta 6": trades(attack),
  "smoothing beta 2": smoothing(attack.threat, { beta: 2 }),
  "smoothing noisy": smoothing(attack.threat, { form: "noisy" }),
  "mart beta 5": mart(attack),
};

function logits(f: (i: number, j: number) => number): Tensor {
  const values = labels.flatMap((_, i) => Array.from({ length: classes }, (_, j) => f(i, j)));
  return tensor(Float64Array.from(values), [labels.length, classes]).setRequiresGrad(true);
}

test("every loss of the file is known", () => {
  expect([...new Set(cases.map(({ loss }) => loss))].sort()).toEqual(Object.keys(made).sort());
});

test.each(cases)("$loss at scale $scale", ({ loss, scale, value, toClean, toAdversarial }) => {
  scope(() => {
    const clean = logits((i, j) => scale * Math.sin(1.7 * i + 2.3 * j + 0.5));
    const adversarial = logits((i, j) => scale * Math.cos(0.9 * i + 3.1 * j + 0.2));
    const y = tensor(BigInt64Array.from(labels, BigInt));
    const [x, xAdv] = [tensor(Float64Array.of(0)), tensor(Float64Array.of(1))];
    const forward = (input: Tensor) => (input === x ? clean : adversarial);
    const wanted = [
      [clean, toClean],
      [adversarial, toAdversarial],
    ] as const;
    const seen = wanted.filter(([, gradient]) => gradient !== null);
    const found = enableGrad(() => (made[loss] as RobustLoss).evaluate(forward, { x, y, xAdv }).loss);
    expect(found.item()).toBeCloseTo(value, 12);
    const gradients = grad(
      found,
      seen.map(([at]) => at),
    );
    for (const [i, [, gradient]] of seen.entries()) {
      for (const [k, entry] of (gradients[i] as Tensor).toNumbers().entries()) {
        expect(entry, `entry ${k}`).toBeCloseTo(gradient?.[k] as number, 12);
      }
    }
  });
});

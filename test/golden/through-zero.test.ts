// S2AP's gradient takes the sign of the scores where it is measured, at s + z, also where z carries scores through zero.
// The published cases have none such, so here is one, against plain arithmetic on arrays.
import { expect, test } from "vitest";
import type { RobustLoss } from "../../src/losses/index.js";
import { meanCrossEntropy } from "../../src/losses/index.js";
import { describedModel } from "../../src/models/index.js";
import { countPasses } from "../../src/nn/index.js";
import { hydra, keptCount } from "../../src/pruning/index.js";
import { s2ap } from "../../src/sharpness/index.js";
import { tensor } from "../../src/torch/index.js";
import { searchObjective } from "../../src/train/objective.js";
import { rng } from "../../src/util/index.js";
import { expectClose } from "../support/close.js";

const [images, inputs, classes] = [6, 8, 3];
const keepRatio = 0.5;
const gamma = 0.4;

/** Numbers in [-1, 1] that are a function of a name. */
const drawn = (name: string, count: number) =>
  Array.from({ length: count }, (_, i) => 2 * rng(7, name, i).uniform() - 1);
const pixels = drawn("pixels", images * inputs).map(Math.abs);
const labels = Array.from({ length: images }, (_, i) => i % classes);
const weights = drawn("weights", classes * inputs);
const bias = drawn("bias", classes);
const scores = drawn("scores", classes * inputs).map((value) => value ** 3);

const norm = (values: readonly number[]) => Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));

/** 1 for the entries of largest |score|. */
function maskOf(at: readonly number[]): number[] {
  const order = at.map((_, i) => i).sort((a, b) => Math.abs(at[b] as number) - Math.abs(at[a] as number));
  const kept = new Set(order.slice(0, keptCount(at.length, keepRatio)));
  return at.map((_, i) => (kept.has(i) ? 1 : 0));
}

/** dL/dθ of the mean cross-entropy of a linear layer: the mean of (softmax - one hot) times the input. */
function weightGradient(theta: readonly number[]): number[] {
  const gradient = new Array<number>(classes * inputs).fill(0);
  for (let n = 0; n < images; n++) {
    const x = pixels.slice(n * inputs, (n + 1) * inputs);
    const logits = bias.map((b, c) => x.reduce((sum, value, j) => sum + value * (theta[c * inputs + j] as number), b));
    const total = logits.reduce((sum, value) => sum + Math.exp(value), 0);
    for (const [c, value] of logits.entries()) {
      const error = Math.exp(value) / total - (labels[n] === c ? 1 : 0);
      for (const [j, pixel] of x.entries()) {
        gradient[c * inputs + j] = (gradient[c * inputs + j] as number) + (error * pixel) / images;
      }
    }
  }
  return gradient;
}

/** dL/ds at the given scores, with the sign taken from others. */
function scoreGradient(at: readonly number[], signs: readonly number[] = at): number[] {
  const mask = maskOf(at);
  const dense = weightGradient(weights.map((weight, i) => weight * (mask[i] as number)));
  return dense.map((value, i) => Math.sign(signs[i] as number) * (weights[i] as number) * value);
}

function ours(): number[] {
  const model = describedModel(
    {
      input: [1, 2, 4],
      classes,
      ops: [{ op: "flatten" }, { op: "linear", name: "fc", in: inputs, out: classes }],
    },
    new Map([
      ["fc.weight", tensor(Float64Array.from(weights), [classes, inputs])],
      ["fc.bias", tensor(Float64Array.from(bias))],
    ]),
    { dtype: "float64" },
  );
  const loss: RobustLoss = {
    name: "clean",
    threat: { norm: "linf", eps: 0, epsText: "0" },
    craft: (_victim, x) => x,
    evaluate(forward, { x, y }) {
      const robustLogits = forward(x);
      return { loss: meanCrossEntropy(robustLogits, y), robustLogits };
    },
  };
  const x = tensor(Float64Array.from(pixels), [images, 1, 2, 4]);
  const y = tensor(BigInt64Array.from(labels, BigInt));
  const objective = searchObjective({
    model,
    state: model,
    method: hydra({ keepRatio }),
    loss,
    precision: "float32",
    passes: countPasses(),
    freezeBatchNorm: false,
    context: { batch: { x, y, size: images }, rng: rng(0), poll: () => {}, epoch: 0, epochs: 1 },
  });
  const at = new Map([["fc.weight", tensor(Float64Array.from(scores), [classes, inputs])]]);
  const step = { epoch: 0, epochs: 1, rng: rng(0), weightDecay: 0, detailed: true, state: {} };
  const found = s2ap({ gamma, warmupEpochs: 0 }).compute(at, objective, step);
  return (found.scores.get("fc.weight") ?? tensor([])).toNumbers();
}

test("the sign of the gradient is that of s + z where z carries scores through zero", () => {
  const climbed = scoreGradient(scores);
  const shifted = scores.map((score, i) => score + (gamma * norm(scores) * (climbed[i] as number)) / norm(climbed));
  const through = shifted.map((value, i) => value * (scores[i] as number) < 0);
  const wanted = scoreGradient(shifted);
  // The case is worth something: scores change sign, kept ones too, the mask changes, and the old signs would show.
  expect(through.filter((changed, i) => changed && wanted[i] !== 0).length).toBeGreaterThan(2);
  expect(maskOf(shifted).filter((kept, i) => kept === 1 && through[i]).length).toBeGreaterThan(0);
  expect(maskOf(shifted)).not.toEqual(maskOf(scores));
  const withOldSigns = scoreGradient(shifted, scores);
  expect(norm(wanted.map((value, i) => value - (withOldSigns[i] as number))) / norm(wanted)).toBeGreaterThan(0.1);

  expectClose("gradient at s + z", ours(), wanted, 1e-13, { relativeTo: "norm" });
});

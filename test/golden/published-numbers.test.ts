// Numbers of the reference implementations that the specification of methods lists.
import { describe, expect, test } from "vitest";
import { resnet18 } from "../../src/models/index.js";
import { pick } from "../../src/nn/index.js";
import { cosine, step } from "../../src/optim/index.js";
import { hydra, initialScores, keptCount, magnitude, maskDistance } from "../../src/pruning/index.js";
import { noGrad, ops, scope } from "../../src/torch/index.js";
import { rng } from "../../src/util/index.js";

const ratios = [0.2, 0.1, 0.05, 0.01];

describe("kept weights", () => {
  test.each([
    [432, [87, 44, 22, 5]],
    [1728, [346, 173, 87, 18]],
    [36864, [7373, 3687, 1844, 369]],
    [147456, [29492, 14746, 7373, 1475]],
    [2359296, [471860, 235930, 117965, 23593]],
    [5120, [1024, 512, 256, 52]],
    [2560, [512, 256, 128, 26]],
  ])("of a layer of %i", (n, wanted) => expect(ratios.map((k) => keptCount(n, k))).toEqual(wanted));

  test("of a CIFAR ResNet-18, layer by layer", () => {
    const { params, prunable } = resnet18();
    const sizes = [...pick(params, prunable).values()].map((weight) => weight.numel);
    const total = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);
    expect(prunable).toHaveLength(21);
    expect(total(sizes)).toBe(11_164_352);
    expect(total([...params.values()].map((each) => each.numel))).toBe(11_173_962);
    expect(ratios.map((k) => total(sizes.map((n) => keptCount(n, k))))).toEqual([2232880, 1116445, 558228, 111653]);
    expect(prunable.flatMap((name, i) => (name.includes("shortcut") ? [i] : []))).toEqual([7, 12, 17]);
  });
});

describe("scaled score initialisation of a CIFAR ResNet-18", () => {
  const { params, prunable } = resnet18();
  const weights = pick(params, prunable);
  const scores = initialScores(weights, "scaled", rng(0));

  test.each([
    ["conv1", 0.4714],
    ["layer1.0.conv1", 0.1021],
    ["layer2.1.conv1", 0.0722],
    ["layer3.1.conv2", 0.051],
    ["layer4.1.conv2", 0.0361],
    ["linear", 0.1083],
  ])("largest |score| of %s is %f", (layer, wanted) => {
    const score = scores.get(`${layer}.weight`);
    if (!score) throw new Error(`${layer} has no scores`);
    expect(scope(() => ops.amax(ops.abs(score))).item()).toBeCloseTo(wanted, 4);
  });

  test("gives each weight a score of its sign", () => {
    const differing = noGrad(() =>
      scope(() =>
        [...scores].map(([name, score]) =>
          ops.sum(ops.ne(ops.sign(score), ops.sign(weights.get(name) ?? score))).item(),
        ),
      ),
    );
    expect(differing.reduce((a, b) => a + b, 0)).toBe(0);
  });

  test("makes the first mask the magnitude mask", () => {
    const [ours, theirs] = scope(() => [
      hydra({ keepRatio: 0.1 }).masks({ scores }),
      magnitude({ keepRatio: 0.1 }).masks({ scores: weights }),
    ]);
    // Scaling rounds, so weights next to one another at the threshold may swap; nothing else may.
    expect(maskDistance(ours, theirs).hamming).toBeLessThan(2 / 11_164_352 + 1e-12);
  });
});

describe("cosine schedule of HYDRA and HARP", () => {
  const rates = (lr: number, epochs: number) =>
    Array.from({ length: epochs }, (_, epoch) => {
      const progress = { step: epoch * 391 + 17, steps: epochs * 391, epoch, epochs };
      return lr * cosine({ parity: "epoch-minus-one" }).factor(progress);
    });

  test("20 epochs from 0.1", () => {
    const lr = rates(0.1, 20);
    expect(lr.slice(0, 5).map((rate) => Number(rate.toFixed(5)))).toEqual([0.09938, 0.1, 0.09938, 0.09755, 0.09455]);
    expect(lr.slice(-2).map((rate) => Number(rate.toFixed(5)))).toEqual([0.00545, 0.00245]);
  });

  test("100 epochs from 0.01", () => {
    const lr = rates(0.01, 100);
    expect(lr.slice(0, 2).map((rate) => Number(rate.toFixed(7)))).toEqual([0.0099975, 0.01]);
    expect(Number(lr.at(-1)?.toPrecision(3))).toBe(9.87e-6);
  });

  test("stepwise: a tenth from three quarters, a hundredth from nine tenths", () => {
    const at = (fraction: number) => step().factor({ step: fraction * 1000, steps: 1000, epoch: 0, epochs: 1 });
    expect([0, 0.749, 0.75, 0.899, 0.9, 0.999].map((f) => Number(at(f).toPrecision(3)))).toEqual([
      1, 1, 0.1, 0.1, 0.01, 0.01,
    ]);
  });
});

import { describe, expect, test } from "vitest";
import { finiteDifferences } from "../../test/support/finite-difference.js";
import { linf, pgd } from "../attacks/index.js";
import { type CraftedBatch, meanCrossEntropy, type RobustLoss, trades } from "../losses/index.js";
import { describedModel, type Model } from "../models/index.js";
import { cloneParams, countPasses, type Params, param } from "../nn/index.js";
import { applyMasks, hydra, type Method } from "../pruning/index.js";
import { manualSeed, noGrad, ops, scope, type Tensor, tensor } from "../torch/index.js";
import { rng } from "../util/index.js";
import { searchObjective } from "./objective.js";

function normal(name: string, shape: readonly number[]): Tensor {
  manualSeed(rng(9, name));
  return ops.normal_(ops.empty(shape, { dtype: "float64" }));
}

const description = {
  input: [2, 4, 4],
  classes: 3,
  ops: [
    { op: "conv2d", name: "conv", in: 2, out: 4, kernel: 3, stride: 2, padding: 1, bias: false },
    { op: "batchnorm2d", name: "bn", channels: 4 },
    { op: "relu" },
    { op: "flatten" },
    { op: "linear", name: "fc", in: 16, out: 3 },
  ],
};

function network(): Model {
  const shapes = {
    "conv.weight": [4, 2, 3, 3],
    "bn.weight": [4],
    "bn.bias": [4],
    "fc.weight": [3, 16],
    "fc.bias": [3],
  };
  const tensors = new Map(Object.entries(shapes).map(([name, shape]) => [name, normal(name, shape)]));
  tensors.set("bn.running_mean", normal("mean", [4]));
  tensors.set("bn.running_var", ops.ones([4], { dtype: "float64" }));
  return describedModel(description, tensors, { dtype: "float64" });
}

const images = 6;
const x = ops.abs(normal("x", [images, 2, 4, 4]));
const xAdv = ops.add(x, normal("change", [images, 2, 4, 4]), { alpha: 0.2 });
const y = tensor(BigInt64Array.of(0n, 1n, 2n, 0n, 1n, 2n));

/** TRADES on given adversarial examples; counts how often they are asked for. */
function lossOn(crafted: { times: number }): RobustLoss {
  return {
    ...trades(pgd(linf({ eps: "8/255" }))),
    craft: () => {
      crafted.times += 1;
      return ops.clone(xAdv);
    },
  };
}

const method = hydra({ keepRatio: 0.3 });
const scoresOf = (model: Model) =>
  new Map(model.prunable.map((name) => [name, normal(`scores ${name}`, param(model.params, name).shape)]));

function setUp(options: { readonly freezeBatchNorm?: boolean; readonly method?: Method } = {}) {
  const model = network();
  const crafted = { times: 0 };
  const passes = countPasses();
  const state = { params: model.params, buffers: cloneParams(model.buffers) };
  const objective = searchObjective({
    model,
    state,
    method: options.method ?? method,
    loss: lossOn(crafted),
    precision: "float32",
    passes,
    freezeBatchNorm: options.freezeBatchNorm ?? false,
    context: { batch: { x, y, size: images }, rng: rng(0), poll: () => {}, epoch: 0, epochs: 1 },
  });
  return { model, state, objective, crafted, passes, scores: scoresOf(model) };
}

/** The loss as a function of one of the network's tensors, all others as they are. */
function lossAt(model: Model, params: Params, name: string, value: Tensor): Tensor {
  const state = { params: new Map([...params, [name, value]]), buffers: model.buffers };
  const forward = (input: Tensor) => model.forward(state, input, { batchNorm: "batch" });
  const batch: CraftedBatch = { x, y, xAdv };
  return lossOn({ times: 0 }).evaluate(forward, batch).loss;
}

const close = (found: Tensor, wanted: readonly number[]) => {
  expect(found.numel).toBe(wanted.length);
  for (const [i, value] of found.toNumbers().entries()) expect(value).toBeCloseTo(wanted[i] as number, 6);
};

describe("gradients at a mask", () => {
  const { model, objective, scores } = setUp();
  const found = objective.evaluate({ scores }, "batch");
  const theta = noGrad(() => applyMasks(model.params, found.masks));
  const differences = (name: string) => finiteDifferences((at) => lossAt(model, theta, name, at), param(theta, name));

  test.each(model.prunable)("of %s are those of finite differences, at pruned entries too", (name) => {
    const wanted = differences(name);
    const mask = param(found.masks, name).toNumbers();
    expect(wanted.filter((value, i) => mask[i] === 0 && Math.abs(value) > 1e-3).length).toBeGreaterThan(5);
    close(param(found.weights, name), wanted);
  });

  test.each(["bn.weight", "bn.bias"])("of %s are those of finite differences", (name) => {
    close(param(found.rest, name), differences(name));
  });

  test.each(model.prunable)("of the scores of %s are sign(s) w dL/dθ", (name) => {
    const [s, w, g] = [scores, model.params, found.weights].map((params) => param(params, name).toNumbers());
    const wanted = (s ?? []).map((score, i) => Math.sign(score) * (w?.[i] as number) * (g?.[i] as number));
    close(param(found.scores, name), wanted);
  });

  test("stand beside the loss of that network", () => {
    const value = noGrad(() => scope(() => lossAt(model, theta, "fc.bias", param(model.params, "fc.bias"))).item());
    expect(found.loss).toBeCloseTo(value, 12);
  });
});

describe("the objective", () => {
  test("crafts once, at the first point, and again only when asked", () => {
    const { objective, scores, crafted, passes } = setUp();
    objective.evaluate({ scores }, "update");
    objective.evaluate({ scores }, "batch");
    expect(crafted.times).toBe(1);
    objective.evaluate({ scores }, "batch", { recraft: true });
    expect(crafted.times).toBe(2);
    // TRADES runs the clean and the adversarial images, each time.
    expect(passes).toEqual({ forward: 6, backward: 3 });
  });

  test("moves batch-norm statistics with `update` only, and no weight, score or label ever", () => {
    const { model, state, objective, scores } = setUp();
    const buffers = () => [...state.buffers.values()].map((t) => t.toNumbers());
    const fixed = () => [model.params, scores].map((params) => [...params.values()].map((t) => t.toNumbers()));
    const [statistics, rest] = [buffers(), fixed()];
    objective.evaluate({ scores }, "batch");
    objective.evaluate({ scores }, "running");
    expect(buffers()).toEqual(statistics);
    objective.evaluate({ scores }, "update");
    expect(buffers()).not.toEqual(statistics);
    expect(fixed()).toEqual(rest);
  });

  test("leaves batch norm's parameters out where they are frozen", () => {
    const { objective, scores } = setUp({ freezeBatchNorm: true });
    expect([...objective.evaluate({ scores }, "batch").rest.keys()]).toEqual([]);
    expect([...setUp().objective.evaluate({ scores }, "batch").rest.keys()]).toEqual(["bn.weight", "bn.bias"]);
  });

  test("differentiates the cross-entropy of the adversarial examples where asked, and reports the robust loss", () => {
    const { model, objective, scores } = setUp();
    const robust = objective.evaluate({ scores }, "batch");
    const other = objective.evaluate({ scores }, "batch", { loss: "crossEntropy" });
    expect(other.loss).toBe(robust.loss);
    const theta = noGrad(() => applyMasks(model.params, other.masks));
    const valueAt = (at: Tensor) => {
      const state = { params: new Map([...theta, ["fc.weight", at]]), buffers: model.buffers };
      return meanCrossEntropy(model.forward(state, xAdv, { batchNorm: "batch" }), y);
    };
    close(param(other.weights, "fc.weight"), finiteDifferences(valueAt, param(theta, "fc.weight")));
  });

  test("runs on other weights when they are given", () => {
    const { model, objective, scores } = setUp();
    const doubled = new Map([...model.params, ["fc.weight", ops.mul(param(model.params, "fc.weight"), 2)]]);
    const plain = objective.evaluate({ scores }, "batch").loss;
    expect(objective.evaluate({ scores, weights: doubled }, "batch").loss).not.toBeCloseTo(plain, 3);
  });
});

// A network small enough for its whole Hessian over scores, in float64, and a loss around it.
import { linf, pgd } from "../../src/attacks/index.js";
import type { FixedImages, ScorePoint } from "../../src/evaluation/sharpness/score-loss.js";
import { pgdAt, trades } from "../../src/losses/index.js";
import { describedModel } from "../../src/models/index.js";
import { mapParams } from "../../src/nn/index.js";
import { hydra, type Method } from "../../src/pruning/index.js";
import { manualSeed, ops, type Tensor, tensor } from "../../src/torch/index.js";
import { rng } from "../../src/util/index.js";

const description = {
  name: "tiny-scores",
  input: [1, 6, 6],
  classes: 3,
  ops: [
    { op: "conv2d", name: "conv", in: 1, out: 4, kernel: 3, stride: 2, padding: 0, bias: false },
    { op: "batchnorm2d", name: "bn", channels: 4 },
    { op: "relu" },
    { op: "flatten" },
    { op: "linear", name: "linear", in: 16, out: 3 },
  ],
};

const threat = linf({ eps: "8/255" });
export const tinyLosses = {
  "pgd-at": pgdAt(pgd(threat, { steps: 2 })),
  trades: trades(pgd(threat, { steps: 2 })),
};

/** 84 scores in two layers; everything is drawn from `seed`. */
export function tinyPoint(method: Method = hydra({ keepRatio: 0.4, scoreInit: "uniform" }), seed = 3): ScorePoint {
  manualSeed(rng(seed, "tiny-scores"));
  const normal = (shape: readonly number[], std = 1) => ops.normal_(ops.empty(shape, { dtype: "float64" }), { std });
  const positive = (shape: readonly number[]) =>
    ops.uniform_(ops.empty(shape, { dtype: "float64" }), { low: 0.5, to: 2 });
  const tensors = new Map<string, Tensor>([
    ["conv.weight", normal([4, 1, 3, 3], 0.5)],
    ["bn.weight", positive([4])],
    ["bn.bias", normal([4], 0.3)],
    ["bn.running_mean", normal([4], 0.3)],
    ["bn.running_var", positive([4])],
    ["linear.weight", normal([3, 16], 0.5)],
    ["linear.bias", normal([3], 0.3)],
  ]);
  const model = describedModel(description, tensors, { dtype: "float64" });
  const state = method.init(model, rng(seed));
  const double = mapParams(state.scores, (score) => ops.to(score, "float64"));
  return { model, params: model.params, buffers: model.buffers, method, state: { ...state, scores: double } };
}

/** Images with examples that are moved at random: fixed is all they have to be. */
export function tinyImages(n = 10, seed = 4): FixedImages {
  manualSeed(rng(seed, "images"));
  const uniform = () => ops.uniform_(ops.empty([n, 1, 6, 6], { dtype: "float64" }));
  const x = uniform();
  const xAdv = ops.clamp(ops.add(x, ops.mul(ops.sub(uniform(), 0.5), { float: 0.1 })), { min: 0, max: 1 });
  return { x, xAdv, y: tensor(BigInt64Array.from({ length: n }, (_, i) => BigInt(i % 3))) };
}

import { meanCrossEntropy, type RobustLoss } from "../losses/index.js";
import { bindNetwork, type Model } from "../models/index.js";
import { mapParams, type Params, pick } from "../nn/index.js";
import type { DenseGradientOptions, DenseGradients } from "../pruning/index.js";
import { grad, noGrad, ops, type Precision, scope, type Tensor } from "../torch/index.js";
import type { Rng } from "../util/index.js";
import { asLeaves } from "./leaves.js";
import type { StageOptions } from "./options.js";

interface Setting extends Pick<StageOptions, "train"> {
  readonly loss: RobustLoss;
  readonly precision?: Precision | undefined;
}

/** dL/dw on one batch of the network with all of its weights; batch norm by the batch, running statistics unmoved. */
function onBatch(model: Model, setting: Setting, of: DenseGradientOptions["loss"], index: number, rng: Rng): Tensor[] {
  const { train, loss, precision = "float32" } = setting;
  const { x, y, targets = y } = train.batch(0, index % train.steps, rng.at("data"));
  const theta = asLeaves(model.params, new Set(model.prunable));
  const network = bindNetwork(model, { params: theta, buffers: model.buffers }, { precision });
  const forward = network.forward("batch");
  const clean = () => meanCrossEntropy(forward(x), targets);
  const robust = () => {
    const xAdv = loss.craft(network.victim, x, y, { rng: rng.at("attack", index) });
    return loss.evaluate(forward, { x, y: targets, xAdv }).loss;
  };
  return grad(of === "robust" ? robust() : clean(), [...pick(theta, model.prunable).values()]);
}

/** Gradients of the network before a search, for methods that rank weights by them; the mean over training batches. */
export function denseGradients(model: Model, setting: Setting, rng: Rng): DenseGradients {
  return ({ loss, batches }) =>
    scope(() => {
      let sums: Params | undefined;
      for (let i = 0; i < batches; i++) {
        const raw = onBatch(model, setting, loss, i, rng);
        const found = new Map(model.prunable.map((name, at) => [name, raw[at] as Tensor]));
        const before = sums;
        sums = before ? noGrad(() => mapParams(found, (g, name) => ops.add(g, before.get(name) as Tensor))) : found;
      }
      return noGrad(() => mapParams(sums as Params, (sum) => ops.div(sum, batches)));
    });
}

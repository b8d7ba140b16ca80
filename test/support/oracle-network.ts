import type { Victim } from "../../src/attacks/index.js";
import { bindNetwork, describedModel, type Model } from "../../src/models/index.js";
import type { Params } from "../../src/nn/index.js";
import { noGrad, ops, scope, type Tensor } from "../../src/torch/index.js";
import { first, get, type OracleFolder, pixels } from "./oracles.js";

export interface OracleNetwork {
  readonly model: Model;
  readonly victim: Victim;
  /** Images in [0,1] and labels, the first of the folder's. */
  readonly x: Tensor;
  readonly y: Tensor;
  /** Logits without a graph. */
  readonly logits: (x: Tensor) => Tensor;
}

/** A folder's network and images, as read from its files. `params` replaces the weights. */
export function oracleNetwork(
  folder: OracleFolder,
  dtype: "float32" | "float64",
  options: { readonly images?: number; readonly params?: Params } = {},
): OracleNetwork {
  const { images = Number.POSITIVE_INFINITY } = options;
  const model = describedModel(folder.json("arch.json"), folder.tensors("weights.safetensors"), { dtype });
  const inputs = folder.tensors("inputs.safetensors");
  const { victim } = bindNetwork(model, { params: options.params ?? model.params, buffers: model.buffers });
  return {
    model,
    victim,
    x: pixels(first(get(inputs, "images"), images), dtype),
    y: first(get(inputs, "labels"), images),
    logits: (x) => noGrad(() => scope(() => victim.logits(x))),
  };
}

/** Highest logits first: the class of rank r (1 = highest) of each row. */
export function rankOf(logits: Tensor, rank: number): Tensor {
  return scope(() => ops.select(ops.argsort(logits, { dim: 1, descending: true }), 1, rank - 1));
}

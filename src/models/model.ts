import type { BatchNormMode, ModelState, Params } from "../nn/index.js";
import type { Tensor } from "../torch/index.js";

/** A network's description as data: the registry name and its options; enough to build it again. */
export interface ModelSpec {
  readonly arch: string;
  readonly [option: string]: unknown;
}

/** A network: a state, and a pure function of it. No layer knows of masks: a pruned network is other parameters. */
export interface Model extends ModelState {
  readonly spec: ModelSpec;
  /** Names of all convolution and linear weights, in module order, shortcuts behind their block's convolutions. */
  readonly prunable: readonly string[];
  /** [C,H,W] of one image in [0,1]. */
  readonly inputShape: readonly [number, number, number];
  readonly numClasses: number;
  /** x [N,C,H,W] in [0,1] -> logits [N,K]; writes `state.buffers` only with `batchNorm: "update"`. */
  forward(state: ModelState, x: Tensor, options: { readonly batchNorm: BatchNormMode }): Tensor;
}

/** The same network with another state. */
export function withState(model: Model, state: { readonly params?: Params; readonly buffers?: Params }): Model {
  return { ...model, params: state.params ?? model.params, buffers: state.buffers ?? model.buffers };
}

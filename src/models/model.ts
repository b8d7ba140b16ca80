import type { BatchNormMode, ModelState, Params } from "../nn/index.js";
import type { Tensor } from "../torch/index.js";
import type { Operation } from "./described-operations.js";

/** A network's description as data: the registry name and its options; enough to build it again. */
export interface ModelSpec {
  readonly arch: string;
  readonly [option: string]: unknown;
}

/** What may be changed in a network that is only evaluated, as facts about its shape; layers by name. */
export interface Shortcuts {
  /** Convolutions whose output one batch norm alone reads: that norm can be folded into them. */
  readonly norms: ReadonlyMap<string, { readonly name: string; readonly eps: number }>;
  /**
   * Convolutions whose output goes through their norm and a ReLU (perhaps max-pooling too) to one other convolution and
   * nowhere else: channels between the two may be left out.
   */
  readonly hidden: ReadonlyMap<string, string>;
}

/**
 * Channels that layers share: `writers` put them out, added where there are several, and `readers` take them in, perhaps
 * through norms, ReLU and pooling. A channel can be cut out of a network in all of them together. The image has no
 * writers, and the logits no readers. Layers by name, without `.weight`.
 */
export interface Stream {
  readonly writers: readonly string[];
  readonly readers: readonly string[];
}

/** A network: a state, and a pure function of it. No layer knows of masks: a pruned network is other parameters. */
export interface Model extends ModelState {
  readonly spec: ModelSpec;
  /** Names of all convolution and linear weights, in module order, shortcuts behind their block's convolutions. */
  readonly prunable: readonly string[];
  /** [C,H,W] of one image in [0,1]. */
  readonly inputShape: readonly [number, number, number];
  readonly numClasses: number;
  /** Known of built-in and described networks; without it, a network is evaluated as it is. */
  readonly shortcuts?: Shortcuts | undefined;
  /**
   * Which layers share channels; without it, each layer is thought to have its own. Empty where no channel can be cut out
   * by itself: layer norm divides all channels of a token by what they have in common, and attention splits them into heads.
   */
  readonly streams?: readonly Stream[] | undefined;
  /** The forward pass, operation by operation; known of built-in and described networks. */
  readonly operations?: readonly Operation[] | undefined;
  /** Prunable layers of one kind, by weight name: what HARP can give one rate. Layers without a group stand for themselves. */
  readonly groups?: ReadonlyMap<string, string> | undefined;
  /** x [N,C,H,W] in [0,1] -> logits [N,K]; writes `state.buffers` only with `batchNorm: "update"`. */
  forward(state: ModelState, x: Tensor, options: { readonly batchNorm: BatchNormMode }): Tensor;
}

/** The same network with another state. */
export function withState(model: Model, state: { readonly params?: Params; readonly buffers?: Params }): Model {
  return { ...model, params: state.params ?? model.params, buffers: state.buffers ?? model.buffers };
}

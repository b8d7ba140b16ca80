import { keep, ops, scope, type Tensor } from "../torch/index.js";
import { S2apError } from "../util/index.js";

/** Tensors by PyTorch name, e.g. `layer1.0.conv1.weight`, in the order of the network. */
export type Params = ReadonlyMap<string, Tensor>;

/** Everything a network is besides its shape: what an optimiser trains, and what batch norm remembers. */
export interface ModelState {
  readonly params: Params;
  readonly buffers: Params;
  /**
   * Only in states made for passes that train nothing: the batch norms that the convolutions before them contain. Each
   * layer of such a state computes in its own weight's precision.
   */
  readonly folded?: ReadonlySet<string> | undefined;
  /**
   * Told of every convolution and linear layer that a forward pass runs: for those who count operations, or look at what
   * layers see. The tensors may be overwritten after the call.
   */
  readonly observe?: ((layer: LayerRun, tensors: LayerTensors) => void) | undefined;
}

/** What a layer was given and what it made of it, before norm and activation. */
export interface LayerTensors {
  readonly input: Tensor;
  readonly output: Tensor;
}

/** A layer of a forward pass: shapes with the batch in front. */
export interface LayerRun {
  /** Without `.weight`. */
  readonly name: string;
  readonly input: readonly number[];
  readonly output: readonly number[];
  readonly stride: number;
  readonly padding: number;
}

/** The tensor of that name, or an error that lists what there is. */
export function param(params: Params, name: string): Tensor {
  const tensor = params.get(name);
  if (tensor === undefined) {
    throw new S2apError(`params: expected '${name}', got only ${[...params.keys()].slice(0, 8).join(", ")}, ...`, {
      code: "model/missing-parameter",
    });
  }
  return tensor;
}

export function mapParams(params: Params, fn: (tensor: Tensor, name: string) => Tensor): Map<string, Tensor> {
  return new Map(Array.from(params, ([name, tensor]) => [name, fn(tensor, name)]));
}

/** The entries of these names, in their order. */
export function pick(params: Params, names: Iterable<string>): Map<string, Tensor> {
  return new Map(Array.from(names, (name) => [name, param(params, name)]));
}

/** Copies that no scope owns: the caller disposes of them. */
export function cloneParams(params: Params): Map<string, Tensor> {
  return keep(
    scope(() => mapParams(params, (tensor) => ops.clone(ops.detach(tensor)))),
    { forever: true },
  );
}

/** Overwrites the values of `target` with those of `source`, entry by entry. */
export function copyInto(target: Params, source: Params): void {
  for (const [name, tensor] of target) ops.copy_(tensor, param(source, name));
}

export function disposeParams(...all: readonly Params[]): void {
  for (const params of all) for (const tensor of params.values()) tensor.dispose();
}

/** Convolution weights run fastest as [out,H,W,in] in memory; the shape stays [out,in,H,W]. */
export function channelsLast(tensor: Tensor): Tensor {
  return tensor.shape.length === 4 ? ops.contiguous(tensor, { memoryFormat: "channels_last" }) : tensor;
}

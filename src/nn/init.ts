import { keep, manualSeed, ops, scope, type Tensor } from "../torch/index.js";
import type { Rng } from "../util/index.js";
import { channelsLast } from "./params.js";

/** Inputs of one output unit: the product of all extents but the first. */
export function fanIn(shape: readonly number[]): number {
  return shape.slice(1).reduce((product, extent) => product * extent, 1);
}

/**
 * PyTorch's default for convolution and linear layers: weight and bias uniform in ±1/sqrt(fan_in). Each tensor draws
 * from a key of its own, so a layer's values do not depend on its neighbours.
 */
export function defaultInit(
  params: Map<string, Tensor>,
  name: string,
  shape: readonly number[],
  options: { readonly bias: boolean; readonly rng: Rng },
): void {
  const bound = 1 / Math.sqrt(fanIn(shape));
  params.set(`${name}.weight`, uniform(shape, bound, options.rng.at("init", `${name}.weight`)));
  if (options.bias) params.set(`${name}.bias`, uniform([shape[0] ?? 0], bound, options.rng.at("init", `${name}.bias`)));
}

/** A tensor that no scope owns, uniform in ±bound. */
export function uniform(shape: readonly number[], bound: number, rng: Rng): Tensor {
  return drawn(shape, rng, (empty) => ops.uniform_(empty, { low: -bound, to: bound }));
}

/** A tensor that no scope owns, normal with mean 0. */
export function normal(shape: readonly number[], std: number, rng: Rng): Tensor {
  return drawn(shape, rng, (empty) => ops.normal_(empty, { mean: 0, std }));
}

function drawn(shape: readonly number[], rng: Rng, fill: (empty: Tensor) => Tensor): Tensor {
  return keep(
    scope(() => {
      manualSeed(rng);
      return channelsLast(fill(ops.empty(shape)));
    }),
    { forever: true },
  );
}

/** Batch norm as made new: weight 1, bias 0, running mean 0, running variance 1. */
export function batchNormInit(
  params: Map<string, Tensor>,
  buffers: Map<string, Tensor>,
  name: string,
  channels: number,
): void {
  const own = (tensor: Tensor) => keep(tensor, { forever: true });
  params.set(`${name}.weight`, own(ops.ones([channels])));
  params.set(`${name}.bias`, own(ops.zeros([channels])));
  buffers.set(`${name}.running_mean`, own(ops.zeros([channels])));
  buffers.set(`${name}.running_var`, own(ops.ones([channels])));
  buffers.set(`${name}.num_batches_tracked`, own(ops.zeros([], { dtype: "int64" })));
}

/** Layer norm as made new: weight 1, bias 0. */
export function layerNormInit(params: Map<string, Tensor>, name: string, size: number): void {
  params.set(`${name}.weight`, keep(ops.ones([size]), { forever: true }));
  params.set(`${name}.bias`, keep(ops.zeros([size]), { forever: true }));
}

// A network for passes that train nothing, the same function as before up to rounding:
//   norm(conv(x)) = (W g) * x + (b - mean) g + beta,  g = gain / sqrt(variance + eps)
// Channels between two convolutions that are zero whatever the image, or that nobody reads, are left out: exactly.
import { channelsLast, type ModelState, type Params, param } from "../nn/index.js";
import { noGrad, ops, type Precision, scope, type Tensor, tensor } from "../torch/index.js";
import type { Model } from "./model.js";

export interface FoldOptions {
  /** Of convolutions; linear layers, and whatever follows global pooling, stay as they are. Default float32: as they are. */
  readonly precision?: Precision;
}

/**
 * The state with which `model.forward` does the same with less: batch norms folded into the convolutions before them,
 * dead channels cut out, convolutions in `precision`. Frozen, and only for running statistics. Its tensors belong to the
 * scope it is made in.
 */
export function folded(model: Model, { precision = "float32" }: FoldOptions = {}): ModelState {
  return noGrad(() =>
    scope(() => {
      const params = new Map(Array.from(model.params, ([name, value]) => [name, ops.detach(value)]));
      const buffers = new Map(model.buffers);
      const names = new Set<string>();
      for (const [conv, norm] of model.shortcuts?.norms ?? []) {
        foldNorm(params, buffers, conv, norm);
        names.add(norm.name);
      }
      for (const [conv, reader] of model.shortcuts?.hidden ?? []) cutChannels(params, conv, reader);
      if (precision === "bfloat16") for (const name of convolutions(params)) halve(params, name);
      return { params, buffers, folded: names };
    }),
  );
}

const convolutions = (params: Params) =>
  [...params].flatMap(([name, { shape }]) => (shape.length === 4 ? [name.replace(/\.weight$/, "")] : []));

/** [C] -> [C,1,1,1]. */
const perFilter = (values: Tensor) => ops.reshape(values, [-1, 1, 1, 1]);

/** Rewrites a convolution so that it contains the norm, whose own tensors go; computed in float64. */
function foldNorm(
  params: Map<string, Tensor>,
  buffers: Map<string, Tensor>,
  conv: string,
  norm: { readonly name: string; readonly eps: number },
): void {
  const weight = param(params, `${conv}.weight`);
  const double = (value: Tensor) => ops.to(value, "float64");
  const mean = double(param(buffers, `${norm.name}.running_mean`));
  const variance = double(param(buffers, `${norm.name}.running_var`));
  const [gain, beta, bias] = [`${norm.name}.weight`, `${norm.name}.bias`, `${conv}.bias`].map((name) => {
    const value = params.get(name);
    return value && double(value);
  });
  const inverse = ops.rsqrt(ops.add(variance, norm.eps));
  const factor = gain ? ops.mul(gain, inverse) : inverse;
  const shift = ops.mul(bias ? ops.sub(bias, mean) : ops.neg(mean), factor);
  params.set(`${conv}.weight`, channelsLast(ops.to(ops.mul(double(weight), perFilter(factor)), weight.dtype)));
  params.set(`${conv}.bias`, ops.to(beta ? ops.add(shift, beta) : shift, weight.dtype));
  for (const end of ["weight", "bias"]) params.delete(`${norm.name}.${end}`);
  for (const end of ["running_mean", "running_var", "num_batches_tracked"]) buffers.delete(`${norm.name}.${end}`);
}

/**
 * Leaves out what lies between `conv` and `reader` and cannot matter: channels with a zero filter and no positive bias,
 * which the ReLU makes zero, and those that `reader` multiplies by zero. A zero filter with a positive bias stays: its
 * channel is constant inside, but not at the border, where the reader pads with zeros.
 */
function cutChannels(params: Map<string, Tensor>, conv: string, reader: string): void {
  const weight = param(params, `${conv}.weight`);
  const readers = param(params, `${reader}.weight`);
  const bias = params.get(`${conv}.bias`);
  const used = ops.anyDim(ops.flatten(ops.ne(ops.transpose(readers, 0, 1), 0), { startDim: 1 }), 1);
  const filled = ops.anyDim(ops.flatten(ops.ne(weight, 0), { startDim: 1 }), 1);
  const live = ops.logicalAnd(used, bias ? ops.logicalOr(filled, ops.logicalNot(ops.le(bias, 0))) : filled);
  const kept = live.toNumbers().flatMap((flag, channel) => (flag ? [channel] : []));
  if (kept.length === live.numel) return;
  // A convolution needs at least one channel, even a dead one.
  const at = tensor(BigInt64Array.from(kept.length > 0 ? kept : [0], BigInt));
  params.set(`${conv}.weight`, channelsLast(ops.indexSelect(weight, 0, at)));
  params.set(`${reader}.weight`, channelsLast(ops.indexSelect(readers, 1, at)));
  if (bias) params.set(`${conv}.bias`, ops.indexSelect(bias, 0, at));
}

function halve(params: Map<string, Tensor>, conv: string): void {
  for (const name of [`${conv}.weight`, `${conv}.bias`]) {
    const value = params.get(name);
    if (value) params.set(name, ops.to(value, "bfloat16"));
  }
}

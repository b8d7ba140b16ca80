// Layers as functions: a name says which tensors of the state they use.
import { noGrad, ops, type Tensor } from "../torch/index.js";
import { expected, UsageError } from "../util/index.js";
import { type ModelState, param } from "./params.js";

/**
 * What batch norm normalises by, and whether it remembers: `update` by the batch, moving the running statistics;
 * `batch` by the batch, leaving them; `running` by the running statistics.
 */
export type BatchNormMode = "update" | "batch" | "running";

/** x [N,C,H,W] -> [N,out,H',W'] with `name.weight` and, where the state has it, `name.bias`. */
export function conv2d(
  state: ModelState,
  name: string,
  x: Tensor,
  options: { readonly stride?: number; readonly padding?: number } = {},
): Tensor {
  const { stride = 1, padding = 0 } = options;
  const weight = param(state.params, `${name}.weight`);
  const bias = state.params.get(`${name}.bias`);
  const input = inPrecisionOf(weight, state, x);
  const output =
    stride > 1 && padding === 0 && isNarrowPoint(weight)
      ? ops.conv2d(everyNth(input, stride), weight, { bias })
      : ops.conv2d(input, weight, { bias, stride, padding });
  state.observe?.({ name, input: x.shape, output: output.shape, stride, padding }, { input: x, output });
  return output;
}

/** Outside of folded states a difference of precision is autocast's business, or a mistake that libtorch refuses. */
function inPrecisionOf(weight: Tensor, state: ModelState, x: Tensor): Tensor {
  return state.folded === undefined || x.dtype === weight.dtype ? x : ops.to(x, weight.dtype);
}

/** In a folded state, bfloat16 ends here: a mean over many pixels has more digits than they have. */
export function widen(state: ModelState, x: Tensor): Tensor {
  return state.folded !== undefined && x.dtype === "bfloat16" ? ops.to(x, "float32") : x;
}

/**
 * A 1 x 1 kernel over fewer than 16 channels (8 are seen to fail). With a stride, oneDNN 2.6 on AVX2 writes past its scratch memory in the
 * weight gradient there and may then wait for ever; skipping the pixels first is the same convolution.
 */
function isNarrowPoint(weight: Tensor): boolean {
  const [, inputs = 0, height, width] = weight.shape;
  return height === 1 && width === 1 && inputs < 16;
}

function everyNth(x: Tensor, stride: number): Tensor {
  return ops.slice(ops.slice(x, { dim: 2, step: stride }), { dim: 3, step: stride });
}

/** x [N,in] -> [N,out]. */
export function linear(state: ModelState, name: string, x: Tensor): Tensor {
  const weight = param(state.params, `${name}.weight`);
  const output = ops.linear(inPrecisionOf(weight, state, x), weight, { bias: state.params.get(`${name}.bias`) });
  state.observe?.({ name, input: x.shape, output: output.shape, stride: 1, padding: 0 }, { input: x, output });
  return output;
}

/**
 * x [N,C,H,W] -> same shape. `name.weight` and `name.bias` are optional (non-affine); only `update` writes
 * `name.running_mean`, `name.running_var` (momentum 0.1, unbiased variance) and `name.num_batches_tracked`. Where the
 * state says that the convolution before contains it, x is returned as it is.
 */
export function batchNorm(
  state: ModelState,
  name: string,
  x: Tensor,
  mode: BatchNormMode,
  options: { readonly eps?: number } = {},
): Tensor {
  if (state.folded?.has(name)) {
    if (mode === "running") return x;
    throw new UsageError(expected("batchNorm", `running statistics where '${name}' is folded`, mode));
  }
  const useRunning = mode !== "batch";
  const mean = useRunning ? param(state.buffers, `${name}.running_mean`) : undefined;
  const variance = useRunning ? param(state.buffers, `${name}.running_var`) : undefined;
  if (mode === "update") {
    const count = state.buffers.get(`${name}.num_batches_tracked`);
    if (count) noGrad(() => ops.add_(count, 1));
  }
  const { eps = 1e-5 } = options;
  const weight = state.params.get(`${name}.weight`);
  const bias = state.params.get(`${name}.bias`);
  return ops.batchNorm(x, weight, bias, mean, variance, mode !== "running", 0.1, eps, false);
}

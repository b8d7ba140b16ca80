// What vision transformers (Dosovitskiy et al., ICLR 2021, arXiv 2010.11929) need besides linear layers.
import { ops, type Tensor } from "../torch/index.js";
import { type ModelState, param } from "./params.js";

/** x [...,D] -> same shape in the weight's precision, over the last dimension, with `name.weight` and `name.bias`. */
export function layerNorm(state: ModelState, name: string, x: Tensor, options: { readonly eps?: number } = {}): Tensor {
  const { eps = 1e-5 } = options;
  const weight = param(state.params, `${name}.weight`);
  const bias = param(state.params, `${name}.bias`);
  const [output] = ops.nativeLayerNorm(ops.to(x, weight.dtype), weight.shape, weight, bias, eps);
  return output;
}

/**
 * x [N,D,H,W] -> [N,1+HW,D]: a learned token [1,1,D] before the pixels row by row, and learned positions [1,1+HW,D] added;
 * in the positions' precision, so that the sum to which all blocks add is not rounded to bfloat16.
 */
export function tokens(
  state: ModelState,
  names: { readonly classToken: string; readonly positions: string },
  x: Tensor,
): Tensor {
  const first = param(state.params, names.classToken);
  const positions = param(state.params, names.positions);
  const pixels = ops.transpose(ops.flatten(ops.to(x, positions.dtype), { startDim: 2 }), 1, 2);
  const [images = 0, , size = 0] = pixels.shape;
  return ops.add_(ops.cat([ops.expand(first, [images, 1, size]), pixels], { dim: 1 }), positions);
}

/**
 * Self-attention, softmax(q k' / sqrt(d)) v in each head: qkv [N,T,3D], queries, keys and values one behind the other and
 * each of them head by head, d = D / heads -> [N,T,D].
 */
export function attention(qkv: Tensor, heads: number): Tensor {
  const [images = 0, length = 0, width = 0] = qkv.shape;
  const size = width / 3 / heads;
  const apart = ops.permute(ops.reshape(qkv, [images, length, 3, heads, size]), [2, 0, 3, 1, 4]);
  const [q, k, v] = [0, 1, 2].map((i) => ops.select(apart, 0, i)) as [Tensor, Tensor, Tensor];
  const likeness = ops.mul_(ops.matmul(q, ops.transpose(k, 2, 3)), 1 / Math.sqrt(size));
  const mixed = ops.matmul(ops.softmax(likeness, -1), v);
  return ops.reshape(ops.transpose(mixed, 1, 2), [images, length, width / 3]);
}

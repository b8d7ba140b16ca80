import { mapParams, type Params, param } from "../nn/index.js";
import { ops, scope, type Tensor } from "../torch/index.js";

/** 0/1 tensors by parameter name, shaped like their weights. */
export type Masks = Params;

/** θ = w ⊙ m for the masked parameters; the others as they are. The network runs on the result, an ordinary one. */
export function applyMasks(params: Params, masks: Masks): Map<string, Tensor> {
  return mapParams(params, (weight, name) => {
    const mask = masks.get(name);
    return mask ? ops.mul(weight, mask) : weight;
  });
}

const total = (tensor: Tensor) => ops.sum(tensor, { dtype: "float64" }).item();

export interface MaskDistance {
  /** Share of all prunable weights whose mask entry differs, in [0,1]. */
  readonly hamming: number;
  /** The same divided by 2k, its largest value at keep ratio k: comparable across sparsities. */
  readonly perKept: number;
  /** Hamming distance of each layer. */
  readonly layers: Readonly<Record<string, number>>;
}

/** Distance between two masks of a network (specification: h = (1/p) sum |m - m'| over all p prunable weights). */
export function maskDistance(a: Masks, b: Masks): MaskDistance {
  let flipped = 0;
  let weights = 0;
  let kept = 0;
  const layers: Record<string, number> = {};
  for (const [name, mask] of a) {
    const [differing, here] = scope(() => [total(ops.ne(mask, param(b, name))), total(mask)] as const);
    layers[name] = differing / mask.numel;
    flipped += differing;
    weights += mask.numel;
    kept += here;
  }
  return { hamming: flipped / weights, perKept: flipped / (2 * kept), layers };
}

/** Share of the weights that `from` keeps and `to` does not, of all that `from` keeps. */
export function swapFraction(from: Masks, to: Masks): number {
  let kept = 0;
  let gone = 0;
  for (const [name, mask] of from) {
    kept += scope(() => total(mask));
    gone += scope(() => total(ops.gt(mask, param(to, name))));
  }
  return kept === 0 ? 0 : gone / kept;
}

export interface Sparsity {
  /** Share of zeros among all prunable weights, in [0,1]. */
  readonly total: number;
  readonly layers: Readonly<Record<string, number>>;
}

/** Zeros among the named weights, as they are: sparsity is measured, not believed. */
export function measureSparsity(params: Params, prunable: Iterable<string>): Sparsity {
  let zeros = 0;
  let weights = 0;
  const layers: Record<string, number> = {};
  for (const name of prunable) {
    const tensor = param(params, name);
    const here = scope(() => total(ops.eq(tensor, 0)));
    layers[name] = here / tensor.numel;
    zeros += here;
    weights += tensor.numel;
  }
  return { total: weights === 0 ? 0 : zeros / weights, layers };
}

/** Filters whose weights are all pruned: 1 where dead, shaped [out,1,...] to broadcast over the layer. */
export function deadFilters(mask: Tensor): Tensor {
  const dims = mask.shape.map((_, i) => i).slice(1);
  return ops.to(ops.eq(ops.amax(mask, { dim: dims, keepdim: true }), 0), mask.dtype);
}

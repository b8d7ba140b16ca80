// How firmly a mask stands: the distance of the smallest kept and the largest removed |score| of a layer, over the layer's
// scale, the root mean square of its scores. A perturbation or a step that moves a score by less changes no side. Where masks
// are not cut at one |score| a layer (structures, learned rates of another kind) it may be negative.
import { type Params, param } from "../nn/index.js";
import { ops, scope, type Tensor } from "../torch/index.js";
import type { Masks } from "./mask.js";

/** By layer; null where all or nothing is kept, where all scores are zero, or where they do not spread over the weight. */
export type ScoreGaps = Readonly<Record<string, number | null>>;

/** Whether a score of size 1 or of the weight's own stands in every dimension. */
const spreads = (scores: Tensor, mask: Tensor) =>
  scores.shape.length === mask.shape.length && scores.shape.every((n, i) => n === 1 || n === mask.shape[i]);

function gapOf(scores: Tensor, mask: Tensor): number | null {
  if (!spreads(scores, mask)) return null;
  return scope(() => {
    const size = ops.expand(ops.abs(scores), mask.shape);
    const removed = ops.eq(mask, 0);
    const smallest = ops.amin(ops.maskedFill(size, removed, Infinity)).item();
    const largest = ops.amax(ops.maskedFill(size, ops.logicalNot(removed), -Infinity)).item();
    const scale = Math.sqrt(ops.mean(ops.mul(size, size), { dtype: "float64" }).item());
    const gap = (smallest - largest) / scale;
    return Number.isFinite(gap) ? gap : null;
  });
}

/** Gap at the threshold of each layer; scores may have one entry for a group of weights. */
export function scoreGaps(scores: Params, masks: Masks): ScoreGaps {
  return Object.fromEntries(Array.from(masks, ([name, mask]) => [name, gapOf(param(scores, name), mask)]));
}

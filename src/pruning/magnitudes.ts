import { mapParams, type Params, param } from "../nn/index.js";
import { ops, type Tensor } from "../torch/index.js";
import { keptCount } from "./kept-count.js";
import type { Masks } from "./mask.js";
import type { Arrived, MethodState } from "./method.js";
import { keepLargest } from "./select.js";
import { type GroupCount, structuredGradient, structuredMasks } from "./structure-masks.js";

/** Per layer, the keptCount(N, keepRatio) entries of largest |score|. */
export function magnitudeMasks(scores: Params, keepRatio: number): Masks {
  return mapParams(scores, (score) => keepLargest(ops.abs(score), keptCount(score.numel, keepRatio)));
}

/** Per layer, the `count` groups of largest |score|; without a layout each weight is a group of its own. */
export function largestGroups({ scores, layout }: MethodState, count: GroupCount): Masks {
  if (layout) return structuredMasks(scores, layout, count);
  return mapParams(scores, (score, name) => keepLargest(ops.abs(score), count(name, score.numel)));
}

/**
 * sign(s) ⊙ w ⊙ dL/dθ at the scores where the mask was taken: the mask passes the gradient unchanged to |s|, whose
 * derivative is sign(s); sign(0) = 0 (HYDRA, Sehwag et al. 2020). A score of a group gets the sum over its entries.
 */
export function straightThrough({ scores, layout, weights, weightGradients }: Arrived): Map<string, Tensor> {
  if (layout) return structuredGradient(scores, layout, { weights, weightGradients });
  return mapParams(scores, (score, name) =>
    ops.mul(ops.mul(ops.sign(score), param(weights, name)), param(weightGradients, name)),
  );
}

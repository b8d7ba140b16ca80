import { mapParams, type Params, param } from "../nn/index.js";
import { ops, type Tensor } from "../torch/index.js";
import { keptCount } from "./kept-count.js";
import type { Masks } from "./mask.js";
import type { Arrived } from "./method.js";
import { keepLargest } from "./select.js";

/** Per layer, the keptCount(N, keepRatio) entries of largest |score|. */
export function magnitudeMasks(scores: Params, keepRatio: number): Masks {
  return mapParams(scores, (score) => keepLargest(ops.abs(score), keptCount(score.numel, keepRatio)));
}

/**
 * sign(s) ⊙ w ⊙ dL/dθ at the scores where the mask was taken: the mask passes the gradient unchanged to |s|, whose
 * derivative is sign(s); sign(0) = 0 (HYDRA, Sehwag et al. 2020).
 */
export function straightThrough({ scores, weights, weightGradients }: Arrived): Map<string, Tensor> {
  return mapParams(scores, (score, name) =>
    ops.mul(ops.mul(ops.sign(score), param(weights, name)), param(weightGradients, name)),
  );
}

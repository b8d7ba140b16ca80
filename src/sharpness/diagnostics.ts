import { mapParams, type Params, param } from "../nn/index.js";
import { deadFilters } from "../pruning/index.js";
import { ops, scope, type Tensor } from "../torch/index.js";

export { swapFraction } from "../pruning/index.js";

/** 1 for the scores of filters without a kept weight, to broadcast; scores of whole input channels belong to no filter. */
function deadScores(scores: Tensor, mask: Tensor): Tensor {
  return scores.shape[0] === mask.shape[0] ? deadFilters(mask) : ops.zeros([], { dtype: mask.dtype });
}

/** The gradient with zeros where a filter has no kept weight. */
export function withoutDeadFilters(gradient: Params, masks: Params): Map<string, Tensor> {
  return mapParams(gradient, (g, name) => ops.mul(g, ops.eq(deadScores(g, param(masks, name)), 0)));
}

/**
 * Share of the squared gradient norm that filters without a kept weight carry, mean over layers: behind a dead filter
 * batch norm divides by about sqrt(eps), which can make it dominate the direction of z.
 */
export function deadFilterShare(gradient: Params, masks: Params): number {
  const shares = Array.from(gradient, ([name, g]) =>
    scope(() => {
      const squared = ops.mul(g, g);
      const all = ops.sum(squared, { dtype: "float64" }).item();
      const dead = ops.sum(ops.mul(squared, deadScores(g, param(masks, name))), { dtype: "float64" }).item();
      return all > 0 ? dead / all : 0;
    }),
  );
  return shares.reduce((a, b) => a + b, 0) / Math.max(shares.length, 1);
}

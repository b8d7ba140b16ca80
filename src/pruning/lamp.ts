// LAMP, layer-adaptive magnitude pruning (Lee, Park, Mo, Ahn, Shin, "Layer-adaptive Sparsity for the Magnitude-based
// Pruning", ICLR 2021, arXiv 2010.07611): with u, v weights of one layer,
//   score(u) = u² / sum of v² over all v with |v| >= |u|,
// and the keepRatio largest scores of all layers together stay. In a layer scores are ordered as |w|, and its largest
// weight has score 1: no layer loses all. Computed in float64; a layer of zeros has scores of zero.
import { z } from "zod";
import { cloneParams, mapParams, type Params, param, pick } from "../nn/index.js";
import { ops, scope, type Tensor } from "../torch/index.js";
import { parseOptions } from "../util/index.js";
import { weightCount } from "./budgets.js";
import { globalCounts } from "./global.js";
import { keptCount } from "./kept-count.js";
import { straightThrough } from "./magnitudes.js";
import type { Masks } from "./mask.js";
import type { Method } from "./method.js";
import { keepLargest } from "./select.js";
import { keepRatio } from "./structure-options.js";

/** Scores of one layer's weights, in [0,1], float64, shaped like them. */
export function lampScores(weight: Tensor): Tensor {
  return scope(() => {
    const squares = ops.to(ops.reshape(ops.contiguous(weight), [-1]), "float64");
    ops.mul_(squares, ops.clone(squares));
    const [sorted] = ops.sort(squares) as [Tensor, Tensor];
    // From each place to the end: equal weights get the sum from the first of them on.
    const fromHere = ops.flip(ops.cumsum(ops.flip(sorted, [0]), 0), [0]);
    const first = ops.searchsorted(sorted, squares);
    const sums = ops.indexSelect(fromHere, 0, first);
    const scores = ops.div(squares, ops.clampMin(sums, Number.MIN_VALUE));
    return ops.reshape(scores, weight.shape);
  });
}

/** How many weights of each layer are among the keptCount(p, keepRatio) largest LAMP scores of all. */
export function lampCounts(weights: Params, fraction: number): Map<string, number> {
  return scope(() => globalCounts(mapParams(weights, lampScores), keptCount(weightCount(weights), fraction)));
}

/** The ratios that these counts are. */
export function lampRatios(weights: Params, fraction: number): Map<string, number> {
  const counts = lampCounts(weights, fraction);
  return new Map(Array.from(counts, ([name, count]) => [name, count / param(weights, name).numel]));
}

/** Per layer, that many weights of largest magnitude. */
export function countMasks(scores: Params, counts: ReadonlyMap<string, number>): Masks {
  return mapParams(scores, (score, name) => keepLargest(ops.abs(score), counts.get(name) as number));
}

export const lampOptions = z.strictObject({
  keepRatio: keepRatio.describe("fraction of all prunable weights together that is kept, in (0, 1]"),
});

export function lamp(options: z.input<typeof lampOptions>): Method {
  const parsed = parseOptions("lamp", lampOptions, options);
  return {
    name: "lamp",
    searches: false,
    init: (model) => ({ scores: cloneParams(pick(model.params, model.prunable)) }),
    masks: ({ scores }) => countMasks(scores, lampCounts(scores, parsed.keepRatio)),
    pullBack: (arrived) => ({ scores: straightThrough(arrived) }),
  };
}

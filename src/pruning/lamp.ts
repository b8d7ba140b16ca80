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

interface Ranked {
  /** |w|, smallest first. */
  readonly magnitudes: Tensor;
  /** Their scores, float64: smallest first too. */
  readonly scores: Tensor;
}

function ranked(weight: Tensor): Ranked {
  const flat = ops.reshape(ops.contiguous(weight), [-1]);
  const [magnitudes] = ops.sort(ops.abs(flat)) as [Tensor, Tensor];
  const wide = ops.to(magnitudes, "float64");
  const squares = ops.mul(wide, wide);
  const fromHere = ops.flip(ops.cumsum(ops.flip(squares, [0]), 0), [0]);
  // Equal weights get the sum from the first of them on.
  const sums = ops.indexSelect(fromHere, 0, ops.searchsorted(magnitudes, magnitudes));
  return { magnitudes, scores: ops.div(squares, ops.clampMin(sums, Number.MIN_VALUE)) };
}

/** Scores of one layer's weights, in [0,1], float64, shaped like them. */
export function lampScores(weight: Tensor): Tensor {
  return scope(() => {
    const { magnitudes, scores } = ranked(weight);
    const flat = ops.reshape(ops.contiguous(ops.abs(weight)), [-1]);
    return ops.reshape(ops.indexSelect(scores, 0, ops.searchsorted(magnitudes, flat)), weight.shape);
  });
}

/** How many weights of each layer are among the keptCount(p, keepRatio) largest LAMP scores of all. */
export function lampCounts(weights: Params, fraction: number): Map<string, number> {
  // Which weight a score belongs to does not matter for the count, and finding it takes longest.
  const scores = (weight: Tensor) => scope(() => ranked(weight).scores);
  return scope(() => globalCounts(mapParams(weights, scores), keptCount(weightCount(weights), fraction)));
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

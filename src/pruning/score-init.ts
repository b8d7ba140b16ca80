import { z } from "zod";
import { channelsLast, fanIn, mapParams, type Params } from "../nn/index.js";
import { keep, manualSeed, ops, scope, type Tensor } from "../torch/index.js";
import { DataError, type Rng } from "../util/index.js";
import { type Grouping, groupSum, type Layout } from "./structure.js";

export const scoreInit = z
  .enum(["scaled", "uniform", "kaiming-uniform", "kaiming-normal"])
  .default("scaled")
  .describe("`scaled`: sqrt(6 / fan_in) w / max|w|, so that the first mask is the magnitude mask (HYDRA); default");
export type ScoreInit = z.output<typeof scoreInit>;
/** Draws that a method may begin with besides. */
type Drawn = Exclude<ScoreInit, "scaled"> | "normal";

/** What a weight's groups weigh: its entries themselves, or the sum of |w| over each group. */
export function groupMass(weight: Tensor, grouping: Grouping | undefined): Tensor {
  const alone = grouping === undefined || grouping.scores.every((extent, i) => extent === grouping.shape[i]);
  return alone ? weight : groupSum(ops.abs(weight), grouping);
}

/** Of a whole channel, whose scores lie in one row, the fan is 1, as in HARP; else that of the scores' own shape. */
function fanOf(shape: readonly number[]): number {
  return shape[0] === 1 ? 1 : fanIn(shape);
}

function scaled(mass: Tensor, name: string): Tensor {
  const largest = ops.amax(ops.abs(mass)).item();
  if (!(largest > 0)) {
    throw new DataError(`score initialisation: expected ${name} to hold a weight other than zero, got only zeros`, {
      code: "data/zero-layer",
    });
  }
  return ops.mul(mass, { float: Math.sqrt(6 / fanOf(mass.shape)) / largest });
}

/** Scores [shape], by name of the distribution: uniform in ±1/sqrt(fan), Kaiming's two, or standard normal. */
export function drawnScores(shape: readonly number[], like: Tensor, init: Drawn): Tensor {
  const fan = fanOf(shape);
  const empty = ops.empty(shape, { dtype: like.dtype });
  if (init === "normal") return channelsLast(ops.normal_(empty));
  if (init === "kaiming-normal") return channelsLast(ops.normal_(empty, { std: Math.sqrt(2 / fan) }));
  const bound = init === "uniform" ? 1 / Math.sqrt(fan) : Math.sqrt(6 / fan);
  return channelsLast(ops.uniform_(empty, { low: -bound, to: bound }));
}

/**
 * First scores of a search, one for each group of weights; no scope owns them. The sign of `scaled` scores of single
 * weights is that of the weights; of groups they are in proportion to the sum of |w|, sqrt(6 / fan) v / max v.
 */
export function initialScores(
  weights: Params,
  init: ScoreInit | "normal",
  rng: Rng,
  layout?: Layout | undefined,
): Map<string, Tensor> {
  return keep(
    mapParams(weights, (weight, name) =>
      scope(() => {
        const grouping = layout?.weights.get(name);
        if (init === "scaled") return scaled(groupMass(weight, grouping), name);
        manualSeed(rng.at("scores", name));
        return drawnScores(grouping?.scores ?? weight.shape, weight, init);
      }),
    ),
    { forever: true },
  );
}

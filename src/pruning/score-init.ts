import { z } from "zod";
import { channelsLast, fanIn, mapParams, type Params } from "../nn/index.js";
import { keep, manualSeed, ops, scope, type Tensor } from "../torch/index.js";
import { DataError, type Rng } from "../util/index.js";

export const scoreInit = z
  .enum(["scaled", "uniform", "kaiming-uniform", "kaiming-normal"])
  .default("scaled")
  .describe("`scaled`: sqrt(6 / fan_in) w / max|w|, so that the first mask is the magnitude mask (HYDRA); default");
export type ScoreInit = z.output<typeof scoreInit>;

function scaled(weight: Tensor, name: string): Tensor {
  const largest = ops.amax(ops.abs(weight)).item();
  if (!(largest > 0)) {
    throw new DataError(`score initialisation: expected ${name} to hold a weight other than zero, got only zeros`, {
      code: "data/zero-layer",
    });
  }
  return ops.mul(weight, { float: Math.sqrt(6 / fanIn(weight.shape)) / largest });
}

function drawn(weight: Tensor, init: ScoreInit): Tensor {
  const fan = fanIn(weight.shape);
  const empty = ops.empty(weight.shape, { dtype: weight.dtype });
  if (init === "kaiming-normal") return channelsLast(ops.normal_(empty, { std: Math.sqrt(2 / fan) }));
  const bound = init === "uniform" ? 1 / Math.sqrt(fan) : Math.sqrt(6 / fan);
  return channelsLast(ops.uniform_(empty, { low: -bound, to: bound }));
}

/** First scores of a search, one per weight; no scope owns them. The sign of `scaled` scores is that of the weights. */
export function initialScores(weights: Params, init: ScoreInit, rng: Rng): Map<string, Tensor> {
  return keep(
    mapParams(weights, (weight, name) =>
      scope(() => {
        if (init === "scaled") return scaled(weight, name);
        manualSeed(rng.at("scores", name));
        return drawn(weight, init);
      }),
    ),
    { forever: true },
  );
}

// Directions in score space along which a landscape is drawn:
//   random  Gaussian, each filter scaled to the norm of the scores' filter (Li, Xu, Taylor, Studer, Goldstein, "Visualizing
//           the Loss Landscape of Neural Nets", NeurIPS 2018, arXiv 1712.09913); scores take the place of weights
//   s2ap    ||s_l|| g_l / ||g_l|| in every layer: S2AP's step of radius gamma ends at the coordinate gamma
//   eigen1, eigen2  the leading eigenvectors of the Hessian over scores, as long as the scores are
//   start, other    from the scores to those before the search, or of another search of the same weights: 1 is there
import { mapParams, type Params, param } from "../../nn/index.js";
import { steepestShift } from "../../sharpness/index.js";
import { manualSeed, ops, scope, type Tensor } from "../../torch/index.js";
import { expected, type Rng, UsageError } from "../../util/index.js";
import { lanczos } from "./lanczos.js";
import type { ScoreLoss } from "./score-loss.js";
import { flatten, inner, sizeOf, unflatten } from "./vectors.js";

export const DIRECTIONS = ["random", "s2ap", "eigen1", "eigen2", "start", "other"] as const;
export type Direction = (typeof DIRECTIONS)[number];

export interface DirectionContext {
  readonly at: ScoreLoss;
  readonly rng: Rng;
  readonly dtype: "float32" | "float64";
  /** Products for an eigenvector. */
  readonly lanczosSteps: number;
  /** Scores before the search, and of another one. */
  readonly start?: Params | undefined;
  readonly other?: Params | undefined;
}

/** Norm of each filter, to broadcast: [out,1,...]. */
function filterNorms(tensor: Tensor): Tensor {
  const dims = tensor.shape.map((_, i) => i).slice(1);
  const squares = ops.mul(tensor, tensor);
  return ops.sqrt(dims.length === 0 ? squares : ops.sumDim(squares, dims, { keepdim: true }));
}

function randomDirection({ at, rng }: DirectionContext): Map<string, Tensor> {
  return mapParams(at.scores, (score, name) => {
    manualSeed(rng.at(name));
    const drawn = ops.normal_(ops.emptyLike(score));
    return ops.mul(drawn, ops.div(filterNorms(score), filterNorms(drawn)));
  });
}

function eigenvector({ at, rng, dtype, lanczosSteps }: DirectionContext, rank: number): Map<string, Tensor> {
  const { scores } = at;
  using h = at.hessian();
  const how = { steps: lanczosSteps, count: rank, rng: rng.at("start"), dtype };
  const { vectors } = lanczos((v) => flatten(h.times(unflatten(v, scores))), sizeOf(scores), how);
  const v = unflatten(ops.select(vectors, 0, rank - 1), scores);
  return mapParams(v, (tensor) => ops.mul(tensor, { float: Math.sqrt(inner(scores, scores)) }));
}

/** To other scores of the same shapes. */
function towards(at: ScoreLoss, there: Params | undefined, what: Direction): Map<string, Tensor> {
  if (there === undefined) throw new UsageError(expected("landscape", `scores for the direction ${what}`, undefined));
  return mapParams(at.scores, (score, name) => ops.sub(param(there, name), score));
}

/** A direction; `axis` tells the random ones of two axes apart. */
export function directionOf(what: Direction, axis: number, context: DirectionContext): Map<string, Tensor> {
  const { at, rng } = context;
  return scope(() => {
    switch (what) {
      case "random":
        return randomDirection({ ...context, rng: rng.at("random", axis) });
      case "s2ap":
        return steepestShift(at.scores, at.gradient(at.scores).gradient, 1, "l2");
      case "eigen1":
        return eigenvector(context, 1);
      case "eigen2":
        return eigenvector(context, 2);
      case "start":
        return towards(at, context.start, what);
      case "other":
        return towards(at, context.other, what);
    }
  });
}

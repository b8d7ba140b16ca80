// How far the loss rises in S2AP's ball {z : ||z_l|| <= gamma ||s_l||}, masks re-taken at every point:
//   worst    the largest of L(s), L at S2AP's own step s + gamma ||s_l|| g_l / ||g_l||, and L along an ascent of n steps
//   average  the mean of L(s + z) over random z on the ball's surface
import { disposeParams, type Params } from "../../nn/index.js";
import { ascend, type Norm, randomDirection, shifted, steepestShift } from "../../sharpness/index.js";
import { scope } from "../../torch/index.js";
import type { Rng } from "../../util/index.js";
import type { ScoreLoss } from "./score-loss.js";
import { type Estimate, estimate } from "./trace.js";
import { only } from "./vectors.js";

/** Each layer has its own radius. */
const NORM: Norm = "l2";

export interface WorstInBall {
  readonly loss: number;
  /** `loss` minus that at the centre. */
  readonly rise: number;
  /** At the point that S2AP's step goes to. */
  readonly stepLoss: number;
}

export interface AscentOptions {
  /** gamma. */
  readonly radius: number;
  /** Steps of the ascent, each 2 gamma / steps long, so that it can go there and turn. */
  readonly steps: number;
  /** Move this layer's scores alone; default all. */
  readonly layer?: string | undefined;
}

/** Zero in all layers but one. */
const within = (params: Params, layer: string | undefined) => (layer === undefined ? params : only(params, layer));

export function worstInBall(at: ScoreLoss, { radius, steps, layer }: AscentOptions): WorstInBall {
  return scope(() => {
    const { scores } = at;
    const first = at.gradient(scores);
    const uphill = within(first.gradient, layer);
    const stepLoss = at.loss(shifted(scores, steepestShift(scores, uphill, radius, NORM)));
    let loss = Math.max(first.loss, stepLoss);
    const how = { length: (2 * radius) / steps, radius, norm: NORM };
    let shift = scope(() => ascend(scores, undefined, uphill, { ...how, length: Math.min(how.length, radius) }));
    for (let taken = 1; taken <= steps; taken++) {
      const next = scope(() => {
        const here = at.gradient(shifted(scores, shift));
        loss = Math.max(loss, here.loss);
        return taken < steps ? new Map(ascend(scores, shift, within(here.gradient, layer), how)) : shift;
      });
      if (next !== shift) disposeParams(shift);
      shift = next;
    }
    return { loss, rise: loss - first.loss, stepLoss };
  });
}

export interface AverageOptions {
  readonly radius: number;
  readonly directions: number;
  readonly rng: Rng;
  readonly layer?: string | undefined;
}

/** Mean of L(s + z) - L(s). */
export function averageRise(at: ScoreLoss, { radius, directions, rng, layer }: AverageOptions): Estimate {
  const centre = at.lossWith(at.held);
  const rises = Array.from({ length: directions }, (_, i) =>
    scope(() => {
      const z = within(randomDirection(at.scores, radius, NORM, rng.at("direction", i)), layer);
      return at.loss(shifted(at.scores, z)) - centre;
    }),
  );
  return estimate(rises);
}

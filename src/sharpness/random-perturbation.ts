// The control of S2AP: scores perturbed in a random direction of the same length in each layer,
//   z_l = gamma ||s_l|| u_l, u_l uniform on the unit sphere;  the step is taken from s with dL/ds at s + z.
// What S2AP gains over it is owed to the direction. The first pass is run although z does not depend on it: it moves the
// batch-norm statistics, and the two cost the same.
import { z } from "zod";
import { parseOptions } from "../util/index.js";
import { randomDirection, shifted } from "./ball.js";
import type { ScoreGradient } from "./gradient.js";
import { radius, radiusOf, swapTarget } from "./radius.js";
import { answer, statistics, twoPasses } from "./two-passes.js";
import { afterWarmup, warmupOptions } from "./warmup.js";

export const randomOptions = z.strictObject({
  gamma: radius(0.01, "length of the perturbation relative to the scores of a layer"),
  swapTarget,
  ...warmupOptions,
  statistics,
});

/** `gamma: 0` runs both passes and gives `plain`'s bits. Cost: one more forward and backward a step. */
export function randomPerturbation(options: z.input<typeof randomOptions> = {}): ScoreGradient {
  const parsed = parseOptions("random", randomOptions, options);
  return afterWarmup("random", parsed, (scores, objective, step) => {
    const key = step.rng.at("random");
    const moved = (gamma: number) => shifted(scores, randomDirection(scores, gamma, "l2", key));
    const found = twoPasses(scores, objective, parsed, ({ masks }) => {
      const gamma = radiusOf(parsed.gamma, step.state, {
        name: "random",
        option: "gamma",
        target: parsed.swapTarget,
        masks,
        masksAt: (at) => objective.masks(moved(at)),
      });
      return { scores: moved(gamma) };
    });
    return answer(found, step);
  });
}

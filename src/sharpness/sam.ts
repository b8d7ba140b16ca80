// SAM and ASAM on scores, opponents of S2AP:
//   sam:  z = rho g / ||g||           one norm over all layers, absolute
//   asam: z = rho s^2 g / || |s| g ||  one norm of z / |s|: large scores move further
// and the step is taken from s with dL/ds at s + z, g being dL/ds at s.
// SAM: Foret, Kleiner, Mobahi, Neyshabur, "Sharpness-Aware Minimization for Efficiently Improving Generalization", ICLR
// 2021, arXiv 2010.01412. ASAM: Kwon, Kim, Park, Choi, "ASAM: Adaptive Sharpness-Aware Minimization for Scale-Invariant
// Learning of Deep Neural Networks", ICML 2021, arXiv 2102.11600.
// Deviations: scores take the place of weights, in the search alone, after S2AP's warm-up; ASAM's eta is 0.
import { z } from "zod";
import type { Params } from "../nn/index.js";
import { parseOptions } from "../util/index.js";
import { adaptiveShift, globalShift, shifted } from "./ball.js";
import type { ScoreGradient } from "./gradient.js";
import { radius, radiusOf, swapTarget } from "./radius.js";
import { answer, statistics, twoPasses } from "./two-passes.js";
import { afterWarmup, warmupOptions } from "./warmup.js";

const common = { swapTarget, ...warmupOptions, statistics };
export const samOptions = z.strictObject({ rho: radius(0.05, "norm of the perturbation of all scores"), ...common });
export const asamOptions = z.strictObject({ rho: radius(0.5, "norm of z / |s| over all scores"), ...common });

type Shift = (scores: Params, gradient: Params, rho: number) => Params;

function along(name: string, options: z.output<typeof samOptions>, shift: Shift): ScoreGradient {
  return afterWarmup(name, options, (scores, objective, step) => {
    const found = twoPasses(scores, objective, options, ({ masks, scores: gradient }) => {
      const moved = (rho: number) => shifted(scores, shift(scores, gradient, rho));
      const rho = radiusOf(options.rho, step.state, {
        name,
        option: "rho",
        target: options.swapTarget,
        masks,
        masksAt: (at) => objective.masks(moved(at)),
      });
      return { scores: moved(rho) };
    });
    return answer(found, step);
  });
}

/** `rho: 0` runs both passes and gives `plain`'s bits. Cost: one more forward and backward a step. */
export function sam(options: z.input<typeof samOptions> = {}): ScoreGradient {
  const shift: Shift = (_scores, gradient, rho) => globalShift(gradient, rho);
  return along("sam", parseOptions("sam", samOptions, options), shift);
}

/** `rho: 0` runs both passes and gives `plain`'s bits. Cost: one more forward and backward a step. */
export function asam(options: z.input<typeof asamOptions> = {}): ScoreGradient {
  return along("asam", parseOptions("asam", asamOptions, options), adaptiveShift);
}

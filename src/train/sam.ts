// SAM and ASAM, of the weights that pretraining and finetuning learn; g is dL/dw at w, over all parameters:
//   sam:  e = rho g / ||g||              one norm over all parameters
//   asam: e = rho w^2 g / || |w| g ||     one norm of e / |w|: large weights move further
// and the step is taken from w with dL/dw at w + e; weight decay acts at w, and the first pass moves batch norm's statistics.
// SAM: Foret, Kleiner, Mobahi, Neyshabur, "Sharpness-Aware Minimization for Efficiently Improving Generalization", ICLR
// 2021, arXiv 2010.01412. ASAM: Kwon, Kim, Park, Choi, "ASAM: Adaptive Sharpness-Aware Minimization for Scale-Invariant
// Learning of Deep Neural Networks", ICML 2021, arXiv 2102.11600.
// Deviations: the loss is the robust one, on the same adversarial examples in both passes; pruned weights have no gradient,
// so they do not move; ASAM's eta is 0; g is divided by its largest entry before norms are taken, in place of their 1e-12.
import { z } from "zod";
import type { Params } from "../nn/index.js";
import { adaptiveShift, globalShift } from "../sharpness/index.js";
import { parseOptions } from "../util/index.js";
import { movingPass, perturbedWeights, type WeightGradient, warmupEpochs } from "./weight-gradient.js";

const rho = (value: number, what: string) => z.number().min(0).default(value).describe(`${what}; default ${value}`);
const common = { warmup: warmupEpochs, statistics: movingPass("first") };

export const samOptions = z.strictObject({ rho: rho(0.05, "norm of the perturbation of all parameters"), ...common });
export const asamOptions = z.strictObject({ rho: rho(0.5, "norm of e / |w| over all parameters"), ...common });

type Shift = (params: Params, gradients: Params, rho: number) => Params;

function along(name: string, options: z.output<typeof samOptions>, shift: Shift): WeightGradient {
  return perturbedWeights(name, { ...options, decayAt: "w" }, ({ params }, gradients) =>
    shift(params, gradients, options.rho),
  );
}

/** `rho: 0` runs both passes and gives `plain`'s bits. Cost: one more forward and backward a step. */
export function samWeights(options: z.input<typeof samOptions> = {}): WeightGradient {
  const shift: Shift = (_params, gradients, radius) => globalShift(gradients, radius);
  return along("sam", parseOptions("sam", samOptions, options), shift);
}

/** `rho: 0` runs both passes and gives `plain`'s bits. Cost: one more forward and backward a step. */
export function asamWeights(options: z.input<typeof asamOptions> = {}): WeightGradient {
  return along("asam", parseOptions("asam", asamOptions, options), adaptiveShift);
}

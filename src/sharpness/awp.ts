// AWP, adversarial weight perturbation (Wu, Xia, Wang, "Adversarial Weight Perturbation Helps Robust Generalization",
// NeurIPS 2020, arXiv 2004.05884), during the mask search: the opponent of S2AP that perturbs weights, not scores.
//   g = dL/dθ at (s, w);  v_l = gamma ||w_l ⊙ m_l|| g_l / ||g_l|| on the kept weights, 0 on the others;
//   the step is taken from s with dL/ds at (s, w + v): the same scores, so the same mask.
// Deviations: the weights are frozen here, so nothing is trained at w + v and weight decay acts at s; the norm is that of
// the kept weights, as the pruned ones do not take part (`norm: all` counts them); running statistics move in the first
// pass, S2AP's way (`statistics: perturbed` is AWP's).
import { z } from "zod";
import { mapParams, type Params, param } from "../nn/index.js";
import { ops, type Tensor } from "../torch/index.js";
import { parseOptions } from "../util/index.js";
import { shifted, steepestShift } from "./ball.js";
import type { Evaluation, ScoreGradient } from "./gradient.js";
import { answer, statistics, twoPasses } from "./two-passes.js";
import { afterWarmup, warmupOptions } from "./warmup.js";

export const awpOptions = z.strictObject({
  gamma: z
    .number()
    .min(0)
    .default(0.01)
    .describe("radius of the perturbation relative to a layer's weights; default 0.01"),
  norm: z.enum(["kept", "all"]).default("kept").describe("weights whose norm gamma is relative to; default kept"),
  ...warmupOptions,
  statistics,
});

/** w + v: the kept weights moved uphill. */
function perturbed(weights: Params, first: Evaluation, { gamma, norm }: z.output<typeof awpOptions>): Params {
  const kept = (tensor: Tensor, name: string) => ops.mul(tensor, param(first.masks, name));
  const measured = norm === "kept" ? mapParams(weights, kept) : weights;
  return shifted(weights, steepestShift(measured, mapParams(first.weights, kept), gamma, "l2"));
}

/** `gamma: 0` runs both passes and gives `plain`'s bits. Cost: one more forward and backward a step. */
export function awp(options: z.input<typeof awpOptions> = {}): ScoreGradient {
  const parsed = parseOptions("awp", awpOptions, options);
  return afterWarmup("awp", parsed, (scores, objective, step) => {
    const worst = (first: Evaluation) => ({ scores, weights: perturbed(objective.weights, first, parsed) });
    return answer(twoPasses(scores, objective, parsed, worst), step);
  });
}

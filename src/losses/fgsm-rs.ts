// FGSM with a random start (Wong, Rice, Kolter, "Fast is better than free: revisiting adversarial training", ICLR 2020,
// arXiv 2001.03994):
//   d ~ U(-eps, eps);  d <- ball(d + 1.25 eps sign(grad_d CE(f(clip01(x + d)), y)));  minimise mean CE(f(clip01(x + d)), y).
// In L2 the start is uniform in the ball and the step goes along the gradient. `start: none, stepSize: 0.0078` is the warm-up
// of HARP: one step from x that is shorter than eps. Batch norm is in eval mode while crafting unless `attackMode` says
// otherwise, as the authors' code has it.
import { z } from "zod";
import { pgd, type Threat } from "../attacks/index.js";
import { parseOptions, ratioField } from "../util/index.js";
import { attackMode, bnUpdates, labelSmoothing, type RobustLoss } from "./loss.js";
import { pgdAt } from "./pgd-at.js";

export const fgsmRsOptions = z.strictObject({
  start: z
    .enum(["uniform", "none"])
    .default("uniform")
    .describe("where the step begins: anywhere in the ball, or at the image as in HARP's warm-up; default uniform"),
  stepSize: ratioField({ max: 100 }).optional().describe("length of the step in pixel scale; default 1.25 eps"),
  labelSmoothing,
  bnUpdates,
  attackMode,
});

/** Statistics move as those of PGD-AT. */
export function fgsmRs(threat: Threat, options: z.input<typeof fgsmRsOptions> = {}): RobustLoss {
  const { start, stepSize = 1.25 * threat.eps, ...rest } = parseOptions("fgsm-rs", fgsmRsOptions, options);
  const attack = pgd(threat, { steps: 1, stepSize, randomStart: start === "uniform" });
  return { ...pgdAt(attack, rest), name: "fgsm-rs", singleStep: true };
}

// PGD adversarial training (Madry, Makelov, Schmidt, Tsipras, Vladu, ICLR 2018, arXiv 1706.06083):
//   minimise mean CE(f(xAdv), y), xAdv from the attack with cross-entropy.
import { z } from "zod";
import type { Attack } from "../attacks/index.js";
import { parseOptions } from "../util/index.js";
import { attackMode, bnUpdates, extraForward, labelSmoothing, meanCrossEntropy, type RobustLoss } from "./loss.js";

export const pgdAtOptions = z.strictObject({ labelSmoothing, bnUpdates, attackMode });

/** Statistics move once a step, on the adversarial batch; `bnUpdates: "reference"` moves them on the clean one first. */
export function pgdAt(attack: Attack, options: z.input<typeof pgdAtOptions> = {}): RobustLoss {
  const {
    labelSmoothing: smoothing,
    bnUpdates: updates,
    attackMode: mode,
  } = parseOptions("pgd-at", pgdAtOptions, options);
  return {
    name: "pgd-at",
    threat: attack.threat,
    attackMode: mode,
    softLabels: true,
    singleStep: attack.name === "fgsm",
    craft: (victim, x, y, at) => attack.perturb(victim, x, y, at),
    evaluate(forward, { x, y, xAdv }) {
      if (updates === "reference") extraForward(forward, x);
      const robustLogits = forward(xAdv);
      return { loss: meanCrossEntropy(robustLogits, y, smoothing), robustLogits };
    },
  };
}

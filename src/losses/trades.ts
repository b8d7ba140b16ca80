// TRADES (Zhang, Yu, Jiao, Xing, El Ghaoui, Jordan, ICML 2019, arXiv 1901.08573, equation 5):
//   minimise mean CE(f(x), y) + beta * mean KL(f(x) || f(xAdv)), the attack ascending the same KL from x + 0.001 N(0,1).
// The gradient flows through both arguments of the KL term, as in the reference implementations.
import { z } from "zod";
import { type Attack, klFrom } from "../attacks/index.js";
import { noGrad, ops } from "../torch/index.js";
import { parseOptions } from "../util/index.js";
import { beta, bnUpdates, extraForward, meanCrossEntropy, meanKl, type RobustLoss } from "./loss.js";
import { tradesL2 } from "./trades-l2.js";

export const tradesOptions = z.strictObject({
  beta: beta(6),
  bnUpdates,
  sgdSteps: z
    .int()
    .min(1)
    .optional()
    .describe(
      "L2 only: craft by so many steps of SGD on the displacement, as TRADES' code does, in place of the attack",
    ),
});

/**
 * Statistics move on the clean batch, then on the adversarial one; `bnUpdates: "reference"` gives HYDRA's and HARP's
 * order clean, clean, adversarial, clean. The clean prediction that the attack moves away from is computed once.
 */
export function trades(attack: Attack, options: z.input<typeof tradesOptions> = {}): RobustLoss {
  const { beta: weight, bnUpdates: updates, sgdSteps } = parseOptions("trades", tradesOptions, options);
  const crafter = sgdSteps === undefined ? attack : tradesL2(attack.threat, sgdSteps);
  return {
    name: "trades",
    threat: attack.threat,
    softLabels: true,
    singleStep: crafter.name === "fgsm",
    craft(victim, x, y, at) {
      const [p, logP] = noGrad(() => {
        const clean = victim.logits(x);
        return [ops.softmax(clean, 1), ops.logSoftmax(clean, 1)] as const;
      });
      return crafter.perturb(victim, x, y, { start: "gaussian", ...at, objective: klFrom(p, logP) });
    },
    evaluate(forward, { x, y, xAdv }) {
      if (updates === "reference") extraForward(forward, x);
      const cleanLogits = forward(x);
      const robustLogits = forward(xAdv);
      if (updates === "reference") extraForward(forward, x);
      const robustTerm = ops.mul(meanKl(cleanLogits, robustLogits), { float: weight });
      return { loss: ops.add(meanCrossEntropy(cleanLogits, y), robustTerm), robustLogits };
    },
  };
}

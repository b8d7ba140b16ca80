// TRADES (Zhang, Yu, Jiao, Xing, El Ghaoui, Jordan, ICML 2019, arXiv 1901.08573, equation 5):
//   minimise mean CE(f(x), y) + beta * mean KL(f(x) || f(xAdv)), the attack ascending the same KL from x + 0.001 N(0,1).
// The gradient flows through both arguments of the KL term, as in the reference implementations.
import { z } from "zod";
import { type Attack, klFrom } from "../attacks/index.js";
import { noGrad, ops, type Tensor } from "../torch/index.js";
import { parseOptions } from "../util/index.js";
import { bnUpdates, extraForward, meanCrossEntropy, type RobustLoss } from "./loss.js";

export const tradesOptions = z.strictObject({
  beta: z.number().min(0).default(6).describe("weight of the robust term; default 6"),
  bnUpdates,
});

/** KL(softmax a || softmax b) of logits [N,K], mean over the batch. */
function meanKl(a: Tensor, b: Tensor): Tensor {
  const logP = ops.logSoftmax(a, 1);
  const terms = ops.mul(ops.softmax(a, 1), ops.sub(logP, ops.logSoftmax(b, 1)));
  return ops.div(ops.sum(terms), a.shape[0] ?? 1);
}

/**
 * Statistics move on the clean batch, then on the adversarial one; `bnUpdates: "reference"` gives HYDRA's and HARP's
 * order clean, clean, adversarial, clean. The clean prediction that the attack moves away from is computed once.
 */
export function trades(attack: Attack, options: z.input<typeof tradesOptions> = {}): RobustLoss {
  const { beta, bnUpdates: updates } = parseOptions("trades", tradesOptions, options);
  return {
    name: "trades",
    threat: attack.threat,
    craft(victim, x, y, at) {
      const [p, logP] = noGrad(() => {
        const clean = victim.logits(x);
        return [ops.softmax(clean, 1), ops.logSoftmax(clean, 1)] as const;
      });
      return attack.perturb(victim, x, y, { start: "gaussian", ...at, objective: klFrom(p, logP) });
    },
    evaluate(forward, { x, y, xAdv }) {
      if (updates === "reference") extraForward(forward, x);
      const cleanLogits = forward(x);
      const robustLogits = forward(xAdv);
      if (updates === "reference") extraForward(forward, x);
      const robustTerm = ops.mul(meanKl(cleanLogits, robustLogits), { float: beta });
      return { loss: ops.add(meanCrossEntropy(cleanLogits, y), robustTerm), robustLogits };
    },
  };
}

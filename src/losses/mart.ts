// MART, misclassification aware adversarial training (Wang, Zou, Yi, Bailey, Ma, Gu, "Improving Adversarial Robustness
// Requires Revisiting Misclassified Examples", ICLR 2020, openreview rklOg6EFwS). With p = softmax f(x), q = softmax f(xAdv)
// and k the most likely wrong class under q:
//   minimise mean [CE(f(xAdv), y) - ln(1.0001 - q_k + 1e-12)] + beta mean [KL'(p || q) (1.0000001 - p_y)],
//   KL'(p || q) = sum_c p_c (ln p_c - ln(q_c + 1e-12)),
// the attack ascending cross-entropy from x + 0.001 N(0,1). The constants are the authors' code's; the gradient flows
// through p, in the divergence and in the weight, as it does there.
import { z } from "zod";
import type { Attack } from "../attacks/index.js";
import { noGrad, ops, type Tensor } from "../torch/index.js";
import { parseOptions } from "../util/index.js";
import { beta, bnUpdates, extraForward, meanCrossEntropy, type RobustLoss } from "./loss.js";

export const martOptions = z.strictObject({ beta: beta(5), bnUpdates });

const TINY = 1e-12;

/** The entry of each row of values [N,K] at the class [N]; [N]. */
function entryOf(values: Tensor, classes: Tensor): Tensor {
  return ops.squeeze(ops.gather(values, 1, ops.unsqueeze(classes, 1)), 1);
}

/** Cross-entropy with a margin to the most likely wrong class, mean over the batch. */
function boosted(logits: Tensor, q: Tensor, y: Tensor): Tensor {
  const wrong = noGrad(() => {
    const label = ops.to(ops.oneHot(y, { numClasses: q.shape[1] ?? 1 }), "bool");
    return ops.argmax(ops.maskedFill(q, label, -1), { dim: 1 });
  });
  const left = ops.add(ops.neg(entryOf(q, wrong)), 1.0001 + TINY);
  return ops.sub(meanCrossEntropy(logits, y), ops.mean(ops.log(left)));
}

/** The divergence of the two predictions, weighted by how wrong the clean one is; mean over the batch. */
function regulariser(cleanLogits: Tensor, q: Tensor, y: Tensor): Tensor {
  const p = ops.softmax(cleanLogits, 1);
  const terms = ops.mul(p, ops.sub(ops.logSoftmax(cleanLogits, 1), ops.log(ops.add(q, TINY))));
  const weight = ops.add(ops.neg(entryOf(p, y)), 1.0000001);
  return ops.mean(ops.mul(ops.sumDim(terms, [1]), weight));
}

/** Statistics move on the clean batch, then on the adversarial one; `bnUpdates: "reference"` runs the clean one once more first. */
export function mart(attack: Attack, options: z.input<typeof martOptions> = {}): RobustLoss {
  const { beta: weight, bnUpdates: updates } = parseOptions("mart", martOptions, options);
  return {
    name: "mart",
    threat: attack.threat,
    singleStep: attack.name === "fgsm",
    craft: (victim, x, y, at) => attack.perturb(victim, x, y, { start: "gaussian", ...at }),
    evaluate(forward, { x, y, xAdv }) {
      if (updates === "reference") extraForward(forward, x);
      const cleanLogits = forward(x);
      const robustLogits = forward(xAdv);
      const q = ops.softmax(robustLogits, 1);
      const robustTerm = ops.mul(regulariser(cleanLogits, q, y), { float: weight });
      return { loss: ops.add(boosted(robustLogits, q, y), robustTerm), robustLogits };
    },
  };
}

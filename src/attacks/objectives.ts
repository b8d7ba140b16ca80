// What attacks maximise: logits [N,K] and labels y [N] -> one number an image [N], differentiable in the logits.
import { ops, present, type Tensor } from "../torch/index.js";
import { UsageError } from "../util/index.js";

/** An attack ascends this for each image by itself. */
export type AttackObjective = (logits: Tensor, y: Tensor) => Tensor;

const labelLogit = (logits: Tensor, y: Tensor) => ops.squeeze(ops.gather(logits, 1, ops.unsqueeze(y, 1)), 1);

/** logsumexp(z) - z_y. */
export const crossEntropy: AttackObjective = (logits, y) => ops.crossEntropyLoss(logits, y, { reduction: 0 });

/** max over k != y of z_k - z_y: above zero when misclassified. */
export const margin: AttackObjective = (logits, y) => {
  const others = ops.maskedFill(
    logits,
    ops.to(ops.oneHot(y, { numClasses: present(logits.shape[1], "classes") }), "bool"),
    -Infinity,
  );
  return ops.sub(ops.amax(others, { dim: [1] }), labelLogit(logits, y));
};

function sorted(logits: Tensor, least: number, name: string): (rank: number) => Tensor {
  const classes = present(logits.shape[1], "classes");
  if (classes < least) throw new UsageError(`${name}: expected at least ${least} classes, got ${classes}`);
  const [values] = ops.topk(logits, least);
  return (rank) => ops.select(values, 1, rank - 1);
}

/**
 * Difference of logits ratio -(z_y - max_{k != y} z_k) / (z_(1) - z_(3) + 1e-12) (Croce and Hein, ICML 2020,
 * arXiv 2003.01690, section 4.2); unchanged by shifting or scaling the logits. Needs 3 classes.
 */
export const dlr: AttackObjective = (logits, y) => {
  const z = sorted(logits, 3, "dlr");
  return ops.div(margin(logits, y), ops.add(ops.sub(z(1), z(3)), 1e-12));
};

/** Targeted form -(z_y - z_t) / (z_(1) - (z_(3) + z_(4)) / 2 + 1e-12) towards classes `target` [N]. Needs 4 classes. */
export function dlrTargeted(target: Tensor): AttackObjective {
  return (logits, y) => {
    const z = sorted(logits, 4, "dlr-targeted");
    const gap = ops.sub(labelLogit(logits, target), labelLogit(logits, y));
    return ops.div(gap, ops.add(ops.sub(z(1), ops.div(ops.add(z(3), z(4)), 2)), 1e-12));
  };
}

/** KL(p || q) with p the given distribution [N,K] and q = softmax of the logits: what TRADES' attack ascends. */
export function klFrom(probabilities: Tensor, logProbabilities: Tensor): AttackObjective {
  return (logits) => ops.sumDim(ops.mul(probabilities, ops.sub(logProbabilities, ops.logSoftmax(logits, 1))), [1]);
}

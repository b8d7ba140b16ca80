// What attacks maximise: logits [N,K] and labels y [N] -> one number an image [N], differentiable in the logits.
import { ops, present, type Tensor } from "../torch/index.js";

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

/** The highest logits of each row by rank, 1 the highest; as many as wanted and there are. */
function ranked(logits: Tensor, most: number): { readonly classes: number; readonly z: (rank: number) => Tensor } {
  const classes = present(logits.shape[1], "classes");
  const [values] = ops.topk(logits, Math.min(most, classes));
  return { classes, z: (rank) => ops.select(values, 1, rank - 1) };
}

const TINY = 1e-12;

/**
 * Difference of logits ratio -(z_y - max_{k != y} z_k) / (z_(1) - z_(3) + 1e-12) (Croce and Hein, ICML 2020,
 * arXiv 2003.01690, section 4.2); unchanged by shifting or scaling the logits. Our own choice for two classes, which
 * have no z_(3): the plain margin.
 */
export const dlr: AttackObjective = (logits, y) => {
  const { classes, z } = ranked(logits, 3);
  const gap = margin(logits, y);
  return classes < 3 ? gap : ops.div(gap, ops.add(ops.sub(z(1), z(3)), TINY));
};

/**
 * Targeted form -(z_y - z_t) / (z_(1) - (z_(3) + z_(4)) / 2 + 1e-12) towards classes `target` [N]. Our own choice for
 * three classes: z_(1) - z_(3) below; for two: nothing below.
 */
export function dlrTargeted(target: Tensor): AttackObjective {
  return (logits, y) => {
    const { classes, z } = ranked(logits, 4);
    const gap = ops.sub(labelLogit(logits, target), labelLogit(logits, y));
    if (classes < 3) return gap;
    const low = classes < 4 ? z(3) : ops.div(ops.add(z(3), z(4)), 2);
    return ops.div(gap, ops.add(ops.sub(z(1), low), TINY));
  };
}

/** What `dlr` does differently for so few classes, in words. */
export function dlrNotes(classes: number): readonly string[] {
  return classes < 3 ? [`the plain margin in place of DLR, which needs 3 classes and has ${classes}`] : [];
}

/** What `dlrTargeted` does differently for so few classes, in words. */
export function dlrTargetedNotes(classes: number): readonly string[] {
  if (classes > 3) return [];
  const needs = `, which needs 4 classes and has ${classes}`;
  if (classes < 3) return [`the plain margin in place of the targeted DLR${needs}`];
  const constant =
    "towards the class of rank 3 it is constant until the ranks change, and its zero gradient is no warning";
  return [`z(1) - z(3) below the targeted DLR${needs}; ${constant}`];
}

/** Whether `dlrTargeted` towards the class of this rank is -1 wherever the ranks are those of the clean image. */
export const isConstantTarget = (classes: number, rank: number | undefined): boolean => classes === 3 && rank === 3;

/** KL(p || q) with p the given distribution [N,K] and q = softmax of the logits: what TRADES' attack ascends. */
export function klFrom(probabilities: Tensor, logProbabilities: Tensor): AttackObjective {
  return (logits) => ops.sumDim(ops.mul(probabilities, ops.sub(logProbabilities, ops.logSoftmax(logits, 1))), [1]);
}

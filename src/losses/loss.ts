import { z } from "zod";
import type { PerturbOptions, Threat, Victim } from "../attacks/index.js";
import { noGrad, ops, type Tensor } from "../torch/index.js";

/** One batch with its adversarial examples. */
export interface CraftedBatch {
  readonly x: Tensor;
  readonly y: Tensor;
  readonly xAdv: Tensor;
}

/** A training forward: logits [N,K] float32 with a graph; batch norm as the pass at hand demands. */
export type TrainingForward = (x: Tensor) => Tensor;

export interface LossValue {
  /** Scalar, with a graph. */
  readonly loss: Tensor;
  /** Logits of the adversarial examples [N,K]. */
  readonly robustLogits: Tensor;
}

/** A training objective that resists a threat: how its examples are crafted, and what is minimised on them. */
export interface RobustLoss {
  readonly name: string;
  /** What it trains against. */
  readonly threat: Threat;
  /** Adversarial examples, with running batch-norm statistics. */
  craft(victim: Victim, x: Tensor, y: Tensor, options: PerturbOptions): Tensor;
  /** Forwards run in a fixed order, since each may move the batch-norm statistics. */
  evaluate(forward: TrainingForward, batch: CraftedBatch): LossValue;
}

/** How often batch norm moves a step: once per training forward, or with the extra clean passes of HYDRA and HARP. */
export const bnUpdates = z
  .enum(["once", "reference"])
  .default("once")
  .describe("`reference`: the extra clean passes of HYDRA and HARP, which move the running statistics again");
export type BnUpdates = z.output<typeof bnUpdates>;

/** A forward for its side effect on the running statistics. */
export function extraForward(forward: TrainingForward, x: Tensor): void {
  noGrad(() => forward(x));
}

/** Mean cross-entropy of logits [N,K] against y [N]. */
export function meanCrossEntropy(logits: Tensor, y: Tensor): Tensor {
  return ops.crossEntropyLoss(logits, y);
}

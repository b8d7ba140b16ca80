import { z } from "zod";
import type { PerturbOptions, Threat, Victim } from "../attacks/index.js";
import type { Params } from "../nn/index.js";
import { noGrad, ops, type Tensor } from "../torch/index.js";

/** One batch with its adversarial examples. */
export interface CraftedBatch {
  readonly x: Tensor;
  /** Labels [N]; of mixed images the share of each class, [N,K], for losses that take those (`softLabels`). */
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

export interface CraftOptions extends PerturbOptions {
  /** Of a loss that replays its batches: what it remembers. */
  readonly memory?: Params | undefined;
}

/** Several optimiser steps on each batch, with tensors that outlive it. The stage owns these, saves and restores them. */
export interface Replay {
  /** Optimiser steps on each batch. */
  readonly count: number;
  /** What is remembered before the first batch; `shape` [N,C,H,W] is that of a whole batch, the last one may be shorter. */
  memory(shape: readonly number[]): Map<string, Tensor>;
  /** Moves the memory in place; `gradient` [N,C,H,W] is that of the step's first loss with respect to xAdv. */
  learn(memory: Params, batch: CraftedBatch, gradient: Tensor): void;
}

/** A training objective that resists a threat: how its examples are crafted, and what is minimised on them. */
export interface RobustLoss {
  readonly name: string;
  /** What it trains against. */
  readonly threat: Threat;
  /** Crafted in one step, so that the network may learn to fool the attack instead of resisting; default false. */
  readonly singleStep?: boolean;
  /** Batch norm while examples are crafted; default `eval`. In `train` every pass of the attack moves the statistics. */
  readonly attackMode?: AttackMode;
  /** Whether `evaluate` takes the share of each class [N,K] in place of labels [N]; default false. */
  readonly softLabels?: boolean;
  /** Of a loss that makes several steps on each batch. */
  readonly replay?: Replay;
  /** Adversarial examples, with batch norm as `attackMode` says. */
  craft(victim: Victim, x: Tensor, y: Tensor, options: CraftOptions): Tensor;
  /** Forwards run in a fixed order, since each may move the batch-norm statistics. */
  evaluate(forward: TrainingForward, batch: CraftedBatch): LossValue;
}

/** How often batch norm moves a step: once per training forward, or with the extra clean passes of HYDRA and HARP. */
export const bnUpdates = z
  .enum(["once", "reference"])
  .default("once")
  .describe("`reference`: the extra clean passes of HYDRA and HARP, which move the running statistics again");

export const attackMode = z
  .enum(["eval", "train"])
  .default("eval")
  .describe(
    "batch norm while examples are crafted: running statistics, or as Robust Scratch Tickets and AWP have it the batch's, which move at every step; default eval",
  );
export type AttackMode = z.output<typeof attackMode>;

export const labelSmoothing = z
  .number()
  .min(0)
  .lt(1)
  .default(0)
  .describe("share of each label that is spread over all classes; the attack sees whole labels; default 0");

export const beta = (value: number) =>
  z.number().min(0).default(value).describe(`weight of the robust term; default ${value}`);

/** A forward for its side effect on the running statistics. */
export function extraForward(forward: TrainingForward, x: Tensor): void {
  noGrad(() => forward(x));
}

/** Mean cross-entropy of logits [N,K] against y, labels [N] or shares [N,K], which labels may be smoothed: (1 - s) one-hot + s / K. */
export function meanCrossEntropy(logits: Tensor, y: Tensor, smoothing = 0): Tensor {
  return ops.crossEntropyLoss(logits, y, { labelSmoothing: smoothing });
}

/** KL(softmax a || softmax b) of logits [N,K], mean over the batch. */
export function meanKl(a: Tensor, b: Tensor): Tensor {
  const logP = ops.logSoftmax(a, 1);
  const terms = ops.mul(ops.softmax(a, 1), ops.sub(logP, ops.logSoftmax(b, 1)));
  return ops.div(ops.sum(terms), a.shape[0] ?? 1);
}

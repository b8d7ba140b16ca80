import { type Attack, pgd } from "../attacks/index.js";
import type { Split } from "../data/index.js";
import type { RobustLoss } from "../losses/index.js";
import type { Optimizer } from "../optim/index.js";
import type { EpochDone, Run, Stage } from "../run/index.js";
import type { Precision } from "../torch/index.js";
import { expected, S2apError, UsageError } from "../util/index.js";
import type { EmaOptions } from "./ema.js";
import type { OverfittingAlarm } from "./probe.js";
import type { WeightGradient } from "./weight-gradient.js";

/** What happened so far in the epoch at hand; sent after every step, never logged. */
export interface StageProgress {
  readonly stage: Stage;
  readonly epoch: number;
  readonly epochs: number;
  /** Steps of the stage done, and in all. */
  readonly step: number;
  readonly steps: number;
  /** Means over the epoch so far. */
  readonly loss: number;
  readonly robustAccuracy: number;
  readonly imagesPerSecond: number;
}

/** What the three stages have in common. No stage ever sees the test set. */
export interface StageOptions {
  readonly train: Split;
  /** Held-out images that choose among epochs. */
  readonly selection: Split;
  readonly loss: RobustLoss;
  readonly optimizer: Optimizer;
  readonly epochs: number;
  /** Batches an epoch; default one pass over `train`. Where they are more or fewer, the next epoch goes on behind the last batch. */
  readonly batches?: number | undefined;
  /** Where events and checkpoints go; with it, a stage that was stopped goes on where it was. Default: nowhere. */
  readonly run?: Run | undefined;
  /** Of data order, augmentation and attack noise; default: the run's, else 0. */
  readonly seed?: number | undefined;
  /** Arithmetic of training passes; default float32. Evaluation is float32 always. */
  readonly precision?: Precision | undefined;
  /** Seconds between checkpoints within an epoch; each epoch ends with one anyway. Default 60. */
  readonly checkpointSeconds?: number | undefined;
  /** Bytes the stage may take: an estimate is checked before it begins. Default: what machine or container have free. */
  readonly availableMemory?: number | undefined;
  /** Which epoch's network is passed on: the most robust on `selection` (default) or the last. */
  readonly choose?: "best" | "last" | undefined;
  /** Attack that measures robustness on `selection`; default PGD-10 at the loss's threat. */
  readonly selectionAttack?: Attack | undefined;
  /**
   * Whether a fall of PGD accuracy while FGSM accuracy rises is told (`warn`), ends the stage with an error (`stop`), or is
   * not looked for; default `warn` for losses of a single step, else `off`.
   */
  readonly overfittingAlarm?: OverfittingAlarm | undefined;
  /** Asked before every step and attack step; true stops with the state saved (`StoppedError`). */
  readonly shouldStop?: (() => boolean) | undefined;
  readonly onProgress?: ((progress: StageProgress) => void) | undefined;
  /** Told of every epoch's entry in the log, also where there is no run. */
  readonly onEpoch?: ((event: Omit<EpochDone, "at">) => void) | undefined;
  /**
   * Told of things worth a warning, such as a damaged checkpoint that was passed over. With a run, what belongs to its log
   * goes there instead, as an event.
   */
  readonly onWarning?: ((message: string) => void) | undefined;
}

/** What pretraining and finetuning have besides. */
export interface WeightStageOptions extends StageOptions {
  /** Which gradient the optimiser takes, such as that of `awpWeights()`; default that of the loss at the weights. */
  readonly weightGradient?: WeightGradient | undefined;
  /** Measure, choose by and pass on a moving average of the weights; default none. */
  readonly ema?: EmaOptions | undefined;
}

/** A stage's log: one entry an epoch. */
export type History = readonly Omit<EpochDone, "at">[];

/** A stage was asked to stop; its state is saved and the same call goes on from there. */
export class StoppedError extends S2apError {
  constructor(stage: Stage | "evaluation") {
    super(`${stage}: stopped as asked; run the same command again to go on`, { code: "stopped" });
  }
}

/** Refuses a loss that cannot take the mixed labels of the training images. */
export function assertLabels(stage: Stage, { train, loss }: Pick<StageOptions, "train" | "loss">): void {
  if (train.mixup === undefined || loss.softLabels === true) return;
  throw new UsageError(expected(stage, "a loss that takes mixed labels, as mixup makes them", loss.name), {
    code: "usage/mixup",
  });
}

export function selectionAttackOf(options: StageOptions): Attack {
  return options.selectionAttack ?? pgd(options.loss.threat, { steps: 10 });
}

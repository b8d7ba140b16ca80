/** The three stages, in order. */
export const STAGES = ["pretrain", "search", "finetune"] as const;
export type Stage = (typeof STAGES)[number];

/** Network passes spent; a batch counts once whatever its size. */
export interface Passes {
  readonly forward: number;
  readonly backward: number;
}

/** A run was opened. */
export interface RunStarted {
  readonly type: "run";
  /** Time of the event, ISO 8601 in UTC. */
  readonly at: string;
  readonly name: string;
  readonly seed: number;
}

/** A stage began or ended. Going on after an interruption leaves no trace, so a log does not depend on it. */
export interface StageChanged {
  readonly type: "stage";
  readonly at: string;
  readonly stage: Stage;
  readonly status: "start" | "done";
  readonly epochs: number;
  /** Optimizer steps per epoch. */
  readonly steps: number;
  /** Optimizer steps of the stage done so far. */
  readonly step: number;
}

/** A sample of training, written every so often. */
export interface StepTaken {
  readonly type: "step";
  readonly at: string;
  readonly stage: Stage;
  /** 0-based. */
  readonly epoch: number;
  /** Optimizer steps of the stage done so far. */
  readonly step: number;
  readonly loss: number;
  readonly lr: number;
  /** On the training batch, in [0, 1]. */
  readonly robustAccuracy: number;
  readonly imagesPerSecond: number;
}

/** How far the mask moved since the epoch before (the first: since the start). */
export interface MaskDistance {
  /** Share of all prunable weights whose mask entry changed, in [0, 1]. */
  readonly hamming: number;
  /** `hamming / (2k)`, k the share of weights kept, in [0, 1]: comparable across sparsities. */
  readonly perKept: number;
  /** `hamming` of each layer. */
  readonly layers: Readonly<Record<string, number>>;
}

/** Accuracies of single-step training on its probe images, a fixed part of the selection split, in [0, 1]. */
export interface Probe {
  /** Under PGD-10. */
  readonly pgd: number;
  /** Under FGSM. */
  readonly fgsm: number;
  readonly examples: number;
}

/** An epoch ended. Accuracies are of the (masked) network on the selection split, in [0, 1]. */
export interface EpochDone {
  readonly type: "epoch";
  readonly at: string;
  readonly stage: Stage;
  /** 0-based. */
  readonly epoch: number;
  /** Mean over the epoch's steps. */
  readonly loss: number;
  readonly lr: number;
  readonly cleanAccuracy: number;
  readonly robustAccuracy: number;
  readonly selectionExamples: number;
  /** Cumulative in the stage. */
  readonly passes: Passes;
  readonly seconds: number;
  /** Most bytes resident since the epoch before ended, or the process took the stage up; not in logs of earlier versions. */
  readonly peakMemory?: number;
  /** Where the alarm for catastrophic overfitting is on. */
  readonly probe?: Probe;
  /** Search only. */
  readonly maskDistance?: MaskDistance;
  /** Search only: fraction of the kept weights that the perturbation z swaps out. */
  readonly swapFraction?: number;
  /** L(s + z) - L(s) in a search; where training perturbs its weights, L(w + v) - L(w). */
  readonly sharpnessGap?: number;
  /** Search only: share of the squared score gradient that filters without a kept weight carry. */
  readonly deadFilterShare?: number;
  /** Forward passes of a step over those of the host alone, mean over the epoch's steps; 1 is `plain`. Not where training names no gradient. */
  readonly forwardCost?: number;
  /** The same of backward passes. */
  readonly backwardCost?: number;
  /** Search only: what the gradient keeps from step to step: the radius that `gamma: auto` or `rho: auto` found. */
  readonly gradientState?: Readonly<Record<string, number>>;
  /** Search only: what the method added to the robust loss, mean over the epoch's steps (HARP's regulariser). */
  readonly penalty?: number;
  /** Search only: share of each layer that the method chose to keep, as it learns them (HARP). */
  readonly keepRatios?: Readonly<Record<string, number>>;
  /** Search only: measured fraction of weights removed. */
  readonly sparsity?: { readonly total: number; readonly layers: Readonly<Record<string, number>> };
  /**
   * Search only: distance of the smallest kept and the largest removed |score| of each layer, over the root mean square of its
   * scores; null where there is none.
   */
  readonly scoreGaps?: Readonly<Record<string, number | null>>;
}

/** Something the reader of the run should know. */
export interface Warned {
  readonly type: "warning";
  readonly at: string;
  /** Stable kebab-case name, as of an error. */
  readonly code: string;
  readonly message: string;
}

/** An attack on the finished network was measured. */
export interface Evaluated {
  readonly type: "evaluation";
  readonly at: string;
  readonly attack: string;
  readonly cleanAccuracy: number;
  readonly robustAccuracy: number;
  readonly examples: number;
  /** Exactly as written, e.g. `8/255`. */
  readonly eps: string;
  /** 95 % interval of the robust accuracy. */
  readonly interval: readonly [low: number, high: number];
  readonly seconds: number;
  readonly passes: Passes;
  /** Most bytes resident during it; not in logs of earlier versions. */
  readonly peakMemory?: number;
}

/** A line of `events.jsonl`. */
export type RunEvent = RunStarted | StageChanged | StepTaken | EpochDone | Warned | Evaluated;

/** An event before the log has stamped its time. */
export type NewEvent = RunEvent extends infer E ? (E extends RunEvent ? Omit<E, "at"> : never) : never;

/** The fields that hold times, and memory: two runs of the same bits differ in these only. */
export const TIME_FIELDS = ["at", "seconds", "imagesPerSecond", "peakMemory"] as const;

/** An event without its times and memory, for comparing runs. */
export function withoutTimes(event: RunEvent): Record<string, unknown> {
  return Object.fromEntries(Object.entries(event).filter(([key]) => !(TIME_FIELDS as readonly string[]).includes(key)));
}

import type { SecurityCurve } from "../evaluation/curve.js";
import type { Interval } from "./format.js";
import type { Losses, SliceAxis } from "./landscape-schema.js";
import type { Origin, Origins } from "./origin.js";

/** Everything a report says, as plain data: read from disk by `collect`, drawn by the rest of this folder. */
export interface ReportData {
  readonly name: string;
  /** One row a network; empty when nothing has been evaluated yet. */
  readonly rows: readonly ReportRow[];
  readonly runs: readonly RunData[];
  readonly images: readonly ImageGrid[];
  readonly stability: readonly StabilityData[];
  /** What was missing or unreadable, one sentence each. */
  readonly problems: readonly string[];
}

/** The numbers of one network; `null` is a number that was not found, accuracies and sparsity are in [0,1]. */
export interface ReportRow {
  readonly name: string;
  readonly sparsity: number | null;
  readonly cleanAccuracy: number | null;
  /** 95 % interval of `cleanAccuracy`. */
  readonly cleanInterval: Interval | null;
  readonly robustAccuracy: number | null;
  /** 95 % interval of `robustAccuracy`. */
  readonly robustInterval: Interval | null;
  readonly attack: string | null;
  /** Test images attacked. */
  readonly examples: number | null;
  /** Radius as exact text, e.g. `8/255`. */
  readonly eps: string | null;
  readonly seed: number | null;
  /** Robust accuracy of the masked network on the selection images, before finetuning. */
  readonly maskRobustAccuracy: number | null;
  /** Share of kept weights that the last search epoch replaced: Hamming distance / 2k. */
  readonly maskDistance: number | null;
  /** Share of kept weights that the perturbation swaps out, last search epoch. */
  readonly swapFraction: number | null;
  /** L(s+z) - L(s), last search epoch. */
  readonly sharpnessGap: number | null;
  /** Forward and backward passes spent in all stages. */
  readonly passes: number | null;
  readonly seconds: number | null;
  readonly stageSeconds: Readonly<Record<string, number>>;
  /** Run folder, relative to the experiment. */
  readonly run: string | null;
  /** By field; seconds of a stage as `stageSeconds.search`. */
  readonly origins: Origins;
}

/** `killed`: the folder says that it runs, but nobody holds its lock. */
export type RunState = "running" | "killed" | "stopped" | "failed" | "done" | "unknown";

/** One run folder. */
export interface RunData {
  readonly name: string;
  readonly folder: string;
  readonly state: RunState;
  readonly createdAt: string | null;
  readonly seed: number | null;
  readonly recipe: unknown;
  readonly recipeHash: string | null;
  readonly versions: unknown;
  readonly machine: unknown;
  readonly data: unknown;
  readonly stages: readonly StageData[];
  /** Measured on the masks where the run has written them, else as its last epoch says; empty when neither is there. */
  readonly layerSparsity: Readonly<Record<string, number>>;
  /** Of `layerSparsity`. */
  readonly layerOrigins: Origins;
  readonly evaluations: readonly EvaluationData[];
  readonly cards: readonly CardData[];
  readonly sharpness: SharpnessData | null;
  readonly landscapes: readonly LandscapeData[];
  /** Of the masks that the search left of its epochs; null where there are fewer than two. */
  readonly epochMasks: EpochMasksData | null;
  readonly warnings: readonly { readonly code: string; readonly message: string }[];
}

/** Masks of a search's epochs, each against each other one. */
export interface EpochMasksData {
  /** By epochs done, ascending. */
  readonly epochs: readonly number[];
  /** Jaccard of the kept sets, in [0,1]; a row for each epoch. */
  readonly jaccard: readonly (readonly number[])[];
  /** File of each mask. */
  readonly files: readonly string[];
}

/** One stage of a run as its epochs tell it. */
export interface StageData {
  readonly stage: string;
  /** Epochs planned, when the log says so. */
  readonly planned: number | null;
  readonly done: boolean;
  readonly epochs: readonly EpochData[];
}

/** One epoch; `epoch` counts from 0, accuracies are on the selection images. */
export interface EpochData {
  readonly epoch: number;
  readonly loss: number | null;
  readonly cleanAccuracy: number | null;
  readonly robustAccuracy: number | null;
  readonly seconds: number | null;
  readonly passes: number | null;
  /** Share of kept weights that were replaced since the epoch before: Hamming distance / 2k. */
  readonly maskDistance: number | null;
  readonly swapFraction: number | null;
  readonly sharpnessGap: number | null;
  readonly sparsity: number | null;
  readonly layerSparsity: Readonly<Record<string, number>>;
  readonly layerOrigins: Origins;
  /** Forward and backward passes of a step over those of the host alone; 1 is a plain step. */
  readonly forwardCost: number | null;
  readonly backwardCost: number | null;
  /** What the gradient keeps from step to step, by name. */
  readonly gradientState: Readonly<Record<string, number>>;
  /** Most bytes resident. */
  readonly peakMemory: number | null;
  readonly origins: Origins;
}

export interface EvaluationData {
  readonly attack: string;
  readonly cleanAccuracy: number | null;
  readonly robustAccuracy: number | null;
  readonly robustInterval: Interval | null;
  readonly examples: number | null;
  readonly eps: string | null;
  readonly seconds: number | null;
  readonly origins: Origins;
}

/** The card of an evaluation, or what its distances say where these are all there is. */
export interface CardData {
  /** Name of its folder. */
  readonly name: string;
  readonly preset: string | null;
  readonly norm: string | null;
  readonly eps: string | null;
  readonly examples: number | null;
  /** The question whose answer ended it before all attacks had run; null where they all have. */
  readonly endedEarly: string | null;
  readonly classes: readonly ClassData[];
  /** Robust accuracy by radius, where a minimum-norm attack measured it. */
  readonly curve: {
    readonly attack: string;
    readonly norm: string;
    readonly eps: string;
    readonly curve: SecurityCurve;
  } | null;
  /** Of each of the curve's points. */
  readonly pointOrigins: readonly Origins[];
}

export interface ClassData {
  readonly name: string;
  readonly examples: number | null;
  readonly cleanAccuracy: number | null;
  readonly robustAccuracy: number | null;
  /** 95 % interval of `robustAccuracy`. */
  readonly interval: Interval | null;
  readonly origins: Origins;
}

/** What `s2ap sharpness` measured of a search. */
export interface SharpnessData {
  readonly settings: {
    readonly images: number | null;
    readonly split: string | null;
    readonly attack: string | null;
    readonly objective: string | null;
    readonly norm: string | null;
    readonly eps: string | null;
    readonly gamma: number | null;
    readonly flipFraction: number | null;
    readonly dtype: string | null;
  };
  readonly states: readonly SharpnessState[];
}

/** One state; numbers are `null` where they were not measured. */
export interface SharpnessState {
  /** Epochs done; 0 is the start. */
  readonly epoch: number;
  readonly loss: number | null;
  /** The largest eigenvalue, and how far from it at most one is. */
  readonly top: number | null;
  readonly bound: number | null;
  readonly trace: number | null;
  readonly traceError: number | null;
  /** Rises of the loss: at the ball's worst point, on average, after a flip. */
  readonly worst: number | null;
  readonly average: number | null;
  readonly averageError: number | null;
  readonly flip: number | null;
  /** Largest eigenvalue of each layer by itself. */
  readonly layers: Readonly<Record<string, number>>;
  /** Scores near the threshold; of scores that stand for groups, nothing is said. */
  readonly ties: TieShares | null;
  readonly origins: Origins;
}

/** Shares of scores within some distances of the threshold that decides what is kept. */
export interface TieShares {
  /** Distances, in root mean squares of a layer's scores. */
  readonly deltas: readonly number[];
  /** Share of all scores within each of `deltas`. */
  readonly within: readonly number[];
  /** The same of each layer. */
  readonly layers: Readonly<Record<string, readonly number[]>>;
}

/** What `s2ap stability` found between the runs of a folder. */
export interface StabilityData {
  /** What networks were compared on; null where only masks were. */
  readonly on: {
    readonly data: string | null;
    readonly examples: number | null;
    readonly attack: string | null;
    readonly norm: string | null;
    readonly eps: string | null;
  } | null;
  readonly pairs: readonly StabilityPair[];
}

interface Estimate {
  readonly value: number;
  /** 95 %. */
  readonly interval: Interval;
}

/** Two networks; numbers are `null` where they were not measured. */
export interface StabilityPair {
  readonly a: string;
  readonly b: string;
  /** Jaccard of the kept sets. */
  readonly masks: number | null;
  readonly agreement: Estimate | null;
  readonly robustSets: Estimate | null;
  readonly gradientCosine: Estimate | null;
  readonly features: readonly {
    readonly layer: string;
    readonly cka: number | null;
    readonly debiased: number | null;
  }[];
  readonly origins: Origins;
}

/** The loss on a line or a grid of directions in score space. */
export interface LandscapeData {
  /** Epochs done. */
  readonly epoch: number | null;
  readonly images: number | null;
  readonly split: string | null;
  readonly x: SliceAxis;
  /** `null` of a line. */
  readonly y: SliceAxis | null;
  /** The search whose scores are at 1 of the direction `other`. */
  readonly other: { readonly run: string | null } | null;
  /** Between the two directions; `null` of a line. */
  readonly cosine: number | null;
  readonly loss: Losses;
  /** Of `loss`, an array of arrays. */
  readonly origin: Origin;
}

/** Attacked images of one experiment. */
export interface ImageGrid {
  readonly name: string;
  /** Network the images were attacked against. */
  readonly against: string | null;
  readonly eps: string | null;
  readonly examples: readonly ImageExample[];
}

/** One attacked image; pictures are base64 PNG, `null` when unreadable. */
export interface ImageExample {
  readonly label: string;
  readonly clean: string | null;
  readonly adversarial: string | null;
  readonly difference: string | null;
  readonly predictions: readonly Prediction[];
}

export interface Prediction {
  readonly row: string;
  readonly clean: string;
  readonly adversarial: string;
  readonly cleanRight: boolean;
  readonly adversarialRight: boolean;
}

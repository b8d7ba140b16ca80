import type { Params } from "../nn/index.js";
import type { Rng } from "../util/index.js";

/**
 * How a pass treats batch norm: running statistics move in exactly one pass of a step (`update`), other passes normalise
 * by the batch only (`batch`) or by the running statistics (`running`).
 */
export type Statistics = "update" | "batch" | "running";

export interface PassOptions {
  /** Craft the adversarial examples anew at this point; default: those of the step's first evaluation. */
  readonly recraft?: boolean;
  /** What is differentiated: the host's `robust` loss, or only the `crossEntropy` of the adversarial examples. */
  readonly loss?: "robust" | "crossEntropy";
}

export interface Evaluation {
  /** The robust loss, whatever was differentiated. */
  readonly loss: number;
  /** dL/ds. */
  readonly scores: Params;
  /** dL/dθ. */
  readonly weights: Params;
  /** Gradients of what else the search trains: batch norm's affine parameters, and the method's further tensors with its penalty. */
  readonly rest: Params;
  /** The masks the network ran with. */
  readonly masks: Params;
}

/** The robust objective on one batch; adversarial examples are crafted once, at the first point evaluated. */
export interface Objective {
  /** The frozen weights of the prunable layers, dense, by name. */
  readonly weights: Params;
  /** What the method trains beside the scores, by weight name; their gradients are in `rest` under `trainedKey`. */
  readonly trained?: Params | undefined;
  /** The masks at these scores; no pass through the network. */
  masks(scores: Params): Params;
  /** `weights` take the place of those of their names. */
  evaluate(
    at: { readonly scores: Params; readonly weights?: Params; readonly trained?: Params },
    statistics: Statistics,
    options?: PassOptions,
  ): Evaluation;
}

export interface SearchStep {
  readonly epoch: number;
  readonly epochs: number;
  readonly rng: Rng;
  /** The optimiser's weight decay on scores, for gradients that let it act elsewhere than at s. */
  readonly weightDecay: number;
  /** Whether to fill in the log entries that cost extra work. */
  readonly detailed: boolean;
  /**
   * Numbers that the gradient keeps from step to step of one search and may write; empty at first. The search saves them
   * with its checkpoints and logs them, so a gradient needs no memory of its own.
   */
  readonly state: Record<string, number>;
}

export interface StepGradient {
  readonly loss: number;
  readonly scores: Params;
  readonly rest: Params;
  /** Numbers about the step: `sharpnessGap`, and with `detailed` also `swapFraction` and `deadFilterShare`. */
  readonly log: Readonly<Record<string, number>>;
}

/** How the search turns an objective over scores into the gradient its optimiser takes. It changes no tensor it is given. */
export interface ScoreGradient {
  readonly name: string;
  /** How many of a search's epochs, its first ones, are the host's alone; throws when that leaves none. */
  warmup(epochs: number): number;
  compute(scores: Params, objective: Objective, step: SearchStep): StepGradient;
}

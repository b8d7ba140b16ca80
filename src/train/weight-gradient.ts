import { z } from "zod";
import { mapParams, type Params } from "../nn/index.js";
import type { Masks } from "../pruning/index.js";
import { shifted } from "../sharpness/index.js";
import { ops, scope } from "../torch/index.js";
import { expected, UsageError } from "../util/index.js";

/** Of one pass: running statistics of batch norm move (`update`), or the batch's are used and nothing moves (`batch`). */
export type PassStatistics = "update" | "batch";

export interface WeightEvaluation {
  /** The whole robust loss. */
  readonly loss: number;
  /** dL/dw of every parameter, zero where a weight is pruned. */
  readonly gradients: Params;
}

/** The robust loss on one batch as a function of the weights; adversarial examples are crafted once, at `params`. */
export interface WeightObjective {
  /** w: all that is trained, by name, pruned weights as they are; never written. */
  readonly params: Params;
  /** Which weights are kept; none in a dense network. */
  readonly masks: Masks | undefined;
  evaluate(params: Params, statistics: PassStatistics): WeightEvaluation;
}

export interface WeightStep {
  readonly epoch: number;
  readonly epochs: number;
  /** The optimiser's, for gradients that let it act elsewhere than at w. */
  readonly weightDecay: number;
}

export interface WeightStepGradient extends WeightEvaluation {
  /** Numbers about the step: `sharpnessGap`, L(w + v) - L(w). */
  readonly log: Readonly<Record<string, number>>;
}

/** How pretraining and finetuning turn the loss into the gradient that the optimiser takes. It changes no tensor it is given. */
export interface WeightGradient {
  readonly name: string;
  /** How many of a stage's epochs, its first ones, train plainly; throws when that leaves none. */
  warmup(epochs: number): number;
  compute(objective: WeightObjective, step: WeightStep): WeightStepGradient;
}

export const warmupEpochs = z.int().min(0).default(0).describe("first epochs that train plainly; default 0");

/** `statistics` of a gradient that takes two passes, with the default that its authors have. */
export const movingPass = (value: "first" | "perturbed") =>
  z
    .enum(["first", "perturbed"])
    .default(value)
    .describe(`pass that moves the batch-norm statistics, the one at w or the one at w + v; default ${value}`);

/** The training as it is: one pass, at the weights. */
export function plainWeights(): WeightGradient {
  return {
    name: "plain",
    warmup: () => 0,
    compute: ({ params, evaluate }) => ({ ...evaluate(params, "update"), log: {} }),
  };
}

export interface PerturbOptions {
  readonly warmup: number;
  readonly statistics: "first" | "perturbed";
  /** Where the optimiser's weight decay acts. */
  readonly decayAt: "w" | "w+v";
}

function warmupOf(name: string, warmup: number, epochs: number): number {
  if (warmup < epochs || epochs === 0) return warmup;
  throw new UsageError(expected(name, `warmup to end before the stage of ${epochs} epochs does`, warmup), {
    code: "usage/warm-up",
  });
}

/**
 * The gradient at w + v, v from the gradient at w, on the same adversarial examples. Weights are never written, so nothing
 * has to be restored: a weight decay that acts at w + v is the term weightDecay v in the gradient at w.
 */
export function perturbedWeights(
  name: string,
  { warmup, statistics, decayAt }: PerturbOptions,
  shiftOf: (objective: WeightObjective, gradients: Params) => Params,
): WeightGradient {
  const compute = (objective: WeightObjective, { weightDecay }: WeightStep): WeightStepGradient => {
    const { params } = objective;
    const first = objective.evaluate(params, statistics === "first" ? "update" : "batch");
    const shift = shiftOf(objective, first.gradients);
    const moved = new Map([...params, ...shifted(new Map([...params].filter(([key]) => shift.has(key))), shift)]);
    const second = objective.evaluate(moved, statistics === "first" ? "batch" : "update");
    const log = { sharpnessGap: second.loss - first.loss };
    if (decayAt === "w" || weightDecay === 0) return { loss: first.loss, gradients: second.gradients, log };
    const decayed = mapParams(second.gradients, (gradient, key) => {
      const v = shift.get(key);
      return v ? ops.add(gradient, v, { alpha: { float: weightDecay } }) : gradient;
    });
    return { loss: first.loss, gradients: decayed, log };
  };
  return {
    name,
    warmup: (epochs) => warmupOf(name, warmup, epochs),
    compute(objective, step) {
      if (step.epoch >= warmupOf(name, warmup, step.epochs)) return scope(() => compute(objective, step));
      return plainWeights().compute(objective, step);
    },
  };
}

import { z } from "zod";
import type { Params } from "../nn/index.js";
import { scope } from "../torch/index.js";
import { expected, UsageError } from "../util/index.js";
import type { Objective, ScoreGradient, SearchStep, StepGradient } from "./gradient.js";

/** Options of every gradient that leaves the search's first epochs to the host alone. */
export const warmupOptions = {
  warmupFraction: z
    .number()
    .min(0)
    .max(1)
    .default(0.25)
    .describe("part of the search that runs the host alone; default 0.25"),
  warmupEpochs: z.int().min(0).optional().describe("the same in epochs; takes precedence"),
};
export interface WarmupOptions {
  readonly warmupFraction: number;
  readonly warmupEpochs?: number | undefined;
}

/** Epochs of the host alone; refuses a warm-up that leaves nothing to the gradient of that name. */
function warmupLength(name: string, { warmupEpochs, warmupFraction }: WarmupOptions, epochs: number): number {
  const length = warmupEpochs ?? Math.round(warmupFraction * epochs);
  if (length < epochs || epochs === 0) return length;
  const [what, got] = warmupEpochs === undefined ? ["warmupFraction", warmupFraction] : ["warmupEpochs", warmupEpochs];
  throw new UsageError(expected(name, `${what} to end before the search of ${epochs} epochs does`, got), {
    code: "usage/warm-up",
  });
}

/** The host's step in the warm-up, `compute` from then on. */
export function afterWarmup(
  name: string,
  options: WarmupOptions,
  compute: (scores: Params, objective: Objective, step: SearchStep) => StepGradient,
): ScoreGradient {
  return {
    name,
    warmup: (epochs) => warmupLength(name, options, epochs),
    compute(scores, objective, step) {
      if (step.epoch >= warmupLength(name, options, step.epochs)) return scope(() => compute(scores, objective, step));
      const { loss, scores: gradient, rest } = objective.evaluate({ scores }, "update");
      return { loss, scores: gradient, rest, log: {} };
    },
  };
}

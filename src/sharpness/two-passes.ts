// The step that S2AP and its comparators share: a gradient at s says where to look, the gradient found there is the answer.
import { z } from "zod";
import type { Params } from "../nn/index.js";
import { deadFilterShare, swapFraction } from "./diagnostics.js";
import type { Evaluation, Objective, PassOptions, SearchStep, Statistics, StepGradient } from "./gradient.js";

export const statistics = z
  .enum(["first", "perturbed", "running"])
  .default("first")
  .describe(
    "pass that moves the batch-norm statistics; `running`: the first, the perturbed pass using them; default first",
  );

type Point = Parameters<Objective["evaluate"]>[0];

export interface TwoPassOptions {
  /** Which pass moves the running statistics. */
  readonly statistics: z.output<typeof statistics>;
  /** What the first pass differentiates; default the robust loss. */
  readonly ascentLoss?: NonNullable<PassOptions["loss"]> | undefined;
  /** Whether the second pass crafts its own adversarial examples; default false. */
  readonly recraft?: boolean | undefined;
}

/** How each pass treats batch norm. */
const order: Readonly<Record<TwoPassOptions["statistics"], readonly [first: Statistics, second: Statistics]>> = {
  first: ["update", "batch"],
  perturbed: ["batch", "update"],
  running: ["update", "running"],
};

export interface Passed<P extends Point> {
  readonly first: Evaluation;
  /** Where the second pass was. */
  readonly at: P;
  readonly second: Evaluation;
}

/** Evaluates at the scores and then where `worst` says. Adversarial examples are those of the first, unless `recraft`. */
export function twoPasses<P extends Point>(
  scores: Params,
  objective: Objective,
  { statistics: moving, ascentLoss = "robust", recraft = false }: TwoPassOptions,
  worst: (first: Evaluation) => P,
): Passed<P> {
  const [early, late] = order[moving];
  const first = objective.evaluate({ scores }, early, { loss: ascentLoss });
  const at = worst(first);
  return { first, at, second: objective.evaluate(at, late, { recraft }) };
}

/** The second pass's gradients as the step's, with what the two passes say of each other. */
export function answer({ first, second }: Passed<Point>, step: SearchStep, scores = second.scores): StepGradient {
  const gap = { sharpnessGap: second.loss - first.loss };
  if (!step.detailed) return { loss: first.loss, scores, rest: second.rest, log: gap };
  const detail = {
    swapFraction: swapFraction(first.masks, second.masks),
    deadFilterShare: deadFilterShare(first.scores, first.masks),
  };
  return { loss: first.loss, scores, rest: second.rest, log: { ...gap, ...detail } };
}

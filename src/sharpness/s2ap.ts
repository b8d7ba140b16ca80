// S2AP, score-space sharpness-aware adversarial pruning (Piras, Zhao, Brau, Pintor, Wressnegger, Biggio,
// arXiv 2510.18381):
//   minimise over s, maximise over z with ||z_l|| <= gamma ||s_l||, the robust loss of w ⊙ M(s + z).
// Each step, after a warm-up of the host alone:
//   g = dL/ds at s;  z_l = gamma ||s_l|| g_l / ||g_l||;  the step is taken from s with dL/ds at s + z.
// The adversarial examples are crafted once, at s. Only the paper's abstract and summaries were available to us, not its
// Algorithm 1: what it leaves open is an option here, with our reading as the default.
import { z } from "zod";
import { mapParams, type Params, param } from "../nn/index.js";
import { ops, scope, type Tensor } from "../torch/index.js";
import { expected, parseOptions, type Rng, UsageError } from "../util/index.js";
import { ascend, norms, randomDirection } from "./ball.js";
import { deadFilterShare, swapFraction, withoutDeadFilters } from "./diagnostics.js";
import type { Evaluation, Objective, ScoreGradient, SearchStep, Statistics, StepGradient } from "./gradient.js";

export const s2apOptions = z.strictObject({
  gamma: z.number().min(0).default(0.01).describe("radius of the perturbation relative to the scores; default 0.01"),
  warmupFraction: z
    .number()
    .min(0)
    .max(1)
    .default(0.25)
    .describe("part of the search that runs the host alone; default 0.25"),
  warmupEpochs: z.int().min(0).optional().describe("the same in epochs; takes precedence"),
  norm: norms.default("l2").describe("ball: `l2` or `linf` per layer, `global` (one norm, as SAM), `asam`; default l2"),
  ascentSteps: z.int().min(1).default(1).describe("steps of gamma / n with projection; default 1"),
  randomStart: z.boolean().default(false).describe("begin the ascent at a random point of the ball; default false"),
  recraft: z.boolean().default(false).describe("craft the adversarial examples anew at s + z; default false: reuse"),
  perturb: z.enum(["scores", "magnitudes"]).default("scores").describe("what z is added to: s or |s|; default scores"),
  statistics: z
    .enum(["first", "perturbed", "running"])
    .default("first")
    .describe(
      "pass that moves the batch-norm statistics; `running`: the first, the perturbed pass using them; default first",
    ),
  decayAt: z.enum(["s", "s+z"]).default("s").describe("point at which weight decay acts; default s"),
  ascentLoss: z.enum(["robust", "crossEntropy"]).default("robust").describe("what the ascent climbs; default robust"),
  deadFilters: z
    .enum(["include", "exclude"])
    .default("include")
    .describe("filters without a kept weight in the ascent"),
});
type Options = z.output<typeof s2apOptions>;

/** Epochs of the host alone; refuses a warm-up that leaves nothing to S2AP. */
function warmup({ warmupEpochs, warmupFraction }: Options, epochs: number): number {
  const length = warmupEpochs ?? Math.round(warmupFraction * epochs);
  if (length < epochs || epochs === 0) return length;
  const [what, got] = warmupEpochs === undefined ? ["warmupFraction", warmupFraction] : ["warmupEpochs", warmupEpochs];
  throw new UsageError(expected("s2ap", `${what} to end before the search of ${epochs} epochs does`, got), {
    code: "usage/warm-up",
  });
}

/** Scores moved by z; with `magnitudes` |s| moves and the sign stays. */
function moved(scores: Params, shift: Params, options: Options): Map<string, Tensor> {
  return mapParams(scores, (score, name) => {
    const z = param(shift, name);
    if (options.perturb === "scores") return ops.add(score, z);
    return ops.mul(ops.sign(score), ops.clampMin(ops.add(ops.abs(score), z), 0));
  });
}

/** The direction to climb: the gradient with respect to what is perturbed, without dead filters where asked. */
function direction(at: Evaluation, scores: Params, options: Options): Params {
  const gradient =
    options.perturb === "scores"
      ? at.scores
      : mapParams(at.scores, (g, name) => ops.mul(g, ops.sign(param(scores, name))));
  return options.deadFilters === "include" ? gradient : withoutDeadFilters(gradient, at.masks);
}

interface Ascent {
  readonly first: Evaluation;
  /** z, by weight name. */
  readonly shift: Params;
}

/** Maximises over the ball: the first pass is the one at s, whose mask will be kept. */
function climb(scores: Params, objective: Objective, options: Options, rng: Rng): Ascent {
  const { gamma, norm, ascentSteps, randomStart, ascentLoss } = options;
  const statistics: Statistics = options.statistics === "perturbed" ? "batch" : "update";
  const first = objective.evaluate({ scores }, statistics, { loss: ascentLoss });
  const length = gamma / ascentSteps;
  let shift: Params | undefined = randomStart ? randomDirection(scores, gamma, norm, rng) : undefined;
  let at = shift ? objective.evaluate({ scores: moved(scores, shift, options) }, "batch", { loss: ascentLoss }) : first;
  for (let step = 0; step < ascentSteps; step++) {
    if (step > 0)
      at = objective.evaluate({ scores: moved(scores, shift ?? scores, options) }, "batch", { loss: ascentLoss });
    shift = ascend(scores, shift, direction(at, scores, options), { length, radius: gamma, norm });
  }
  return { first, shift: shift as Params };
}

function compute(scores: Params, objective: Objective, step: SearchStep, options: Options): StepGradient {
  const { first, shift } = climb(scores, objective, options, step.rng.at("s2ap"));
  const statistics = { first: "batch", perturbed: "update", running: "running" } as const;
  const worst = moved(scores, shift, options);
  const second = objective.evaluate({ scores: worst }, statistics[options.statistics], { recraft: options.recraft });
  const decay = options.decayAt === "s+z" ? step.weightDecay : 0;
  const gradient =
    decay === 0
      ? second.scores
      : mapParams(second.scores, (g, name) => {
          // Under `magnitudes` z is not what the scores moved by.
          const by = ops.sub(param(worst, name), param(scores, name));
          return ops.add(g, by, { alpha: { float: decay } });
        });
  const sharpness = { sharpnessGap: second.loss - first.loss };
  const log = step.detailed ? { ...sharpness, ...diagnose(first, second) } : sharpness;
  return { loss: first.loss, scores: gradient, rest: second.rest, log };
}

function diagnose(first: Evaluation, second: Evaluation): Record<string, number> {
  return {
    swapFraction: swapFraction(first.masks, second.masks),
    deadFilterShare: deadFilterShare(first.scores, first.masks),
  };
}

/** `gamma: 0` runs both passes and gives `plain`'s bits. Cost: one more forward and backward a step. */
export function s2ap(options: z.input<typeof s2apOptions> = {}): ScoreGradient {
  const parsed = parseOptions("s2ap", s2apOptions, options);
  return {
    name: "s2ap",
    warmup: (epochs) => warmup(parsed, epochs),
    compute(scores, objective, step) {
      if (step.epoch >= warmup(parsed, step.epochs)) return scope(() => compute(scores, objective, step, parsed));
      const { loss, scores: gradient, rest } = objective.evaluate({ scores }, "update");
      return { loss, scores: gradient, rest, log: {} };
    },
  };
}

// S2AP, score-space sharpness-aware adversarial pruning (Piras, Zhao, Brau, Pintor, Wressnegger, Biggio,
// arXiv 2510.18381):
//   minimise over s, maximise over z with ||z_l|| <= gamma ||s_l||, the robust loss of w ⊙ M(s + z).
// Each step, after a warm-up of the host alone:
//   g = dL/ds at s;  z_l = gamma ||s_l|| g_l / ||g_l||;  the step is taken from s with dL/ds at s + z.
// The adversarial examples are crafted once, at s. Only the paper's abstract and summaries were available to us, not its
// Algorithm 1: what it leaves open is an option here, with our reading as the default.
import { z } from "zod";
import { mapParams, type Params, param } from "../nn/index.js";
import { trainedKey } from "../pruning/index.js";
import { ops, type Tensor } from "../torch/index.js";
import { parseOptions } from "../util/index.js";
import { ascend, norms, randomDirection, shifted, steepestShift } from "./ball.js";
import { withoutDeadFilters } from "./diagnostics.js";
import type { Evaluation, Objective, ScoreGradient, SearchStep, StepGradient } from "./gradient.js";
import { radius, radiusOf, swapTarget } from "./radius.js";
import { answer, statistics, twoPasses } from "./two-passes.js";
import { afterWarmup, warmupOptions } from "./warmup.js";

export const s2apOptions = z.strictObject({
  gamma: radius(0.01, "radius of the perturbation relative to the scores"),
  swapTarget,
  ...warmupOptions,
  norm: norms.default("l2").describe("ball: `l2` or `linf` per layer, `global` (one norm, as SAM), `asam`; default l2"),
  ascentSteps: z.int().min(1).default(1).describe("steps of gamma / n with projection; default 1"),
  randomStart: z.boolean().default(false).describe("begin the ascent at a random point of the ball; default false"),
  recraft: z.boolean().default(false).describe("craft the adversarial examples anew at s + z; default false: reuse"),
  perturb: z.enum(["scores", "magnitudes"]).default("scores").describe("what z is added to: s or |s|; default scores"),
  perturbRates: z
    .number()
    .min(0)
    .default(0)
    .describe("radius of a step uphill of HARP's rates too, relative to each rate's number c; default 0: they stay"),
  statistics,
  decayAt: z.enum(["s", "s+z"]).default("s").describe("point at which weight decay acts; default s"),
  ascentLoss: z.enum(["robust", "crossEntropy"]).default("robust").describe("what the ascent climbs; default robust"),
  deadFilters: z
    .enum(["include", "exclude"])
    .default("include")
    .describe("filters without a kept weight in the ascent"),
});
type Options = z.output<typeof s2apOptions>;

/** Scores moved by z; with `magnitudes` |s| moves and the sign stays. */
function moved(scores: Params, shift: Params, options: Options): Map<string, Tensor> {
  if (options.perturb === "scores") return shifted(scores, shift);
  return mapParams(scores, (score, name) =>
    ops.mul(ops.sign(score), ops.clampMin(ops.add(ops.abs(score), param(shift, name)), 0)),
  );
}

/** The direction to climb: the gradient with respect to what is perturbed, without dead filters where asked. */
function direction(at: Evaluation, scores: Params, options: Options): Params {
  const gradient =
    options.perturb === "scores"
      ? at.scores
      : mapParams(at.scores, (g, name) => ops.mul(g, ops.sign(param(scores, name))));
  return options.deadFilters === "include" ? gradient : withoutDeadFilters(gradient, at.masks);
}

/** The radius; `auto` is found along the gradient at s, also where the ascent takes more steps than one. */
function radiusAt(scores: Params, objective: Objective, first: Evaluation, step: SearchStep, options: Options): number {
  const uphill = direction(first, scores, options);
  return radiusOf(options.gamma, step.state, {
    name: "s2ap",
    option: "gamma",
    target: options.swapTarget,
    masks: first.masks,
    masksAt: (gamma) => objective.masks(moved(scores, steepestShift(scores, uphill, gamma, options.norm), options)),
  });
}

/** The scores at about the largest loss in the ball, climbed to from the evaluation at s. */
function climb(scores: Params, objective: Objective, first: Evaluation, step: SearchStep, options: Options): Params {
  const { norm, ascentSteps, randomStart, ascentLoss } = options;
  const gamma = radiusAt(scores, objective, first, step, options);
  const evaluate = (shift: Params) =>
    objective.evaluate({ scores: moved(scores, shift, options) }, "batch", { loss: ascentLoss });
  let shift: Params | undefined = randomStart ? randomDirection(scores, gamma, norm, step.rng.at("s2ap")) : undefined;
  for (let taken = 0; taken < ascentSteps; taken++) {
    const at = shift === undefined ? first : evaluate(shift);
    const how = { length: gamma / ascentSteps, radius: gamma, norm };
    shift = ascend(scores, shift, direction(at, scores, options), how);
  }
  return moved(scores, shift as Params, options);
}

/** What else the method trains, one step uphill from the evaluation at s; only where that was asked for. */
function climbRates({ trained }: Objective, { rest }: Evaluation, radius: number): { readonly trained?: Params } {
  if (radius === 0 || trained === undefined || trained.size === 0) return {};
  const uphill = mapParams(trained, (_, name) => param(rest, trainedKey(name)));
  return { trained: shifted(trained, steepestShift(trained, uphill, radius, "l2")) };
}

function compute(scores: Params, objective: Objective, step: SearchStep, options: Options): StepGradient {
  const found = twoPasses(scores, objective, options, (first) => ({
    scores: climb(scores, objective, first, step, options),
    ...climbRates(objective, first, options.perturbRates),
  }));
  if (options.decayAt === "s" || step.weightDecay === 0) return answer(found, step);
  const decayed = mapParams(found.second.scores, (g, name) => {
    // Under `magnitudes` z is not what the scores moved by.
    const by = ops.sub(param(found.at.scores, name), param(scores, name));
    return ops.add(g, by, { alpha: { float: step.weightDecay } });
  });
  return answer(found, step, decayed);
}

/** `gamma: 0` runs both passes and gives `plain`'s bits. Cost: one more forward and backward a step. */
export function s2ap(options: z.input<typeof s2apOptions> = {}): ScoreGradient {
  const parsed = parseOptions("s2ap", s2apOptions, options);
  return afterWarmup("s2ap", parsed, (scores, objective, step) => compute(scores, objective, step, parsed));
}

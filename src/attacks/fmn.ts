// FMN, fast minimum-norm attack (Pintor, Roli, Brendel, Biggio, "Fast Minimum-norm Adversarial Attacks through Adaptive Norm
// Constraints", NeurIPS 2021, arXiv 2102.12827), in the form of HO-FMN (Floris, Mura, Scionis, Piras, Pintor, Demontis, Biggio,
// "Improving Fast Minimum-Norm Attacks with Hyperparameter Optimization", ESANN 2023, arXiv 2310.08177), which the
// Adversarial Pruning Benchmark runs. For each image, from delta = 0 and radius = inf, for step i of n:
//   z = logits(x + delta); where they are wrong and ||delta|| < best:  best = ||delta||, found = x + delta
//   radius = wrong now: min(radius (1 - gamma_i), best);  wrong ever: radius (1 + gamma_i);  else inf;  at most the largest
//            norm that the box allows, ||max(x, 1 - x)||
//   delta  = clip01(ball_radius(optimizer step along sign(grad loss) or grad / ||grad||, with weight decay)) - x
//   gamma_i and the learning rate fall along half a cosine: gammaInit to gammaFinal, lr to a hundredth
// The loss is minimised: ll: z_y - max_{k != y} z_k; dlr and ce: minus the attack's objective.
// Where we deviate. Images on which nothing is found have distance +inf; HO-FMN leaves them at 0, so that they count as broken.
// Before the first success the radius is infinite, as in HO-FMN; the paper estimates it from the gradient. The L2 ball is the
// paper's, a factor min(1, radius / ||delta||); HO-FMN's always scales. A plateau's learning rates, one for each image, have an
// effect, since they multiply the step; HO-FMN multiplies the gradient before it takes its sign.
import { z } from "zod";
import { ops, type Tensor } from "../torch/index.js";
import { expected, parseOptions, UsageError } from "../util/index.js";
import { inputGradient } from "./attack.js";
import { deltaOptimizer, fmnOptimizer, fmnScheduler, halfCosine, rateSchedule } from "./fmn-optimizer.js";
import { type AttackObjective, crossEntropy, dlr, dlrNotes, margin } from "./objectives.js";
import { unit } from "./project.js";
import type { AttackSearch, SearchState } from "./search.js";
import { type SearchAttack, searchAttack } from "./search-attack.js";
import type { Threat } from "./threat.js";
import { reach } from "./verify.js";

const gamma = z.number().min(0).lt(1);

export const fmnOptions = z.strictObject({
  steps: z
    .int()
    .min(1)
    .default(200)
    .describe("gradient steps; a radius that starts at the box falls to 0.5 in 30 and to 0.01 in 200; default 200"),
  loss: z
    .enum(["ll", "dlr", "ce"])
    .default("ll")
    .describe("`ll`: difference of logits, `dlr`: its ratio, `ce`: cross-entropy; default ll"),
  optimizer: fmnOptimizer.prefault({ name: "sgd" }).describe("how displacements move; default sgd"),
  scheduler: fmnScheduler.prefault({ name: "cosine" }).describe("how the learning rate falls; default cosine"),
  gammaInit: gamma.default(0.05).describe("relative change of the radius at the first step; default 0.05"),
  gammaFinal: gamma.default(0.001).describe("relative change of the radius at the end; default 0.001"),
  gradient: z
    .enum(["sign", "unit"])
    .optional()
    .describe(
      "what a step follows: the gradient's sign, or the gradient at length 1; default sign in Linf, unit in L2",
    ),
});
export type FmnOptions = z.input<typeof fmnOptions>;

export interface FmnState extends SearchState {
  /** Norm of the nearest misclassified point so far, `found`; +inf where there is none. [N] */
  readonly distance: Tensor;
  /** Where the search is, [N,C,H,W] from x. */
  readonly delta: Tensor;
  /** Radius of the ball that it is kept in, [N]. */
  readonly radius: Tensor;
  /** Whether any point was misclassified, bool [N]. */
  readonly ever: Tensor;
}

/** Minimised by FMN when negated. */
const OBJECTIVES: Readonly<Record<z.output<typeof fmnOptions>["loss"], AttackObjective>> = {
  ll: margin,
  dlr,
  ce: crossEntropy,
};

/** Norms and balls of a threat's norm around 0, with a radius for each image. */
function geometry({ norm }: Threat) {
  if (norm === "l1") throw new UsageError(expected("fmn", "a threat in linf or l2", norm));
  const ord = norm === "linf" ? Number.POSITIVE_INFINITY : 2;
  const length = (delta: Tensor) => ops.vectorNorm(delta, { ord, dim: [1, 2, 3] });
  const column = (radius: Tensor) => ops.reshape(radius, [-1, 1, 1, 1]);
  const project = (delta: Tensor, radius: Tensor): Tensor => {
    const limit = column(radius);
    if (norm === "linf") return ops.maximum(ops.minimum(delta, limit), ops.neg(limit));
    const now = ops.clampMin(column(length(delta)), 1e-12);
    return ops.mul(delta, ops.clampMax(ops.div(limit, now), 1));
  };
  return { length, project, gradient: norm === "linf" ? ("sign" as const) : ("unit" as const) };
}

/** FMN as a search; the threat's radius only says what a hit is. */
export function fmnSearch(threat: Threat, options: FmnOptions = {}): AttackSearch<FmnState> {
  const parsed = parseOptions("fmn", fmnOptions, options);
  const { steps, gammaInit, gammaFinal } = parsed;
  const { length, project, gradient: usual } = geometry(threat);
  const direction = (parsed.gradient ?? usual) === "sign" ? ops.sign : unit;
  const optimizer = deltaOptimizer(parsed.optimizer);
  const schedule = rateSchedule(parsed.scheduler, parsed.optimizer.lr, steps);
  const objective = OBJECTIVES[parsed.loss];
  const worst = (x: Tensor) => length(ops.maximum(x, ops.add(ops.neg(x), 1)));
  return {
    steps,
    begin({ x, start }) {
      const none = ops.zeros([x.shape[0] as number], { dtype: "bool" });
      const infinite = ops.full([x.shape[0] as number], Number.POSITIVE_INFINITY, { dtype: x.dtype });
      return {
        found: ops.clone(x),
        hit: none,
        distance: infinite,
        delta: start === undefined ? ops.zerosLike(x) : ops.sub(start, x),
        radius: ops.clone(infinite),
        ever: ops.clone(none),
        ...optimizer.begin(x),
        ...schedule.begin(x),
      };
    },
    step({ x, y, victim }, state, step) {
      const point = ops.clamp(ops.add(x, state.delta), { min: 0, max: 1 });
      const { gradient, logits, values } = inputGradient(victim, point, y, objective);
      const wrong = ops.ne(ops.argmax(logits, { dim: 1 }), y);
      const most = worst(x);
      const now = length(state.delta);
      const nearer = ops.logicalAnd(wrong, ops.lt(now, ops.minimum(state.distance, most)));
      const distance = ops.where(nearer, now, state.distance);
      const ever = ops.logicalOr(state.ever, wrong);
      const change = gammaFinal + (gammaInit - gammaFinal) * halfCosine(step, steps);
      const shrunk = ops.minimum(ops.mul(state.radius, { float: 1 - change }), distance);
      const grown = ops.maskedFill(
        ops.mul(state.radius, { float: 1 + change }),
        ops.logicalNot(ever),
        Number.POSITIVE_INFINITY,
      );
      const radius = ops.minimum(ops.where(wrong, shrunk, grown), most);
      const rate = schedule.rate(state, step);
      const descent = { delta: state.delta, gradient: ops.neg(direction(gradient)), rate, step };
      const moved = optimizer.step(state, descent);
      const inside = ops.clamp(ops.add(x, project(moved.delta, radius)), { min: 0, max: 1 });
      return {
        found: ops.where(ops.reshape(nearer, [-1, 1, 1, 1]), point, state.found),
        hit: ops.logicalAnd(nearer, ops.le(distance, { float: reach(threat) })),
        distance,
        delta: ops.sub(inside, x),
        radius,
        ever,
        ...moved.rows,
        ...schedule.after(state, ops.neg(values)),
      };
    },
  };
}

/** FMN as an attack: an image is broken by a point inside the threat's ball. */
export function fmn(threat: Threat, options: FmnOptions = {}): SearchAttack {
  const { steps } = parseOptions("fmn", fmnOptions, options);
  const runs = [{ key: [], search: fmnSearch(threat, options) }];
  return searchAttack(`fmn-${steps}`, threat, runs, options.loss === "dlr" ? dlrNotes : undefined);
}

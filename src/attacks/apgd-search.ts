// APGD, one run, in Linf and L2. P projects onto the ball, then clips to [0,1]; u is the direction of steepest ascent.
//   z     = P(x_k + s u(grad))
//   x_k+1 = P(x_k + 0.75 (z - x_k) + 0.25 (x_k - x_k-1)),   the first step x_1 = z;   s begins at 2 eps
// At each checkpoint, for each image: when the loss rose in no more than 0.75 of the steps since the last one, or when
// neither s was halved at the last one nor the best loss has risen since: s <- s/2, x and grad <- those of the best loss.
// Croce and Hein, Reliable Evaluation of Adversarial Robustness with an Ensemble of Diverse Parameter-free Attacks,
// ICML 2020, arXiv 2003.01690. As their code has it and the paper does not say: the step after a halving still looks back
// to the x before it; the first step's loss counts as a rise when it is above zero; the point to report is the
// last misclassified one. We leave out the last gradient, which nothing uses.
import { ops, scope, type Tensor } from "../torch/index.js";
import { type ApgdSearchOptions, look, lookUphill } from "./apgd-loss.js";
import { type ApgdProgress, afterLook, firstLook, pick } from "./apgd-progress.js";
import { checkpoints, oscillates } from "./apgd-schedule.js";
import { noise } from "./attack.js";
import { l1ApgdSearch } from "./l1-apgd.js";
import { projector, steepest, unit } from "./project.js";
import type { AttackSearch, SearchContext } from "./search.js";
import type { Threat } from "./threat.js";

const MOMENTUM = 0.75;

interface ApgdState extends ApgdProgress {
  readonly xPrevious: Tensor;
  /** Steps since the last checkpoint at which the loss rose [N]. */
  readonly rises: Tensor;
  /** Whether the last checkpoint halved the step, bool [N]; and the best loss then. */
  readonly halved: Tensor;
  readonly lossBestThen: Tensor;
}

/** A given start, clipped; or the threat's own: in Linf some pixel is at eps, in L2 the whole change is eps long. */
function startOf(threat: Threat, context: SearchContext): Tensor {
  const { x, start, rng, indices } = context;
  if (start !== undefined) return ops.clamp(start, { min: 0, max: 1 });
  return scope(() => {
    const linf = threat.norm === "linf";
    const t = noise(x, { rng, indices }, (t) => (linf ? ops.uniform_(t, { low: -1, to: 1 }) : ops.normal_(t)));
    const direction = linf
      ? ops.div(t, ops.add(ops.amax(ops.abs(t), { dim: [1, 2, 3], keepdim: true }), 1e-12))
      : unit(t);
    return ops.clamp(ops.add(x, direction, { alpha: { float: threat.eps } }), { min: 0, max: 1 });
  });
}

/** The next point; `first` says that there is none before this one. */
function move(threat: Threat, clean: Tensor, state: ApgdState, first: boolean): Tensor {
  return scope(() => {
    const { x, xPrevious, gradient, stepSize } = state;
    const project = projector(threat, clean);
    const ahead = project(ops.add(x, ops.mul(steepest(threat, gradient), ops.reshape(stepSize, [-1, 1, 1, 1]))));
    if (first) return ahead;
    const moved = ops.add(x, ops.sub(ahead, x), { alpha: { float: MOMENTUM } });
    return project(ops.add(moved, ops.sub(x, xPrevious), { alpha: { float: 1 - MOMENTUM } }));
  });
}

/** Halves the steps of images that need it and takes them back to where their loss was highest. */
function lookBack(state: ApgdState, window: number): ApgdState {
  const { lossBest } = state;
  const stalled = ops.logicalAnd(ops.logicalNot(state.halved), ops.ge(state.lossBestThen, lossBest));
  const halved = ops.logicalOr(oscillates(state.rises, window), stalled);
  return {
    ...state,
    stepSize: pick(halved, ops.div(state.stepSize, 2), state.stepSize),
    x: pick(halved, state.xBest, state.x),
    gradient: pick(halved, state.gradientBest, state.gradient),
    rises: ops.zerosLike(state.rises),
    halved,
    lossBestThen: lossBest,
  };
}

/** One run of APGD. In L1, another algorithm of the same name: see l1-apgd.ts. */
export function apgdSearch(threat: Threat, options: ApgdSearchOptions): AttackSearch {
  return threat.norm === "l1" ? l1ApgdSearch(threat, options) : ballSearch(threat, options);
}

function ballSearch(threat: Threat, options: ApgdSearchOptions): AttackSearch<ApgdState> {
  const { steps, eot = 1 } = options;
  const windows = new Map(checkpoints(steps).map(({ step, window }) => [step, window]));
  return {
    steps,
    passes: () => 2 * eot,
    begin(context) {
      const start = startOf(threat, context);
      const first = firstLook(context, start, 2 * threat.eps, options);
      const { loss } = first;
      // As if halved before, so that the first checkpoint does not find it stalled.
      const halved = ops.onesLike(loss, { dtype: "bool" });
      return { ...first, xPrevious: start, rises: ops.zerosLike(loss), halved, lossBestThen: loss };
    },
    step(context, state, step) {
      const last = step === steps - 1;
      const x = move(threat, context.x, state, step === 0);
      const seen = last ? look(context, x, options) : lookUphill(context, x, options);
      // The reference has no loss before the first step's and compares that one with 0, or with itself where it is the only one.
      const before = step > 0 ? state.loss : last ? seen.loss : ops.zerosLike(seen.loss);
      const rises = ops.add(state.rises, ops.gt(seen.loss, before));
      const { halved, lossBestThen } = state;
      const next = { ...afterLook(state, x, seen), xPrevious: state.x, rises, halved, lossBestThen };
      const window = last ? undefined : windows.get(step);
      return window === undefined ? next : lookBack(next, window);
    },
  };
}

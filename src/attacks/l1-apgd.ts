// APGD in L1, one run or three in balls that shrink. q is the share of pixels that a step moves, P the exact projection:
//   g = sign(grad) at the pixels with the largest |grad|, a share q of them, else 0;   x <- P(x + s g / ||g||_1)
// At each checkpoint, for each image: k = changed pixels of the point of highest loss, q <- k / n / 1.5; when k fell below
// 0.95 of what it was at the last one: s <- eps, x and grad <- those of the highest loss; else s <- max(s / 1.5, eps / 10).
// q begins at the changed pixels of the start / n / 1.5. From its own start the search spends 0.3 of the steps in the
// ball of 3 eps, 0.3 in that of 2 eps and the rest in the ball itself, each run from where the one before had its highest
// loss, projected; only the last one's points count. From a given start all steps are spent in the ball.
// Croce and Hein, Mind the Box: l1-APGD for Sparse Adversarial Attacks on Image Classifiers, ICML 2021, arXiv 2103.01208.
import { ops, scope, type Tensor } from "../torch/index.js";
import { type ApgdSearchOptions, look, lookUphill } from "./apgd-loss.js";
import { type ApgdProgress, afterLook, firstLook, pick } from "./apgd-progress.js";
import { type Phase, radiusPhases, sparsityWindow } from "./apgd-schedule.js";
import { noise } from "./attack.js";
import { l1Project } from "./l1-projection.js";
import type { AttackSearch, SearchContext } from "./search.js";
import type { Threat } from "./threat.js";

/** From a checkpoint to the next one, steps shrink by this; the longest, eps, is so many times the shortest. */
const SHRINK = 1.5;
const LONGEST_OVER_SHORTEST = 10;
/** How far changed pixels must fall for the search to begin again with long steps. */
const SPARSER = 0.95;
/** Changed pixels over pixels that a step moves. */
const CHANGED_PER_MOVED = 1.5;
/** Share of pixels that a step moves at first, from a random start in the ball itself. */
const AT_FIRST = 0.2;

interface L1State extends ApgdProgress {
  /** Share of pixels that the next step moves [N]. */
  readonly moved: Tensor;
  /** Changed pixels at the last checkpoint [N]. */
  readonly changed: Tensor;
}

/** A run within one radius, as the steps of the search see it. */
interface Run {
  readonly eps: number;
  readonly steps: number;
  /** Its step, from 0. */
  readonly step: number;
  /** Whether its points count. */
  readonly counts: boolean;
}

const pixels = (x: Tensor) => x.numel / (x.shape[0] ?? 1);

function changedPixels(x: Tensor, clean: Tensor, like: Tensor): Tensor {
  return ops.to(ops.sumDim(ops.flatten(ops.ne(x, clean), { startDim: 1 }), [1]), like.dtype);
}

/** x moved along the largest entries of its gradient. */
function move(clean: Tensor, { x, gradient, stepSize, moved }: L1State, eps: number): Tensor {
  return scope(() => {
    const count = pixels(x);
    const size = ops.abs(ops.flatten(gradient, { startDim: 1 }));
    const [ascending] = ops.sort(size, { dim: 1 });
    const at = ops.clamp(ops.floor(ops.mul(ops.add(ops.neg(moved), 1), count)), { min: 0, max: count - 1 });
    const least = ops.gather(ascending, 1, ops.unsqueeze(ops.to(at, "int64"), 1));
    const direction = ops.mul(ops.sign(gradient), ops.reshape(ops.ge(size, least), x.shape));
    const length = ops.sumDim(ops.abs(direction), [1, 2, 3], { keepdim: true });
    const step = ops.div(ops.mul(direction, ops.reshape(stepSize, [-1, 1, 1, 1])), ops.add(length, 1e-10));
    return l1Project(clean, ops.add(x, step), eps);
  });
}

function lookBack(clean: Tensor, state: L1State, eps: number): L1State {
  const changed = changedPixels(state.xBest, clean, state.loss);
  const sparser = ops.lt(ops.div(changed, state.changed), SPARSER);
  const shorter = ops.clamp(ops.div(state.stepSize, SHRINK), {
    min: { float: eps / LONGEST_OVER_SHORTEST },
    max: { float: eps },
  });
  return {
    ...state,
    stepSize: pick(sparser, ops.fullLike(shorter, { float: eps }), shorter),
    x: pick(sparser, state.xBest, state.x),
    gradient: pick(sparser, state.gradientBest, state.gradient),
    moved: ops.div(ops.div(changed, pixels(clean)), CHANGED_PER_MOVED),
    changed,
  };
}

/** The first state of a run; a `dense` one supposes that a random start changed all pixels. */
function enter(context: SearchContext, start: Tensor, run: Run, options: ApgdSearchOptions, dense = false): L1State {
  const first = firstLook(context, start, run.eps, options);
  const { loss } = first;
  const changed = dense ? ops.fullLike(loss, pixels(start)) : changedPixels(start, context.x, loss);
  const moved = dense ? ops.fullLike(loss, AT_FIRST) : ops.div(ops.div(changed, pixels(start)), CHANGED_PER_MOVED);
  return { ...first, ...(run.counts ? {} : waiting(context, first)), moved, changed };
}

/** The first state of a run in a smaller ball than the one before. */
function narrowed(context: SearchContext, given: L1State, run: Run, options: ApgdSearchOptions): L1State {
  const start = l1Project(context.x, given.xBest, run.eps);
  return { ...enter(context, start, run, options), zeroGradient: given.zeroGradient };
}

/** A run whose points do not count reports nothing. */
function waiting({ x }: SearchContext, { hit }: ApgdProgress): Pick<ApgdProgress, "found" | "hit" | "standing"> {
  return { found: x, hit: ops.zerosLike(hit), standing: ops.onesLike(hit) };
}

export function l1ApgdSearch({ eps }: Threat, options: ApgdSearchOptions): AttackSearch<L1State> {
  const { steps, eot = 1 } = options;
  const narrowing = radiusPhases(steps);
  const phasesOf = ({ start }: SearchContext): readonly Phase[] =>
    start === undefined ? narrowing : [{ radii: 1, steps }];

  const runAt = (context: SearchContext, step: number): Run => {
    let begins = 0;
    for (const phase of phasesOf(context)) {
      if (step < begins + phase.steps) {
        return { eps: eps * phase.radii, steps: phase.steps, step: step - begins, counts: phase.radii === 1 };
      }
      begins += phase.steps;
    }
    throw new RangeError(`l1-apgd: step ${step} of ${steps}`);
  };

  return {
    steps,
    passes: () => 2 * eot,
    begin(context) {
      const { x, start, rng, indices } = context;
      const run = runAt(context, 0);
      const from = start
        ? ops.clamp(start, { min: 0, max: 1 })
        : l1Project(
            x,
            ops.add(
              x,
              noise(x, { rng, indices }, (t) => ops.normal_(t)),
            ),
            run.eps,
          );
      return enter(context, from, run, options, start === undefined && run.counts);
    },
    step(context, given, step) {
      const run = runAt(context, step);
      const begins = run.step === 0 && step > 0;
      const state = begins ? narrowed(context, given, run, options) : given;
      const last = run.step === run.steps - 1;
      const x = move(context.x, state, run.eps);
      const after = afterLook(state, x, last ? look(context, x, options) : lookUphill(context, x, options));
      // Where a run begins is looked at in its first step, which so has two chances to hit.
      const hit = begins ? ops.logicalOr(after.hit, state.hit) : after.hit;
      const counted = run.counts ? { hit } : waiting(context, after);
      const next = { ...after, ...counted, moved: state.moved, changed: state.changed };
      const checks = !last && (run.step + 1) % sparsityWindow(run.steps) === 0;
      return checks ? lookBack(context.x, next, run.eps) : next;
    },
  };
}

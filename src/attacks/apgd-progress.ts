// What all runs of APGD keep on the way, and how a look at the network changes it.
import { ops, type Tensor } from "../torch/index.js";
import { type ApgdSearchOptions, type Look, lookUphill } from "./apgd-loss.js";
import type { SearchContext, SearchState } from "./search.js";

/** Where `which` [N] says so the image of `a`, elsewhere of `b`; of numbers [N] too. */
export function pick(which: Tensor, a: Tensor, b: Tensor): Tensor {
  return ops.where(ops.reshape(which, [-1, ...a.shape.slice(1).map(() => 1)]), a, b);
}

/** Images whose gradient is zero everywhere, bool [N]. */
function flat(gradient: Tensor): Tensor {
  return ops.logicalNot(ops.anyDim(ops.flatten(ops.ne(gradient, 0), { startDim: 1 }), 1));
}

/** What is known of the loss on the way; all tensors have the images as first dimension. */
export interface ApgdProgress extends SearchState {
  /** Where the search stands, and the gradient there. */
  readonly x: Tensor;
  readonly gradient: Tensor;
  /** Where the loss was highest so far. */
  readonly xBest: Tensor;
  readonly gradientBest: Tensor;
  readonly lossBest: Tensor;
  /** At the last point that was looked at [N]. */
  readonly loss: Tensor;
  /** Of the next step, in pixel scale [N]. */
  readonly stepSize: Tensor;
  /** Whether the point that was looked at last is classified correctly; whether all were so far. Bool [N]. */
  readonly correct: Tensor;
  readonly standing: Tensor;
  /** Whether the gradient at the start was zero everywhere, bool [N]: a sign that the network hides its gradients. */
  readonly zeroGradient: Tensor;
}

/** The first state of any run: what a first look at the start says. */
export function firstLook(
  context: SearchContext,
  start: Tensor,
  stepSize: number,
  options: ApgdSearchOptions,
): ApgdProgress {
  const { loss, wrong, gradient } = lookUphill(context, start, options);
  const correct = ops.logicalNot(wrong);
  return {
    ...{ x: start, xBest: start, found: start, gradient, gradientBest: gradient, loss, lossBest: loss, hit: wrong },
    stepSize: ops.fullLike(loss, { float: stepSize }),
    ...{ correct, standing: correct },
    zeroGradient: flat(gradient),
  };
}

/** What a look at the next point changes, apart from the point itself. `gradient` is absent in the last step. */
export function afterLook(
  state: ApgdProgress,
  x: Tensor,
  { loss, wrong, gradient = state.gradient }: Look & { readonly gradient?: Tensor },
): ApgdProgress {
  const correct = ops.logicalNot(wrong);
  const better = ops.gt(loss, state.lossBest);
  return {
    ...{ x, gradient, loss, stepSize: state.stepSize, zeroGradient: state.zeroGradient, hit: wrong },
    found: pick(wrong, x, state.found),
    ...{ correct, standing: ops.logicalAnd(state.standing, correct) },
    lossBest: pick(better, loss, state.lossBest),
    xBest: pick(better, x, state.xBest),
    gradientBest: pick(better, gradient, state.gradientBest),
  };
}

// The robust loss as a function of the scores, on images and adversarial examples that stay the same, batch norm with its
// running statistics. Two readings of it are measured:
//   masks held      θ moves with s as through the straight-through estimator, dθ = J ds with J = diag(sign(s) ⊙ w) (a
//                   group's score moves all of its weights), and the mask is a constant: what derivatives see
//   masks re-taken  θ = w ⊙ m(s): what the loss is elsewhere, a step function of s
import { meanCrossEntropy, type RobustLoss } from "../../losses/index.js";
import { bindNetwork, type Model } from "../../models/index.js";
import { mapParams, type Params, param, pick } from "../../nn/index.js";
import { applyMasks, type Masks, type Method, type MethodState } from "../../pruning/index.js";
import { enableGrad, grad, noGrad, ops, scope, type Tensor } from "../../torch/index.js";
import { gradientOf, type HessianOptions, hessian, type LossTerm, lossOf, type Products } from "./hessian.js";

/** A search's state at which the loss is looked at. */
export interface ScorePoint {
  /** Of what shape the network is; its own tensors are not used. */
  readonly model: Model;
  /** All parameters, the frozen weights dense. */
  readonly params: Params;
  readonly buffers: Params;
  readonly method: Method;
  readonly state: MethodState;
}

/** Images x [N,C,H,W], labels y [N] and adversarial examples of the same shape as x. */
export interface FixedImages {
  readonly x: Tensor;
  readonly y: Tensor;
  readonly xAdv: Tensor;
}

export interface ScoreLossOptions {
  readonly robust: RobustLoss;
  /** What is looked at: the robust loss, or the cross-entropy of the adversarial examples; default `robust`. */
  readonly loss?: "robust" | "crossEntropy" | undefined;
  /** Images at a time; more need more memory, and one part for all is fastest. Default all. */
  readonly batchSize?: number | undefined;
  /** Called before each pass; may throw to stop. */
  readonly poll?: (() => void) | undefined;
}

/** The product of the score-space Hessian J^T H J with vectors over scores. */
export interface ScoreHessian extends Disposable {
  /** How products are made; known for certain after the first. */
  readonly products: Products;
  times(v: Params): Map<string, Tensor>;
}

export interface ScoreLoss {
  readonly scores: Params;
  /** Parts that the images are taken in. */
  readonly parts: number;
  /** At the scores. */
  readonly held: Masks;
  masks(scores: Params): Masks;
  /** With these masks. */
  lossWith(masks: Masks): number;
  /** With the masks of these scores. */
  loss(scores: Params): number;
  /** The same and dL/ds there, straight through the masks. */
  gradient(scores: Params): { readonly loss: number; readonly gradient: Params };
  /** J^T H J at the scores, H the Hessian of the loss in θ at the sparse point, pruned weights included. */
  hessian(options?: HessianOptions): ScoreHessian;
}

/** The network at these masks, for attacks. */
export function maskedVictim({ model, params, buffers, method, state }: ScorePoint) {
  return noGrad(() => bindNetwork(model, { params: applyMasks(params, method.masks(state)), buffers }).victim);
}

function partsOf({ x, y, xAdv }: FixedImages, size: number): (FixedImages & { readonly share: number })[] {
  const n = y.numel;
  return Array.from({ length: Math.ceil(n / size) }, (_, i) => {
    const length = Math.min(size, n - i * size);
    const of = (tensor: Tensor) => ops.narrow(tensor, 0, i * size, length);
    return { x: of(x), y: of(y), xAdv: of(xAdv), share: length / n };
  });
}

/** Parts of the loss as functions of the prunable θ; each is weighted by its share of the images. */
function termsOf(point: ScorePoint, images: FixedImages, options: ScoreLossOptions): LossTerm[] {
  const { model, params, buffers } = point;
  const { robust, loss = "robust", batchSize = images.y.numel } = options;
  return partsOf(images, batchSize).map(({ share, ...part }) => (theta) => {
    const network = bindNetwork(model, { params: new Map([...params, ...theta]), buffers });
    const value = robust.evaluate(network.forward("running"), part);
    const mean = loss === "robust" ? value.loss : meanCrossEntropy(value.robustLogits, part.y);
    return ops.mul(mean, { float: share });
  });
}

/** J and its transpose at some scores, from the method's pull-back, which is linear in the gradient that arrives. */
function tangent({ method, state }: ScorePoint, weights: Params) {
  const pull = (weightGradients: Params): Params => method.pullBack({ ...state, weights, weightGradients }).scores;
  const push = (v: Params): Map<string, Tensor> =>
    scope(() => {
      const leaves = mapParams(weights, (w) => ops.zerosLike(w).setRequiresGrad(true));
      const all = [...leaves.values()];
      // What no score moves has a derivative of zero, where libtorch would see no path.
      const nothing = () => all.map((leaf) => ops.mul(ops.sum(leaf), 0));
      const paired = enableGrad(() => {
        const pulled = Array.from(pull(leaves), ([name, g]) => ops.sum(ops.mul(g, param(v, name))));
        return [...pulled, ...nothing()].reduce((a, b) => ops.add(a, b));
      });
      const moved = grad(paired, all);
      return new Map(Array.from(leaves.keys(), (name, i) => [name, moved[i] as Tensor]));
    });
  return { pull: (g: Params) => noGrad(() => pull(g)), push };
}

/** The loss around a point. The tensors it makes of it belong to the caller's scope. */
export function scoreLoss(point: ScorePoint, images: FixedImages, options: ScoreLossOptions): ScoreLoss {
  const { model, params, method, state } = point;
  const { poll } = options;
  const terms = termsOf(point, images, options);
  const weights = pick(params, model.prunable);
  const masksAt = (scores: Params) => noGrad(() => method.masks({ ...state, scores }));
  const thetaOf = (masks: Masks) => noGrad(() => applyMasks(weights, masks));
  const held = masksAt(state.scores);
  const lossWith = (masks: Masks) =>
    scope(() => {
      poll?.();
      return lossOf(terms, thetaOf(masks));
    });
  return {
    scores: state.scores,
    parts: terms.length,
    held,
    masks: masksAt,
    lossWith,
    loss: (scores) => scope(() => lossWith(masksAt(scores))),
    gradient: (scores) =>
      scope(() => {
        const theta = thetaOf(masksAt(scores));
        const { pull } = tangent({ ...point, state: { ...state, scores } }, weights);
        const { loss, gradient } = gradientOf(terms, theta, poll);
        return { loss, gradient: pull(gradient) };
      }),
    hessian: (how = {}) => {
      const { push, pull } = tangent(point, weights);
      const theta = thetaOf(held);
      const inner = hessian(terms, theta, { poll, ...how });
      return {
        get products() {
          return inner.products;
        },
        times: (v) => scope(() => new Map(pull(inner.times(push(v))))),
        [Symbol.dispose]: () => inner[Symbol.dispose](),
      };
    },
  };
}

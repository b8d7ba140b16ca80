// Products of a loss's Hessian with vectors, H v, without the Hessian:
//   doubleBackward     H v = d/dθ <dL/dθ, v>, exact where L is twice differentiable (Pearlmutter 1994)
//   finiteDifferences  H v = (dL/dθ(θ + e v) - dL/dθ(θ - e v)) / 2e, e ||v|| being the `displacement`
// At a kink (ReLU, max pooling) the first has the curvature of the piece that θ is on; the second also sees the slope
// change of every kink between θ - e v and θ + e v, as a network that is moved does.
import { mapParams, type Params, param } from "../../nn/index.js";
import { enableGrad, grad, keep, noGrad, ops, scope, type Tensor } from "../../torch/index.js";
import { TorchError } from "../../util/index.js";

/** One term of a loss as a function of θ: a scalar with a graph. The loss is the sum of its terms. */
export type LossTerm = (theta: Params) => Tensor;

export const PRODUCTS = ["doubleBackward", "finiteDifferences"] as const;
export type Products = (typeof PRODUCTS)[number];

export interface HessianOptions {
  /** How products are made; default `doubleBackward`, or differences where an operator has no second derivative. */
  readonly products?: Products;
  /** Norm of θ's displacement in finite differences; default 1e-8 in float64, 1e-3 in float32. */
  readonly displacement?: number | undefined;
  /** Called before each term of each product; may throw to stop. */
  readonly poll?: (() => void) | undefined;
}

/** The Hessian at one θ; disposing of it frees what it remembers of the loss. */
export interface Hessian extends Disposable {
  /** How products are made; known for certain after the first. */
  readonly products: Products;
  /** H v, by the names of θ; the tensors belong to the scope of the call. */
  times(v: Params): Map<string, Tensor>;
}

const valuesOf = (params: Params) => [...params.values()];

function named(like: Params, tensors: readonly Tensor[]): Map<string, Tensor> {
  return new Map(Array.from(like.keys(), (name, i) => [name, tensors[i] as Tensor]));
}

function leavesOf(theta: Params): Map<string, Tensor> {
  return mapParams(theta, (tensor) => ops.detach(tensor).setRequiresGrad(true));
}

/** Adds up what each term gives. */
function summed(terms: readonly LossTerm[], of: (term: LossTerm) => Map<string, Tensor>): Map<string, Tensor> {
  return scope(() => {
    let sum: Map<string, Tensor> | undefined;
    for (const term of terms) {
      const next = of(term);
      if (sum === undefined) sum = next;
      else for (const [name, tensor] of sum) ops.add_(tensor, param(next, name));
    }
    return sum ?? new Map();
  });
}

/** L and dL/dθ, term by term, so that one term's graph is in memory at a time. */
export function gradientOf(terms: readonly LossTerm[], theta: Params, poll?: () => void) {
  let loss = 0;
  const gradient = summed(terms, (term) =>
    scope(() => {
      poll?.();
      const leaves = leavesOf(theta);
      const value = enableGrad(() => term(leaves));
      loss += value.item();
      return named(theta, grad(value, valuesOf(leaves)));
    }),
  );
  return { loss, gradient };
}

/** L, without a graph. */
export function lossOf(terms: readonly LossTerm[], theta: Params): number {
  return terms.reduce((sum, term) => sum + noGrad(() => scope(() => term(theta).item())), 0);
}

/** A term's leaves and its gradient with a graph to them. */
interface Traced {
  readonly leaves: Params;
  readonly gradients: readonly Tensor[];
}

function traced(term: LossTerm, theta: Params): Traced {
  return enableGrad(() =>
    scope(() => {
      const leaves = leavesOf(theta);
      return { leaves, gradients: grad(term(leaves), valuesOf(leaves), { createGraph: true }) };
    }),
  );
}

/** d/dθ <gradient, v>; a gradient that no longer depends on θ, as of a linear function, has none. */
function backwardAgain({ leaves, gradients }: Traced, v: Params, retainGraph: boolean): Map<string, Tensor> {
  const wanted = Array.from(leaves.keys(), (name) => param(v, name));
  const inner = enableGrad(() =>
    gradients.reduce(
      // Terms of zero that do depend on every leaf: libtorch refuses to differentiate by one that nothing depends on.
      (sum, gradient, i) => ops.add(sum, ops.sum(ops.mul(gradient, wanted[i] as Tensor))),
      valuesOf(leaves).reduce(
        (sum, leaf) => ops.add(sum, ops.mul(ops.sum(leaf), 0)),
        ops.mul(ops.sum(wanted[0] as Tensor), 0),
      ),
    ),
  );
  return named(leaves, grad(inner, valuesOf(leaves), { retainGraph }));
}

/** A loss of one term keeps its graph from product to product: all that is left to do is the second backward pass. */
function byDoubleBackward(terms: readonly LossTerm[], theta: Params, { poll }: HessianOptions): Hessian {
  const [only] = terms;
  let held: Traced | undefined;
  if (only !== undefined && terms.length === 1) held = keep(traced(only, theta), { forever: true });
  const free = () => {
    for (const tensor of held ? [...held.gradients, ...held.leaves.values()] : []) tensor.dispose();
    held = undefined;
  };
  const times = (v: Params) =>
    summed(terms, (term) =>
      scope(() => {
        poll?.();
        return backwardAgain(held ?? traced(term, theta), v, held !== undefined);
      }),
    );
  return { products: "doubleBackward", times, [Symbol.dispose]: free };
}

/** In float64 so short that a step from kink to kink is rare; float32 has no digits for that. */
const DISPLACEMENT = { float64: 1e-8, float32: 1e-3 } as const;

function byDifferences(terms: readonly LossTerm[], theta: Params, options: HessianOptions): Hessian {
  const dtype = valuesOf(theta)[0]?.dtype === "float64" ? "float64" : "float32";
  const { displacement = DISPLACEMENT[dtype], poll } = options;
  const times = (v: Params) =>
    scope(() => {
      const norm = Math.hypot(...valuesOf(v).map((tensor) => ops.vectorNorm(tensor).item()));
      if (norm === 0) return mapParams(v, (tensor) => ops.clone(tensor));
      const step = displacement / norm;
      const at = (by: number) =>
        gradientOf(
          terms,
          mapParams(theta, (tensor, name) => ops.add(tensor, param(v, name), { alpha: { float: by } })),
          poll,
        ).gradient;
      const [above, below] = [at(step), at(-step)];
      return mapParams(above, (tensor, name) => ops.div(ops.sub(tensor, param(below, name)), { float: 2 * step }));
    });
  return { products: "finiteDifferences", times, [Symbol.dispose]: () => {} };
}

/** Whether libtorch says that an operator's gradient cannot be differentiated again. */
function lacksDerivative(error: unknown): boolean {
  return error instanceof TorchError && /derivative for .+ is not implemented/.test(error.message);
}

/**
 * The Hessian of the sum of `terms` at `theta`, float32 or float64. Double backward gives way to finite differences at
 * the first product, for good, where an operator of the loss has no second derivative; `products` tells.
 */
export function hessian(terms: readonly LossTerm[], theta: Params, options: HessianOptions = {}): Hessian {
  const wanted = options.products === "finiteDifferences" ? byDifferences : byDoubleBackward;
  let by = wanted(terms, theta, options);
  return {
    get products() {
      return by.products;
    },
    times: (v) => {
      try {
        return by.times(v);
      } catch (error) {
        if (by.products === "finiteDifferences" || !lacksDerivative(error)) throw error;
        by[Symbol.dispose]();
        by = byDifferences(terms, theta, options);
        return by.times(v);
      }
    },
    [Symbol.dispose]: () => by[Symbol.dispose](),
  };
}

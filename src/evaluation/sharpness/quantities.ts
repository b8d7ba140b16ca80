// The quantities of a record, each from the loss around one point. Their JSON is what charts are drawn from.
import { mapParams, type Params, param } from "../../nn/index.js";
import { ops, scope, type Tensor } from "../../torch/index.js";
import { type Rng, rng } from "../../util/index.js";
import { averageRise, type WorstInBall, worstInBall } from "./ball-loss.js";
import type { Products } from "./hessian.js";
import { type LanczosOptions, lanczos } from "./lanczos.js";
import type { Quantity, SharpnessOptions } from "./options.js";
import type { ScoreHessian, ScoreLoss } from "./score-loss.js";
import { type Flip, flip, type Ties, ties } from "./ties.js";
import { type Estimate, hutchinson } from "./trace.js";
import { flatten, inner, sizeOf, unflatten } from "./vectors.js";

/** Of each layer, by the name of its weight; empty where layers are not measured. */
type Layers<T> = Readonly<Record<string, T>>;

/** v^T H v at the leading unit vector v, by both ways to multiply, and ||H v - H' v|| / ||H v||. */
export interface Check {
  /** Null where an operator of the loss has no second derivative. */
  readonly doubleBackward: number | null;
  readonly finiteDifferences: number;
  readonly relativeDifference: number | null;
}

export interface Eigenvalues {
  /** The largest, largest first. */
  readonly values: readonly number[];
  /** Of each: an eigenvalue is at most so far away. */
  readonly bounds: readonly number[];
  readonly smallest: { readonly value: number; readonly bound: number };
  /** Products made. */
  readonly steps: number;
  readonly products: Products;
  readonly check: Check;
  readonly layers: Layers<{ readonly value: number; readonly bound: number; readonly steps: number }>;
}

export interface Measurements {
  readonly eigenvalues?: Eigenvalues;
  readonly trace?: { readonly products: Products; readonly total: Estimate; readonly layers: Layers<Estimate> };
  readonly worst?: { readonly total: WorstInBall; readonly layers: Layers<WorstInBall> };
  /** Mean rise of the loss. */
  readonly average?: { readonly total: Estimate; readonly layers: Layers<Estimate> };
  /** Null where scores stand for groups, which may share a threshold or have none. */
  readonly ties?: Ties | null;
  readonly flip?: { readonly total: Flip; readonly layers: Layers<Flip> } | null;
}

export interface Measuring {
  readonly at: ScoreLoss;
  readonly options: SharpnessOptions;
  /** Whether scores stand for groups of weights. */
  readonly grouped: boolean;
}

const keyOf = ({ options: { seed } }: Measuring, what: Quantity): Rng => rng(seed, "sharpness", what);

/** Each layer by itself, where that is wanted. */
function eachLayer<T>({ at, options }: Measuring, of: (layer: string) => T): Layers<T> {
  const names = options.layers ? [...at.scores.keys()] : [];
  return Object.fromEntries(names.map((name) => [name, scope(() => of(name))]));
}

/** H v by both ways at one vector. */
function compare({ at, options }: Measuring, v: Params): Check {
  const times = (products: Products) => {
    using h = at.hessian({ products, displacement: options.displacement });
    const product = h.times(v);
    return h.products === products ? product : undefined;
  };
  const moved = times("finiteDifferences") as Params;
  const finiteDifferences = inner(v, moved);
  const exact = times("doubleBackward");
  if (exact === undefined) return { doubleBackward: null, finiteDifferences, relativeDifference: null };
  const apart = mapParams(exact, (tensor, name) => ops.sub(tensor, param(moved, name)));
  const norm = (params: Params) => Math.sqrt(inner(params, params));
  return {
    doubleBackward: inner(v, exact),
    finiteDifferences,
    // Without any curvature there is nothing to be a share of: all or nothing, as JSON has no infinity.
    relativeDifference: norm(exact) > 0 ? norm(apart) / norm(exact) : Math.sign(norm(apart)),
  };
}

/** The operator on one layer's scores, the others staying. */
function blockOf(h: ScoreHessian, scores: Params, layer: string): (v: Tensor) => Tensor {
  const { shape } = param(scores, layer);
  return (v) => {
    const placed = mapParams(scores, (score, name) => (name === layer ? ops.reshape(v, shape) : ops.zerosLike(score)));
    return ops.reshape(param(h.times(placed), layer), [-1]);
  };
}

function eigenvalues(measuring: Measuring): Eigenvalues {
  const { at, options } = measuring;
  const { scores } = at;
  const { products, displacement, lanczosSteps, layerSteps, dtype } = options;
  const key = keyOf(measuring, "eigenvalues");
  const how: LanczosOptions = {
    steps: lanczosSteps,
    count: Math.min(options.eigenvalues, lanczosSteps),
    rng: key.at("start"),
    dtype,
  };
  return scope(() => {
    using h = at.hessian({ products, displacement });
    const all = lanczos((v) => flatten(h.times(unflatten(v, scores))), sizeOf(scores), how);
    const { vectors, ...found } = all;
    const layers = eachLayer(measuring, (layer) => {
      const block = blockOf(h, scores, layer);
      const one = lanczos(block, param(scores, layer).numel, {
        ...how,
        steps: layerSteps,
        count: 1,
        rng: key.at("start", layer),
      });
      return { value: one.values[0] as number, bound: one.bounds[0] as number, steps: one.steps };
    });
    const check = compare(measuring, unflatten(ops.select(vectors, 0, 0), scores));
    return { ...found, products: h.products, check, layers };
  });
}

function trace(measuring: Measuring): NonNullable<Measurements["trace"]> {
  const { at, options } = measuring;
  return scope(() => {
    using h = at.hessian({ products: options.products, displacement: options.displacement });
    const how = { probes: options.probes, rng: keyOf(measuring, "trace") };
    const found = hutchinson((v) => h.times(v), at.scores, how);
    return { products: h.products, ...found };
  });
}

function worst(measuring: Measuring): NonNullable<Measurements["worst"]> {
  const { gamma: radius, ascentSteps: steps } = measuring.options;
  const of = (layer?: string) => worstInBall(measuring.at, { radius, steps, layer });
  return { total: of(), layers: eachLayer(measuring, of) };
}

function average(measuring: Measuring): NonNullable<Measurements["average"]> {
  const { gamma: radius, directions } = measuring.options;
  const key = keyOf(measuring, "average");
  const of = (layer?: string) => averageRise(measuring.at, { radius, directions, layer, rng: key });
  return { total: of(), layers: eachLayer(measuring, of) };
}

function flips(measuring: Measuring): NonNullable<Measurements["flip"]> {
  const of = (layer?: string) => flip(measuring.at, measuring.options.flipFraction, layer);
  return { total: of(), layers: eachLayer(measuring, of) };
}

/** How each is measured. A flip needs scores of single weights too, as what is nearest is asked of each. */
export const measurements = {
  eigenvalues,
  trace,
  worst,
  average,
  ties: ({ at, grouped }: Measuring) => (grouped ? null : ties(at.scores, at.held)),
  flip: (measuring: Measuring) => (measuring.grouped ? null : flips(measuring)),
} as const satisfies Readonly<Record<Quantity, (measuring: Measuring) => unknown>>;

/** Passes that a quantity takes, as `poll` counts them: for telling the time to go. */
export function passesOf(
  quantity: Quantity,
  options: SharpnessOptions,
  sizes: readonly number[],
  parts: number,
): number {
  const layers = options.layers ? sizes : [];
  const product = parts * (options.products === "doubleBackward" ? 1 : 2);
  const each = 1 + layers.length;
  switch (quantity) {
    case "eigenvalues": {
      const ofLayers = layers.map((size) => Math.min(options.layerSteps, size)).reduce((a, b) => a + b, 0);
      return product * (options.lanczosSteps + ofLayers) + 3 * parts;
    }
    case "trace":
      return product * options.probes;
    case "worst":
      return each * ((options.ascentSteps + 1) * parts + 1);
    case "average":
      return each * (options.directions + 1);
    case "flip":
      return each * 2;
    case "ties":
      return 0;
  }
}

// FAB, the fast adaptive boundary attack (Croce and Hein, Minimally distorted adversarial examples with a fast adaptive
// boundary attack, ICML 2020, arXiv 1907.02044), looks for the nearest misclassified point. With f_k = z_k - z_y and g_k
// its gradient at the iterate v, the boundary to class k is near the plane {u : f_k + <g_k, u - v> = 0}:
//   k     = argmin |f_k| / (||g_k||_dual + 1e-12); FAB-T: the class of a rank among the clean image's logits
//   d1,d2 = shortest ways to that plane inside [0,1], from v and from the clean x
//   alpha = min(a1 / (a1 + a2), alphaMax), a1 = max(||d1||, 1e-8), a2 = max(||d2||, 1e-8)
//   v    <- clip01((1 - alpha) (v + eta d1) + alpha (x + eta d2))
//   where v is misclassified, as any class: it is kept if nearer to x than any before, and v <- x + beta (v - x)
// It begins at x; with a random start at clip01(x + eps/2 unit(t)), t uniform in [-1,1] (linf) or Gaussian, and eps has no
// other part in the search. Where we deviate: the forward pass at a new v also makes the next planes of the images where it
// is not misclassified, since v stays there; the gradient after the last step is left out. In linf and L2 most points are
// misclassified on most steps, and the planes are made by a second pass; in L1 up to a fifth of the work is saved.
// As in the reference a distance is compared with eps exactly: other attacks project, and rounding is theirs; here it is measured.
// `faithful` always makes two. A point whose two highest logits are equal up to 1e-12 of the largest is not yet misclassified:
// where v and x lie on different sides of a plane, alpha can make their overshoots cancel, so that v ends on the plane itself,
// and in float64 the order of a sum would decide. In float32 only logits that are equal are meant.
import { enableGrad, grad, ops, present, scope, type Tensor } from "../torch/index.js";
import { noise, type Victim } from "./attack.js";
import { planeDisplacement } from "./fab-projection.js";
import { margin } from "./objectives.js";
import { changeNorm } from "./project.js";
import { type AttackSearch, placesOf, positions, type SearchContext, type SearchState } from "./search.js";
import type { Threat, ThreatNorm } from "./threat.js";

export interface FabSearchOptions {
  /** Only towards the class `context.target`; default false: the nearest of all. */
  readonly targeted?: boolean;
  /** Default 100. */
  readonly steps?: number;
  /** Largest weight of the way from x, in [0,1]; default 0.1. */
  readonly alphaMax?: number;
  /** How far a step goes, in ways to the plane; default 1.05. */
  readonly eta?: number;
  /** Share of its change that a misclassified point keeps; default 0.9. */
  readonly beta?: number;
  /** Begin at a random point instead of x; default false. */
  readonly randomStart?: boolean;
  /** Always two forward passes a step, as the reference makes; the result is the same. Default false. */
  readonly faithful?: boolean;
}

/** A plane near the boundary, by image: f_k [N] at the point where it was made, and its gradient [N,C,H,W]. */
interface Plane {
  readonly value: Tensor;
  readonly gradient: Tensor;
}

export interface FabState extends SearchState, Record<"point" | "value" | "gradient" | "moved", Tensor> {
  /** Norm of `found`'s change, float64 [N]; infinite where nothing was found, and `found` is x. */
  readonly distance: Tensor;
}

const ORDER: Readonly<Record<ThreatNorm, number>> = { linf: Number.POSITIVE_INFINITY, l2: 2, l1: 1 };
const DUAL: Readonly<Record<ThreatNorm, ThreatNorm>> = { linf: "l1", l2: "l2", l1: "linf" };

const lengths = (norm: ThreatNorm, v: Tensor) =>
  ops.vectorNorm(ops.flatten(v, { startDim: 1 }), { ord: ORDER[norm], dim: [1] });
const perImage = (values: Tensor) => ops.reshape(values, [-1, 1, 1, 1]);
const clip = (v: Tensor) => ops.clamp(v, { min: 0, max: 1 });

/** The search of one run. Its hits are new nearest points with a norm of at most eps, to the last bit. */
export function fabSearch(threat: Threat, options: FabSearchOptions = {}): AttackSearch<FabState> {
  const { steps = 100, randomStart = false, faithful = false, targeted = false } = options;
  const planeOf = targeted ? planeOfTarget : planeOfNearest(threat.norm);
  // Untargeted, a forward pass is one of as many as there are classes: there is little to save.
  const shares = targeted && !faithful;

  return {
    steps,
    passes: (classes) => (targeted ? 3 : classes + 1),
    begin(context) {
      const { x, victim } = context;
      const point = context.start ?? (randomStart ? aroundImage(threat, context) : x);
      const [images] = x.shape as [number];
      return {
        point,
        ...scope(() => planeOf(trace(victim, point), context)),
        found: x,
        distance: ops.full([images], Number.POSITIVE_INFINITY, { dtype: "float64" }),
        hit: ops.zeros([images], { dtype: "bool" }),
        moved: ops.zeros([images], { dtype: "bool" }),
      };
    },
    step(context, state, step) {
      const { x, y, victim } = context;
      const next = scope(() => move(threat.norm, x, state, options));
      const last = step === steps - 1;
      // Whether a graph will be of use shows in the step before.
      const traced = shares && !last && few(placesOf(state.moved), x) ? trace(victim, next) : undefined;
      const wrong = misclassified(traced?.logits ?? victim.logits(next), y);
      const norm = changeNorm(threat.norm, x, next);
      const better = ops.logicalAnd(wrong, ops.lt(norm, state.distance));
      const point = ops.where(perImage(wrong), pullBack(x, next, options), next);
      const plane = last ? state : scope(() => nextPlane(planeOf, context, point, wrong, traced));
      return {
        point,
        value: plane.value,
        gradient: plane.gradient,
        found: ops.where(perImage(better), next, state.found),
        distance: ops.where(better, norm, state.distance),
        hit: ops.logicalAnd(better, ops.le(norm, threat.eps)),
        moved: wrong,
      };
    },
    mayCount: ({ distance }) => ops.le(distance, threat.eps),
  };
}

/** How far beyond the boundary a point is at least, as a share of its largest logit. */
const BEYOND = 1e-12;

/** Bool [N]; true for NaN, so that the verdict on it is an error. */
function misclassified(logits: Tensor, y: Tensor): Tensor {
  return scope(() => {
    const least = ops.mul(ops.amax(ops.abs(logits), { dim: [1] }), BEYOND);
    return ops.logicalNot(ops.le(margin(logits, y), least));
  });
}

/** clip01(x + eps/2 unit(t)), drawn for each image by its key. */
function aroundImage({ norm, eps }: Threat, { x, rng, indices }: SearchContext): Tensor {
  return scope(() => {
    const t = noise(x, { rng, indices }, (v) =>
      norm === "linf" ? ops.uniform_(v, { low: -1, to: 1 }) : ops.normal_(v),
    );
    const unit = ops.div(t, perImage(ops.add(lengths(norm, t), 1e-12)));
    return clip(ops.add(x, ops.mul(unit, { float: eps / 2 })));
  });
}

/** The next iterate from the plane at the present one. */
function move(norm: ThreatNorm, x: Tensor, { point, value, gradient }: FabState, options: FabSearchOptions): Tensor {
  const { alphaMax = 0.1, eta = 1.05 } = options;
  const [images] = x.shape as [number];
  const w = ops.flatten(gradient, { startDim: 1 });
  const toClean = ops.flatten(ops.sub(x, point), { startDim: 1 });
  const gapOfClean = ops.add(value, ops.sumDim(ops.mul(w, toClean), [1]));
  const from = ops.cat([ops.flatten(point, { startDim: 1 }), ops.flatten(x, { startDim: 1 })]);
  const ways = planeDisplacement(norm, from, ops.cat([w, w]), ops.cat([value, gapOfClean]));
  const length = ops.clampMin(lengths(norm, ways), 1e-8);
  const [a1, a2] = ops.split(length, images) as [Tensor, Tensor];
  const alpha = ops.unsqueeze(ops.clampMax(ops.div(a1, ops.add(a1, a2)), alphaMax), 1);
  const [fromPoint, fromClean] = ops.split(ops.add(from, ops.mul(ways, eta)), images) as [Tensor, Tensor];
  return ops.reshape(clip(ops.add(fromPoint, ops.mul(alpha, ops.sub(fromClean, fromPoint)))), x.shape);
}

function pullBack(x: Tensor, point: Tensor, { beta = 0.9 }: FabSearchOptions): Tensor {
  return ops.add(x, ops.mul(ops.sub(point, x), beta));
}

/** A forward pass whose graph is kept for planes. */
interface Traced {
  readonly victim: Victim;
  readonly leaf: Tensor;
  readonly logits: Tensor;
}

function trace(victim: Victim, point: Tensor): Traced {
  return enableGrad(() => {
    const leaf = ops.detach(point).setRequiresGrad(true);
    return { victim, leaf, logits: victim.logits(leaf) };
  });
}

type Aim = Pick<SearchContext, "y" | "target">;
type PlaneOf = (traced: Traced, aim: Aim) => Plane;

/** The plane of z_k - z_y for one class k of each image. */
function planeOfClass({ victim, leaf, logits }: Traced, y: Tensor, k: Tensor, retainGraph = false): Plane {
  return enableGrad(() => {
    const of = (classes: Tensor) => ops.squeeze(ops.gather(logits, 1, ops.unsqueeze(classes, 1)), 1);
    const value = ops.sub(of(k), of(y));
    victim.passes.backward += 1;
    const gradient = present(grad(ops.sum(value), [leaf], { retainGraph })[0], "input gradient");
    return { value: ops.detach(value), gradient };
  });
}

const planeOfTarget: PlaneOf = (traced, { y, target }) => planeOfClass(traced, y, present(target, "target"));

/** The plane that looks nearest, of all other classes: one backward pass for each. */
function planeOfNearest(norm: ThreatNorm): PlaneOf {
  return (traced, { y }) => {
    const classes = present(traced.logits.shape[1], "classes");
    let nearest: (Plane & { readonly distance: Tensor }) | undefined;
    for (let ahead = 1; ahead < classes; ahead++) {
      nearest = scope(() => {
        const sum = ops.add(y, ahead);
        const k = ops.where(ops.ge(sum, classes), ops.sub(sum, classes), sum);
        const plane = planeOfClass(traced, y, k, ahead < classes - 1);
        const distance = ops.div(ops.abs(plane.value), ops.add(lengths(DUAL[norm], plane.gradient), 1e-12));
        if (nearest === undefined) return { ...plane, distance };
        const better = ops.lt(distance, nearest.distance);
        return {
          value: ops.where(better, plane.value, nearest.value),
          gradient: ops.where(perImage(better), plane.gradient, nearest.gradient),
          distance: ops.where(better, distance, nearest.distance),
        };
      });
    }
    const { value, gradient } = present(nearest, "a second class");
    return { value, gradient };
  };
}

/** So few that forward and backward passes of their own take less than a forward pass of all. */
const few = (rows: readonly number[], all: Tensor) => 2 * rows.length < (all.shape[0] as number);

/**
 * Planes at the next points. A traced pass has those of the images that are classified correctly; the others have moved
 * since and get a pass of their own, or all do where that takes less.
 */
function nextPlane(planeOf: PlaneOf, context: SearchContext, point: Tensor, wrong: Tensor, traced?: Traced): Plane {
  const { victim } = context;
  const moved = placesOf(wrong);
  if (traced === undefined || !few(moved, point)) return planeOf(trace(victim, point), context);
  const plane = planeOf(traced, context);
  if (moved.length === 0) return plane;
  const at = positions(moved);
  const rows = (t: Tensor) => ops.indexSelect(t, 0, at);
  const aim = { y: rows(context.y), target: context.target && rows(context.target) };
  const fresh = planeOf(trace(victim, rows(point)), aim);
  return {
    value: ops.indexCopy_(plane.value, 0, at, fresh.value),
    gradient: ops.indexCopy_(plane.gradient, 0, at, fresh.gradient),
  };
}

import {
  breaks,
  changeNorm,
  predict,
  rankedClasses,
  runSearch,
  type SearchAttack,
  type SearchImages,
  selectImages,
  type Threat,
  targeted,
  type Victim,
} from "../attacks/index.js";
import type { Split } from "../data/index.js";
import { bindNetwork, type Model } from "../models/index.js";
import { countPasses } from "../nn/index.js";
import { noGrad, ops, scope, type Tensor, tensor } from "../torch/index.js";
import { expected, type Rng, rng, UsageError } from "../util/index.js";
import { blockImages } from "./block-images.js";
import { confirm, rowsOf } from "./confirm.js";

export { type CurvePoint, curveAt, type SecurityCurve, securityCurve } from "./curve.js";

export interface MinimumNormOptions {
  /** Images from the front of the split; default all. */
  readonly examples?: number | undefined;
  /** Instead: positions in the split. */
  readonly indices?: ArrayLike<number> | undefined;
  /** Of the attack's random numbers, which are keyed per image; default 0. */
  readonly seed?: number | undefined;
  /** Asked before every step; may throw to stop. */
  readonly shouldStop?: (() => void) | undefined;
  /** Given the nearest points of each block of images, which are freed afterwards. */
  readonly onNearest?: ((nearest: Nearest) => void) | undefined;
  /** Called after each block of images. */
  readonly onProgress?: ((progress: { readonly done: number; readonly of: number }) => void) | undefined;
}

/** The nearest misclassified points of images that have one and are no clean mistakes; all in one order. */
export interface Nearest {
  /** Positions in the data set. */
  readonly indices: readonly number[];
  readonly labels: readonly number[];
  /** Predicted at the points. */
  readonly classes: readonly number[];
  /** [M,C,H,W] in [0,1]; undefined where there are none. */
  readonly points: Tensor | undefined;
}

/** How far each image is from being misclassified, as an attack found it: upper bounds. */
export interface MinimumNorms {
  readonly attack: string;
  readonly norm: string;
  /** Positions in the data set. */
  readonly indices: readonly number[];
  /** In the order of `indices`: 0 for clean mistakes, +inf where no misclassified point was found. */
  readonly distances: readonly number[];
  readonly passes: { readonly forward: number; readonly backward: number };
  readonly seconds: number;
}

/** Distances of images by a minimum-norm attack (`fmn`, `fab`, `fab-t`), float32 and running batch-norm statistics. */
export function minimumNorms(
  model: Model,
  split: Split,
  attack: SearchAttack,
  options: MinimumNormOptions = {},
): MinimumNorms {
  return scope(() => measured(model, split, attack, options));
}

function measured(model: Model, split: Split, attack: SearchAttack, options: MinimumNormOptions): MinimumNorms {
  const { examples, indices, seed = 0, shouldStop, onNearest, onProgress } = options;
  const passes = countPasses();
  const { victim } = bindNetwork(model, model, { passes });
  const started = performance.now();
  const images = blockImages(split, { examples, indices, dtype: "float32", classes: split.dataset.numClasses });
  const distances: number[] = [];
  for (let block = 0; block < images.blocks; block++) {
    const [first, end] = images.range(block);
    const indices = images.indices.slice(first, end);
    const key = rng(seed, "evaluation", attack.name);
    scope(() => {
      const found = ofBlock(victim, attack, { ...images.load(block), indices }, key, shouldStop);
      distances.push(...found.distances);
      onNearest?.(found.nearest);
    });
    onProgress?.({ done: end, of: images.count });
  }
  const { name, threat } = attack;
  const seconds = (performance.now() - started) / 1000;
  return { attack: name, norm: threat.norm, indices: [...images.indices], distances, passes, seconds };
}

/** The least distance over all runs of the attack, for each image of a block, and the points that are so near. */
function ofBlock(
  victim: Victim,
  attack: SearchAttack,
  batch: SearchImages,
  key: Rng,
  poll: (() => void) | undefined,
): { readonly distances: readonly number[]; readonly nearest: Nearest } {
  const labels = batch.y.toNumbers();
  const standing = [...predict(victim, batch.x)].flatMap((label, i) => (label === labels[i] ? [i] : []));
  const distances = labels.map(() => 0);
  if (standing.length === 0) return { distances, nearest: { indices: [], labels: [], classes: [], points: undefined } };
  const images = selectImages(batch, standing);
  const points = searched(victim, attack, images, key, poll);
  // What counts is the point that is kept, not the search's word for it.
  const found = confirm(victim, anywhere(attack.threat), images.x, images.y, points);
  for (const place of standing) distances[place] = Number.POSITIVE_INFINITY;
  const places = found.rows.map((row) => standing[row] as number);
  for (const [i, place] of places.entries()) distances[place] = found.norms[i] as number;
  const nearest = {
    indices: places.map((place) => batch.indices[place] as number),
    labels: places.map((place) => labels[place] as number),
    classes: found.classes,
    points: found.points,
  };
  return { distances, nearest };
}

/** The nearest misclassified points of all runs [N,C,H,W]; x where there is none. */
function searched(
  victim: Victim,
  attack: SearchAttack,
  images: SearchImages,
  key: Rng,
  poll: (() => void) | undefined,
): Tensor {
  const ranked = noGrad(() => rankedClasses(victim.logits(images.x)));
  const least = Array.from(images.indices, () => Number.POSITIVE_INFINITY);
  const points = ops.clone(images.x);
  for (const run of attack.runs) {
    const aimed = targeted(images, ranked, run.rank);
    if (aimed === undefined) continue;
    scope(() => {
      const context = { ...aimed, victim, rng: key.at(...run.key) };
      const { state } = runSearch(run.search, attack.threat, context, { leave: false, poll });
      if (state.distance === undefined) {
        throw new UsageError(expected("minimumNorms", "an attack that looks for the nearest point", attack.name));
      }
      const claimed = state.distance.toNumbers();
      const lengths = changeNorm(attack.threat.norm, images.x, state.found).toNumbers();
      const verdicts = breaks(victim, anywhere(attack.threat), images.x, images.y, state.found);
      const nearer = lengths.flatMap((length, i) =>
        claimed[i] !== Infinity && verdicts[i] === 1 && length < (least[i] as number) ? [i] : [],
      );
      if (nearer.length === 0) return;
      for (const i of nearer) least[i] = lengths[i] as number;
      ops.indexCopy_(points, 0, tensor(BigInt64Array.from(nearer, BigInt)), rowsOf(state.found, nearer));
    });
  }
  return points;
}

/** The threat without a bound but the box. */
export const anywhere = (threat: Threat): Threat => ({ ...threat, eps: Number.MAX_VALUE, epsText: "any" });

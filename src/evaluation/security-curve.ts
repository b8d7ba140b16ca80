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
import type { Batch, Split } from "../data/index.js";
import { bindNetwork, type Model } from "../models/index.js";
import { countPasses } from "../nn/index.js";
import { noGrad, scope } from "../torch/index.js";
import { expected, type Rng, rng, UsageError } from "../util/index.js";
import { blockImages } from "./block-images.js";

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
  /** Called after each block of images. */
  readonly onProgress?: ((progress: { readonly done: number; readonly of: number }) => void) | undefined;
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
  const { examples, indices, seed = 0, shouldStop, onProgress } = options;
  const passes = countPasses();
  const { victim } = bindNetwork(model, model, { passes });
  const started = performance.now();
  const images = blockImages(split, { examples, indices, dtype: "float32", classes: split.dataset.numClasses });
  const distances: number[] = [];
  for (let block = 0; block < images.blocks; block++) {
    const [first, end] = images.range(block);
    const positions = images.indices.slice(first, end);
    const key = rng(seed, "evaluation", attack.name);
    distances.push(...scope(() => ofBlock(victim, attack, images.load(block), positions, key, shouldStop)));
    onProgress?.({ done: end, of: images.count });
  }
  const { name, threat } = attack;
  const seconds = (performance.now() - started) / 1000;
  return { attack: name, norm: threat.norm, indices: [...images.indices], distances, passes, seconds };
}

/** The least distance over all runs of the attack, for each image of a block. */
function ofBlock(
  victim: Victim,
  attack: SearchAttack,
  batch: Batch,
  indices: Int32Array,
  key: Rng,
  poll: (() => void) | undefined,
): number[] {
  const labels = batch.y.toNumbers();
  const standing = [...predict(victim, batch.x)].flatMap((label, i) => (label === labels[i] ? [i] : []));
  const distances = labels.map(() => 0);
  if (standing.length === 0) return distances;
  const images: SearchImages = selectImages({ x: batch.x, y: batch.y, indices }, standing);
  const ranked = noGrad(() => rankedClasses(victim.logits(images.x)));
  const least = standing.map(() => Number.POSITIVE_INFINITY);
  for (const run of attack.runs) {
    const aimed = targeted(images, ranked, run.rank);
    if (aimed === undefined) continue;
    const found = scope(() => {
      const context = { ...aimed, victim, rng: key.at(...run.key) };
      const { state } = runSearch(run.search, attack.threat, context, { leave: false, poll });
      if (state.distance === undefined) {
        throw new UsageError(expected("minimumNorms", "an attack that looks for the nearest point", attack.name));
      }
      const claimed = state.distance.toNumbers();
      const lengths = changeNorm(attack.threat.norm, images.x, state.found).toNumbers();
      // What counts is the point, not the search's word for it.
      const verdicts = breaks(victim, anywhere(attack.threat), images.x, images.y, state.found);
      return lengths.map((length, i) => (claimed[i] !== Infinity && verdicts[i] === 1 ? length : Infinity));
    });
    for (const [i, distance] of found.entries()) least[i] = Math.min(least[i] as number, distance);
  }
  for (const [i, place] of standing.entries()) distances[place] = least[i] as number;
  return distances;
}

/** The threat without a bound but the box. */
const anywhere = (threat: Threat): Threat => ({ ...threat, eps: Number.MAX_VALUE, epsText: "any" });

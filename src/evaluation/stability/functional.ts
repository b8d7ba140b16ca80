// How alike two networks behave on the same images, whatever their masks:
//   agreement        share of the images to which both give the same class
//   robust sets      |A and B| / |A or B| of the images that each is right on after the attack
//   gradient cosine  mean over images of <g_a, g_b> / (|g_a| |g_b|), g the gradient of the cross-entropy by the image
//   features         linear CKA of a layer's outputs (cka.ts)
// Shares have Wilson's interval, which does not collapse where all images agree (of robust sets: given how many images are in
// either), the cosine a BCa bootstrap by image. CKA is no mean over images and has none.
import { ops, scope, type Tensor } from "../../torch/index.js";
import { bootstrapMean, DataError, type Ends, expected, type Rng, rng, wilson } from "../../util/index.js";
import type { Agreement } from "../compare.js";
import { type Cka, linearCka } from "./cka.js";
import type { NetworkView } from "./view.js";

/** A number and its 95 % interval. */
export interface WithInterval {
  readonly value: number;
  readonly interval: Ends;
}

/** Of the sets of images on which two networks are robust; `jaccard` is null where neither is robust on any. */
export interface RobustSets {
  readonly counts: Agreement;
  readonly jaccard: WithInterval | null;
}

export interface FunctionalStability {
  readonly examples: number;
  readonly agreement: WithInterval;
  /** null where nothing attacked. */
  readonly robustSets: RobustSets | null;
  /** null where each image has a gradient of zero in one of the two. */
  readonly gradientCosine: WithInterval | null;
  /** Images with a gradient of zero in one of the two, which the cosine leaves out. */
  readonly zeroGradients: number;
  /** Of the layers that both views have. */
  readonly features: Readonly<Record<string, Cka>>;
}

export interface FunctionalOptions {
  /** Key of the bootstrap; default a fixed one. */
  readonly rng?: Rng | undefined;
  /** Of the bootstrap; default 2000. */
  readonly resamples?: number | undefined;
}

/** Of counts of images, as `compareRecords` has them of two evaluations. */
export function robustSets(counts: Agreement): RobustSets {
  const either = counts.both + counts.onlyA + counts.onlyB;
  const jaccard = either === 0 ? null : { value: counts.both / either, interval: wilson(counts.both, either) };
  return { counts, jaccard };
}

function countsOf(a: readonly boolean[], b: readonly boolean[]): Agreement {
  const number = (inA: boolean, inB: boolean) => a.filter((x, i) => x === inA && b[i] === inB).length;
  return {
    both: number(true, true),
    onlyA: number(true, false),
    onlyB: number(false, true),
    neither: number(false, false),
  };
}

/** Cosine of each pair of rows [N,D]; those of zero length are left out. */
function cosines(a: Tensor, b: Tensor): Float64Array {
  return scope(() => {
    const [x, y] = [ops.to(a, "float64"), ops.to(b, "float64")];
    const along = (u: Tensor, v: Tensor) => ops.sumDim(ops.mul(u, v), [1]).toNumbers();
    const [xy, xx, yy] = [along(x, y), along(x, x), along(y, y)];
    const all = xy.map((product, i) => product / Math.sqrt((xx[i] as number) * (yy[i] as number)));
    return Float64Array.from(all.filter(Number.isFinite), (cosine) => Math.max(-1, Math.min(1, cosine)));
  });
}

function assertSameImages(a: NetworkView, b: NetworkView): void {
  const same = a.data === b.data && a.indices.join() === b.indices.join();
  if (same) return;
  throw new DataError(
    expected(
      "stability",
      "two networks on the same images",
      a.data === b.data ? `${a.indices.length} and ${b.indices.length} images` : "two data sets",
    ),
    { code: "data/images-differ" },
  );
}

/** Compares two networks by what was seen of them. */
export function functionalStability(
  a: NetworkView,
  b: NetworkView,
  options: FunctionalOptions = {},
): FunctionalStability {
  assertSameImages(a, b);
  const { rng: key = rng(0, "stability", "bootstrap"), resamples } = options;
  const examples = a.predictions.length;
  const agreeing = a.predictions.filter((prediction, i) => prediction === b.predictions[i]).length;
  const found = cosines(a.gradients, b.gradients);
  const mean = found.length === 0 ? undefined : bootstrapMean(found, { rng: key, resamples });
  const shared = [...a.features].filter(([name]) => b.features.has(name));
  const alike = shared.map(([name, x]) => [name, linearCka(x, b.features.get(name) as Tensor)] as const);
  return {
    examples,
    agreement: { value: agreeing / examples, interval: wilson(agreeing, examples) },
    robustSets: a.robust && b.robust && robustSets(countsOf(a.robust, b.robust)),
    gradientCosine: mean === undefined ? null : { value: mean.estimate, interval: mean.bca },
    zeroGradients: examples - found.length,
    features: Object.fromEntries(alike),
  };
}

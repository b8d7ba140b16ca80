// The paired bootstrap over images. One resample draws n of the n images with replacement; the statistic of many resamples
// says how far chance moves it. With t the estimate, t* the sorted values of B resamples and Q their quantiles (linear between
// two), the 95 % intervals are
//   percentile  [Q(0.025), Q(0.975)]
//   BCa         [Q(a(0.025)), Q(a(0.975))],  a(q) = Phi(z0 + (z0 + z) / (1 - c (z0 + z))),  z = Phi^-1(q)
//               z0 = Phi^-1(share of t* below t, ties counted half)                        bias
//               c = sum d_i^3 / (6 (sum d_i^2)^1.5),  d_i = mean of t_(.) - t_(i)           acceleration
// where t_(i) is the statistic without image i. B. Efron, "Better bootstrap confidence intervals", JASA 82 (1987). Where
// z0 is infinite (no resample on one side of t) or a denominator is not positive, the percentile interval stands in for BCa.
import { expected, UsageError } from "./errors.js";
import { normalCdf, normalQuantile } from "./normal.js";
import { draws, type Rng } from "./rng.js";

export type Ends = readonly [low: number, high: number];

/** 95 % intervals of a statistic. */
export interface Bootstrapped {
  readonly estimate: number;
  readonly percentile: Ends;
  readonly bca: Ends;
  /** Standard deviation of the resamples' values. */
  readonly standardError: number;
  readonly resamples: number;
}

export interface BootstrapOptions {
  /** Key of the draws: the same key gives the same intervals. */
  readonly rng: Rng;
  /** Default 2000. */
  readonly resamples?: number | undefined;
}

/** A number that describes the images of these positions; a position may come more than once. */
export type Statistic = (images: Int32Array) => number;

const ENDS = [0.025, 0.975] as const;

/** Quantile of ascending values, linear between two of them. */
function quantile(sorted: Float64Array, q: number): number {
  const at = q * (sorted.length - 1);
  const below = Math.floor(at);
  const low = sorted[below] as number;
  const high = sorted[Math.min(below + 1, sorted.length - 1)] as number;
  return low + (at - below) * (high - low);
}

function meanOf(values: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i] as number;
  return sum / values.length;
}

function acceleration(without: Float64Array): number {
  const mean = meanOf(without);
  let [squares, cubes] = [0, 0];
  for (const value of without) {
    const d = mean - value;
    squares += d * d;
    cubes += d * d * d;
  }
  return squares === 0 ? 0 : cubes / (6 * squares ** 1.5);
}

/** Intervals from the values of the resamples, and those without one image each. */
export function bootstrapIntervals(
  estimate: number,
  values: Float64Array,
  without: Float64Array,
): Omit<Bootstrapped, "resamples"> {
  const sorted = Float64Array.from(values).sort();
  const percentile: Ends = [quantile(sorted, ENDS[0]), quantile(sorted, ENDS[1])];
  const below = sorted.reduce((sum, value) => sum + (value < estimate ? 1 : value === estimate ? 0.5 : 0), 0);
  const bias = normalQuantile(below / sorted.length);
  const c = acceleration(without);
  const shifted = ENDS.map((q) => bias + normalQuantile(q));
  const fits = Number.isFinite(bias) && shifted.every((z) => 1 - c * z > 0);
  const [low = 0, high = 0] = shifted.map((z) => (fits ? quantile(sorted, normalCdf(bias + z / (1 - c * z))) : 0));
  const mean = meanOf(sorted);
  const spread = sorted.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return {
    estimate,
    percentile,
    bca: fits ? [low, high] : percentile,
    standardError: Math.sqrt(spread / Math.max(1, sorted.length - 1)),
  };
}

function check(n: number, resamples: number): void {
  if (!Number.isInteger(n) || n < 1) throw new UsageError(expected("bootstrap", "at least one image", n));
  if (!Number.isInteger(resamples) || resamples < 1) {
    throw new UsageError(expected("bootstrap", "resamples, a whole number >= 1", resamples));
  }
}

/** Bootstraps a statistic of `n` images. Two networks are compared in pairs: the statistic looks at both for each image. */
export function bootstrap(n: number, statistic: Statistic, { rng, resamples = 2000 }: BootstrapOptions): Bootstrapped {
  check(n, resamples);
  const draw = draws(rng, n);
  const images = new Int32Array(n);
  const values = Float64Array.from({ length: resamples }, () => {
    for (let i = 0; i < n; i++) images[i] = draw();
    return statistic(images);
  });
  const all = Int32Array.from({ length: n }, (_, i) => i);
  // One image has nothing to leave out.
  const without = n === 1 ? new Float64Array(1) : leaveOneOut(all, statistic);
  return { ...bootstrapIntervals(statistic(all), values, without), resamples };
}

function leaveOneOut(all: Int32Array, statistic: Statistic): Float64Array {
  // Image i stands where the last one stood: the rest are the first n - 1.
  const rest = all.slice(0, -1);
  return Float64Array.from(all, (image) => {
    if (image < rest.length) rest[image] = all.length - 1;
    const value = statistic(rest);
    if (image < rest.length) rest[image] = image;
    return value;
  });
}

/** Of a mean over images, one value each. */
export function bootstrapMean(values: ArrayLike<number>, options: BootstrapOptions): Bootstrapped {
  const mean: Statistic = (images) => {
    let sum = 0;
    for (const image of images) sum += values[image] as number;
    return sum / images.length;
  };
  return bootstrap(values.length, mean, options);
}

/** Of the mean of `b` less that of `a`, each pair of values of the same image. */
export function bootstrapDifference(
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  options: BootstrapOptions,
): Bootstrapped {
  if (a.length !== b.length) {
    throw new UsageError(expected("bootstrap", "two lists of the same images", `${a.length} and ${b.length} values`));
  }
  return bootstrapMean(
    Float64Array.from({ length: a.length }, (_, i) => (b[i] as number) - (a[i] as number)),
    options,
  );
}

/**
 * Bootstraps many means over the same `n` images: what it returns gives the intervals of `bootstrapMean`, from resamples that
 * were drawn once for all. Of `n` images it holds 2 n bytes a resample. Whole numbers give the same bits as `bootstrapMean`.
 */
export function sharedResamples(
  n: number,
  { rng, resamples = 2000 }: BootstrapOptions,
): (values: ArrayLike<number>) => Bootstrapped {
  check(n, resamples);
  const draw = draws(rng, n);
  const times = Array.from({ length: resamples }, () => {
    const drawn = new Uint16Array(n);
    for (let i = 0; i < n; i++) {
      const image = draw();
      drawn[image] = (drawn[image] as number) + 1;
    }
    return drawn;
  });
  return (values) => {
    if (values.length !== n) {
      throw new UsageError(expected("bootstrap", `values of the same ${n} images`, `${values.length} values`));
    }
    const means = Float64Array.from(times, (drawn) => {
      let sum = 0;
      for (let i = 0; i < n; i++) sum += (drawn[i] as number) * (values[i] as number);
      return sum / n;
    });
    const total = Float64Array.from(values).reduce((sum, value) => sum + value, 0);
    const without = Float64Array.from(values, (value) => (n === 1 ? 0 : (total - value) / (n - 1)));
    return { ...bootstrapIntervals(total / n, means, without), resamples };
  };
}

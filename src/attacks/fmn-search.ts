// A search for FMN's hyper-parameters, in the manner of HO-FMN (Floris, Mura, Scionis, Piras, Pintor, Demontis, Biggio, "Improving
// Fast Minimum-Norm Attacks with Hyperparameter Optimization", ESANN 2023, arXiv 2310.08177): for a loss, an optimiser and a
// schedule, the options with the least median distance on a batch of images.
//   trials 1 .. n/2       points of a Halton sequence over the ranges, shifted by the seed
//   trials n/2 + 1 .. n   Halton points in a box around the best so far; its half-width falls from 1/4 to 1/32 of each range
// Where we deviate: HO-FMN fits a Gaussian process to what it has seen (through Ax) to choose the later trials. With 32 trials in 2
// to 6 dimensions and an objective that is a median, and so flat in places, the box does the same work without a library,
// and its trials are a function of the seed alone. Clean mistakes count as infinitely far, as there, so that they do
// not make an option look good; so do images where nothing was found. Ranges are HO-FMN's.
import { noGrad, scope, type Tensor } from "../torch/index.js";
import { expected, rng, UsageError } from "../util/index.js";
import type { Victim } from "./attack.js";
import { type FmnOptions, type FmnState, fmnSearch } from "./fmn.js";
import { runSearch } from "./search.js";
import type { Threat } from "./threat.js";

export interface FmnSearchOptions {
  readonly loss?: "ll" | "dlr" | "ce";
  readonly optimizer?: "sgd" | "adam" | "adamax";
  readonly scheduler?: "cosine" | "plateau";
  /** Settings to try; default 32. */
  readonly trials?: number;
  /** Gradient steps of a trial; default 100. */
  readonly steps?: number;
  /** Default 0. */
  readonly seed?: number;
  /** Asked before every step of a trial; may throw to stop. */
  readonly poll?: () => void;
  /** The first trials of the same search, which are not made again. */
  readonly known?: readonly FmnTrial[];
  /** Called after each trial that was made. */
  readonly onTrial?: (trial: FmnTrial) => void;
}

export interface FmnTrial {
  readonly options: FmnOptions;
  /** The lower median over the images, in the threat's norm; +inf where half of them have no distance. */
  readonly median: number;
}

/** A setting as a function of a number in [0,1]. */
type Range = (u: number) => number;
const linear =
  (low: number, high: number): Range =>
  (u) =>
    low + (high - low) * u;
const logarithmic =
  (low: number, high: number): Range =>
  (u) =>
    low * (high / low) ** u;
const oneOf =
  (...values: readonly number[]): Range =>
  (u) =>
    values[Math.min(Math.floor(u * values.length), values.length - 1)] as number;

const common = { lr: logarithmic(8 / 255, 10), weightDecay: linear(0.01, 1) };
const betas = { beta1: linear(0, 0.999), beta2: linear(0, 0.999) };
const OPTIMIZERS: Readonly<Record<"sgd" | "adam" | "adamax", Readonly<Record<string, Range>>>> = {
  sgd: { ...common, momentum: linear(0, 0.9), dampening: linear(0, 0.2) },
  adam: { ...common, ...betas },
  adamax: { ...common, ...betas },
};
const SCHEDULERS: Readonly<Record<"cosine" | "plateau", Readonly<Record<string, Range>>>> = {
  cosine: { final: linear(0, 0) },
  plateau: { factor: linear(0.1, 0.5), patience: oneOf(2, 5, 10) },
};

/** One prime for each dimension. */
const PRIMES = [2, 3, 5, 7, 11, 13] as const;

/** Digits of `index` in base `base`, mirrored at the point: the index-th number of van der Corput's sequence. */
export function radicalInverse(index: number, base: number): number {
  let [rest, digit, value] = [index, 1 / base, 0];
  for (; rest > 0; rest = Math.floor(rest / base), digit /= base) value += (rest % base) * digit;
  return value;
}

/** The lower median. */
export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor((values.length - 1) / 2)] as number;
}

/** Point of [0,1]^d for a trial: of the whole cube, or of a box around the best point. */
function pointOf(trial: number, trials: number, shift: readonly number[], best: readonly number[]): number[] {
  const explored = Math.ceil(trials / 2);
  const halton = shift.map((by, d) => (radicalInverse(trial + 1, PRIMES[d] as number) + by) % 1);
  if (trial < explored) return halton;
  const progress = trials - explored > 1 ? (trial - explored) / (trials - explored - 1) : 0;
  const halfWidth = 0.25 * (1 / 8) ** progress;
  return halton.map((u, d) => Math.min(Math.max((best[d] as number) + halfWidth * (2 * u - 1), 0), 1));
}

/** FMN's options with the least median distance on these images, and all that were tried; deterministic in the seed. */
export function searchFmnOptions(
  threat: Threat,
  victim: Victim,
  x: Tensor,
  y: Tensor,
  options: FmnSearchOptions = {},
): FmnTrial & { readonly trials: readonly FmnTrial[] } {
  const { loss = "dlr", optimizer = "sgd", scheduler = "cosine", trials = 32, steps = 100, seed = 0 } = options;
  const { known = [], poll } = options;
  if (!(Number.isInteger(trials) && trials >= 1)) {
    throw new UsageError(expected("searchFmnOptions", "trials to be a whole number >= 1", trials));
  }
  const [moves, falls] = [OPTIMIZERS[optimizer], SCHEDULERS[scheduler]];
  const names = [...Object.keys(moves), ...Object.keys(falls)];
  const shift = names.map((name) => rng(seed, "fmn-search", name).uniform());
  const at = (point: readonly number[]): FmnOptions => {
    const chosen = (ranges: Readonly<Record<string, Range>>) =>
      Object.fromEntries(Object.entries(ranges).map(([name, range]) => [name, range(point[names.indexOf(name)] ?? 0)]));
    const settings = {
      optimizer: { name: optimizer, ...chosen(moves) },
      scheduler: { name: scheduler, ...chosen(falls) },
    };
    return { steps, loss, ...settings } as FmnOptions;
  };
  const tried: FmnTrial[] = [];
  let best: { readonly trial: FmnTrial; readonly point: readonly number[] } | undefined;
  for (let index = 0; index < trials; index++) {
    const point = pointOf(index, trials, shift, best?.point ?? shift);
    const settings = at(point);
    const made = () => ({ options: settings, median: medianDistance(threat, victim, x, y, settings, poll) });
    const trial = known[index] ?? made();
    tried.push(trial);
    if (best === undefined || trial.median < best.trial.median) best = { trial, point };
    if (index >= known.length) options.onTrial?.(trial);
  }
  return { ...(best?.trial as FmnTrial), trials: tried };
}

function medianDistance(
  threat: Threat,
  victim: Victim,
  x: Tensor,
  y: Tensor,
  options: FmnOptions,
  poll: (() => void) | undefined,
): number {
  return noGrad(() =>
    scope(() => {
      const indices = Int32Array.from({ length: x.shape[0] as number }, (_, i) => i);
      const context = { x, y, victim, indices, rng: rng(0) };
      const { state } = runSearch(fmnSearch(threat, options), threat, context, { leave: false, poll });
      const distances = (state as FmnState).distance.toNumbers();
      return median(distances.map((distance) => (distance === 0 ? Number.POSITIVE_INFINITY : distance)));
    }),
  );
}

// How alike masks are. Of two masks m and m' of p weights, with |.| a count of ones:
//   hamming   |m xor m'| / p                                   share of the weights whose side differs
//   perKept   hamming / 2k, k = |m| / p                        1 where two masks of the same size share nothing
//   jaccard   |m and m'| / |m or m'|                           1 where they are equal, 0 where they share nothing
//   byChance  (K (n - K') + K' (n - K)) / p, summed over layers of n weights, K and K' of them kept: the hamming distance to
//             be expected of masks that keep as many weights of each layer, drawn at random
// Specification: methods.md 8.5. Over a series m_0, ..., m_E (a search's epoch ends), a weight changes sides in epoch e where
// m_e differs from m_(e-1); `changes` are counted over the series, `displaced` is the hamming distance of m_0 and m_E.
// Counted at one bit a weight; nothing here calls libtorch.
import {
  countBoth,
  countChanges,
  countKept,
  entries,
  type PackedMask,
  type PackedMasks,
} from "../../pruning/packed-mask.js";
import { DataError, expected, UsageError } from "../../util/index.js";

/** Of a layer, or of all layers together. Shares in [0,1]. */
export interface Overlap {
  readonly weights: number;
  /** Share kept in A and in B. */
  readonly kept: { readonly a: number; readonly b: number };
  readonly hamming: number;
  /** With k of A, as the run events have it; null where A keeps nothing and B something. */
  readonly perKept: number | null;
  readonly byChance: number;
  readonly jaccard: number;
}

export interface MaskStability {
  readonly total: Overlap;
  readonly layers: Readonly<Record<string, Overlap>>;
}

/** Counts of weights. */
interface Counts {
  readonly weights: number;
  readonly a: number;
  readonly b: number;
  readonly both: number;
  readonly byChance: number;
}

function countsOf(a: PackedMask, b: PackedMask): Counts {
  const [keptA, keptB, both, weights] = [countKept(a), countKept(b), countBoth(a, b), entries(a)];
  const byChance = (keptA * (weights - keptB) + keptB * (weights - keptA)) / weights;
  return { weights, a: keptA, b: keptB, both, byChance };
}

function overlap({ weights, a, b, both, byChance }: Counts): Overlap {
  const differing = a + b - 2 * both;
  const either = a + b - both;
  return {
    weights,
    kept: { a: a / weights, b: b / weights },
    hamming: differing / weights,
    perKept: differing === 0 ? 0 : a === 0 ? null : differing / (2 * a),
    byChance: byChance / weights,
    jaccard: either === 0 ? 1 : both / either,
  };
}

/** Refuses masks of different networks: a distance between them would mean nothing. */
function assertAlike(a: PackedMasks, b: PackedMasks): void {
  const shapes = (masks: PackedMasks) => new Map(Array.from(masks, ([name, mask]) => [name, `[${mask.shape}]`]));
  const [ours, theirs] = [shapes(a), shapes(b)];
  for (const name of new Set([...ours.keys(), ...theirs.keys()])) {
    const [mine, other] = [ours.get(name), theirs.get(name)];
    if (mine === other) continue;
    throw new DataError(
      `masks: expected two masks of the same network, got ${name} ${mine ?? "missing"} in A and ${other ?? "missing"} in B`,
      { code: "data/masks-differ" },
    );
  }
  if (ours.size === 0) throw new UsageError(expected("masks", "at least one layer", "none"));
}

const of = (masks: PackedMasks, name: string) => masks.get(name) as PackedMask;

/** `maskStability` of packed masks. */
export function overlaps(a: PackedMasks, b: PackedMasks): MaskStability {
  assertAlike(a, b);
  const counts = Array.from(a, ([name, mask]) => [name, countsOf(mask, of(b, name))] as const);
  const sum = (key: keyof Counts) => counts.reduce((all, [, count]) => all + count[key], 0);
  const all = { weights: sum("weights"), a: sum("a"), b: sum("b"), both: sum("both"), byChance: sum("byChance") };
  return { total: overlap(all), layers: Object.fromEntries(counts.map(([name, count]) => [name, overlap(count)])) };
}

/** How often weights changed sides over a series of masks. */
export interface Churn {
  readonly weights: number;
  /** Mean number of changes of a weight: the sum of the hamming distances of neighbours. */
  readonly changes: number;
  /** Share of weights that changed so many times; as many entries as are needed. */
  readonly times: readonly number[];
  /** Hamming distance of the last mask to the first. */
  readonly displaced: number;
}

export interface MaskSeries {
  /** Number of masks. */
  readonly length: number;
  /** Each mask to the one before. */
  readonly steps: readonly MaskStability[];
  readonly total: Churn;
  readonly layers: Readonly<Record<string, Churn>>;
}

/** Numbers of weights by how often they changed sides, and how many are elsewhere than they began. */
interface Changes {
  readonly weights: number;
  readonly times: readonly number[];
  readonly displaced: number;
}

function changesOf(series: readonly PackedMask[]): Changes {
  const [first, last] = [series[0] as PackedMask, series.at(-1) as PackedMask];
  const displaced = countKept(first) + countKept(last) - 2 * countBoth(first, last);
  return { weights: entries(first), times: countChanges(series), displaced };
}

function churn({ weights, times, displaced }: Changes): Churn {
  const changes = times.reduce((sum, count, n) => sum + n * count, 0);
  return {
    weights,
    changes: changes / weights,
    times: times.map((count) => count / weights),
    displaced: displaced / weights,
  };
}

/** `maskSeries` of packed masks. */
export function churnOf(series: readonly PackedMasks[]): MaskSeries {
  const [first] = series;
  if (first === undefined) throw new UsageError(expected("masks", "a series of at least one mask", "none"));
  const steps = series.slice(1).map((masks, i) => overlaps(series[i] as PackedMasks, masks));
  const all = Array.from(first.keys(), (name) => [name, changesOf(series.map((masks) => of(masks, name)))] as const);
  const most = Math.max(...all.map(([, { times }]) => times.length));
  const sum = (key: (changes: Changes) => number) => all.reduce((before, [, changes]) => before + key(changes), 0);
  const total: Changes = {
    weights: sum(({ weights }) => weights),
    times: Array.from({ length: most }, (_, n) => sum(({ times }) => times[n] ?? 0)),
    displaced: sum(({ displaced }) => displaced),
  };
  const layers = Object.fromEntries(all.map(([name, changes]) => [name, churn(changes)]));
  return { length: series.length, steps, total: churn(total), layers };
}

/** All masks of a series with one another: a row and a column for each, both triangles filled. */
export interface MaskMatrix {
  /** Share that each mask keeps. */
  readonly kept: readonly number[];
  readonly hamming: readonly (readonly number[])[];
  readonly jaccard: readonly (readonly number[])[];
}

/** Compares each mask with each other one, all layers together. */
export function maskMatrix(series: readonly PackedMasks[]): MaskMatrix {
  const [first] = series;
  for (const masks of series) assertAlike(first as PackedMasks, masks);
  const names = [...(first?.keys() ?? [])];
  const sum = (one: (name: string) => number) => names.reduce((all, name) => all + one(name), 0);
  const weights = sum((name) => entries(of(first as PackedMasks, name)));
  const kept = series.map((masks) => sum((name) => countKept(of(masks, name))));
  const hamming = series.map(() => new Array<number>(series.length).fill(0));
  const jaccard = series.map(() => new Array<number>(series.length).fill(1));
  const fill = (matrix: number[][], a: number, b: number, value: number) => {
    (matrix[a] as number[])[b] = value;
    (matrix[b] as number[])[a] = value;
  };
  for (let b = 0; b < series.length; b++) {
    for (let a = 0; a < b; a++) {
      const both = sum((name) => countBoth(of(series[a] as PackedMasks, name), of(series[b] as PackedMasks, name)));
      const either = (kept[a] as number) + (kept[b] as number) - both;
      fill(hamming, a, b, (either - both) / weights);
      fill(jaccard, a, b, either === 0 ? 1 : both / either);
    }
  }
  return { kept: kept.map((count) => count / weights), hamming, jaccard };
}

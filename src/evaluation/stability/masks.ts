// How alike masks are. Of two masks m and m' of p weights, with |.| a count of ones:
//   hamming   |m xor m'| / p                                   share of the weights whose side differs
//   perKept   hamming / 2k, k = |m| / p                        1 where two masks of the same size share nothing
//   jaccard   |m and m'| / |m or m'|                           1 where they are equal, 0 where they share nothing
//   byChance  (K (n - K') + K' (n - K)) / p, summed over layers of n weights, K and K' of them kept: the hamming distance to
//             be expected of masks that keep as many weights of each layer, drawn at random
// Specification: methods.md 8.5. Over a series m_0, ..., m_E (a search's epoch ends), a weight changes sides in epoch e where
// m_e differs from m_(e-1); `changes` are counted over the series, `displaced` is the hamming distance of m_0 and m_E.
import { param } from "../../nn/index.js";
import { type Masks, maskDistance } from "../../pruning/index.js";
import { ops, scope, type Tensor } from "../../torch/index.js";
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

const ones = (tensor: Tensor) => ops.sum(tensor, { dtype: "float64" }).item();

function countsOf(a: Tensor, b: Tensor): Counts {
  return scope(() => {
    const [keptA, keptB, both] = [ones(a), ones(b), ones(ops.mul(a, b))];
    const weights = a.numel;
    const byChance = (keptA * (weights - keptB) + keptB * (weights - keptA)) / weights;
    return { weights, a: keptA, b: keptB, both, byChance };
  });
}

function overlap({ weights, a, b, both, byChance }: Counts, hamming: number): Overlap {
  const differing = a + b - 2 * both;
  const either = a + b - both;
  return {
    weights,
    kept: { a: a / weights, b: b / weights },
    hamming,
    perKept: differing === 0 ? 0 : a === 0 ? null : differing / (2 * a),
    byChance: byChance / weights,
    jaccard: either === 0 ? 1 : both / either,
  };
}

/** Refuses masks of different networks: a distance between them would mean nothing. */
function assertAlike(a: Masks, b: Masks): void {
  const shapes = (masks: Masks) => new Map(Array.from(masks, ([name, mask]) => [name, `[${mask.shape}]`]));
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

/** Compares two masks of one network, layer by layer and in total. DataError where they are of different networks. */
export function maskStability(a: Masks, b: Masks): MaskStability {
  assertAlike(a, b);
  const { hamming, layers: distances } = maskDistance(a, b);
  const counts = Array.from(a, ([name, mask]) => [name, countsOf(mask, param(b, name))] as const);
  const sum = (of: keyof Counts) => counts.reduce((all, [, count]) => all + count[of], 0);
  const all = { weights: sum("weights"), a: sum("a"), b: sum("b"), both: sum("both"), byChance: sum("byChance") };
  const layers = counts.map(([name, count]) => [name, overlap(count, distances[name] as number)] as const);
  return { total: overlap(all, hamming), layers: Object.fromEntries(layers) };
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

function changesOf(series: readonly Tensor[]): Changes {
  return scope(() => {
    const [first, last] = [series[0] as Tensor, series.at(-1) as Tensor];
    const changes = ops.zerosLike(first, { dtype: "float32" });
    for (const [i, mask] of series.slice(1).entries())
      scope(() => ops.add_(changes, ops.ne(mask, series[i] as Tensor)));
    const most = ops.amax(changes).item();
    const times = Array.from({ length: most + 1 }, (_, n) => scope(() => ones(ops.eq(changes, n))));
    return { weights: first.numel, times, displaced: ones(ops.ne(first, last)) };
  });
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

/** Churn of a network's masks over time, in order; they must outlive the call. */
export function maskSeries(series: readonly Masks[]): MaskSeries {
  const [first] = series;
  if (first === undefined) throw new UsageError(expected("masks", "a series of at least one mask", "none"));
  const steps = series.slice(1).map((masks, i) => maskStability(series[i] as Masks, masks));
  const all = Array.from(first.keys(), (name) => [name, changesOf(series.map((masks) => param(masks, name)))] as const);
  const most = Math.max(...all.map(([, { times }]) => times.length));
  const sum = (of: (changes: Changes) => number) => all.reduce((before, [, changes]) => before + of(changes), 0);
  const total: Changes = {
    weights: sum(({ weights }) => weights),
    times: Array.from({ length: most }, (_, n) => sum(({ times }) => times[n] ?? 0)),
    displaced: sum(({ displaced }) => displaced),
  };
  const layers = Object.fromEntries(all.map(([name, changes]) => [name, churn(changes)]));
  return { length: series.length, steps, total: churn(total), layers };
}

// Keep ratios that files do not say, inferred from what they hold.
//   HARP  r_l = sigmoid(c_l) (1 - 0.1 K) + 0.1 K, and the regulariser holds R = sum N_l r_l / sum N_l at K. With S the same
//         sum of sigmoid(c_l), R = K at K = S / (0.9 + 0.1 S). Networks are pruned to round shares, so the nearest of
//         these is taken where R is within 5 % of it (Zhao and Wressnegger, arXiv 2412.14714).
//   HYDRA, RST  where the weights are zero at what the scores do not keep: the share whose counts are those of every layer.
import { keptCount } from "../../pruning/index.js";
import type { ForeignCheckpoint } from "./checkpoint.js";
import { granularityOf } from "./scores.js";
import { countZeros, elements } from "./zeros.js";

const SHARES = [0.5, 0.4, 0.3, 0.25, 0.2, 0.15, 0.1, 0.05, 0.03, 0.02, 0.01, 0.005, 0.002, 0.001];
const TOLERANCE = 0.05;
/** HARP's alpha. */
export const FLOOR = 0.1;
/** What HARP's constructor gives to every c. */
const UNTRAINED = 1;

/** A keep ratio with the reason, or only the reason why there is none. */
export interface Inferred {
  readonly keepRatio?: number;
  readonly why: string;
}

const three = (x: number) => String(Number(x.toPrecision(3)));

/** Share of all weights that HARP's rates keep at K. */
export function keptShare({ rates, scores }: ForeignCheckpoint, keepRatio: number): number {
  let [kept, all] = [0, 0];
  for (const [name, c] of rates) {
    const n = elements(scores.get(name)?.shape ?? []);
    const floor = FLOOR * keepRatio;
    kept += n * ((1 - floor) / (1 + Math.exp(-c)) + floor);
    all += n;
  }
  return kept / all;
}

/** HARP's K from its rates. */
export function inferHarp(checkpoint: ForeignCheckpoint): Inferred {
  const { rates, scores, state } = checkpoint;
  if ([...rates.values()].every((c) => c === UNTRAINED)) {
    return { why: "all rates are as HARP's constructor makes them: they were never learned" };
  }
  const isGrouped = Array.from(scores).some(
    ([name, score]) => granularityOf(score.shape, state.get(name)?.shape ?? []) !== "weights",
  );
  if (isGrouped) return { why: "the rates of channels are held to operations, not to a share of weights" };
  const s = keptShare(checkpoint, 0);
  const exact = s / (1 - FLOOR + FLOOR * s);
  const nearest = SHARES.reduce((best, share) => (Math.abs(share - exact) < Math.abs(best - exact) ? share : best));
  const kept = keptShare(checkpoint, nearest);
  if (Math.abs(kept / nearest - 1) > TOLERANCE) {
    return { why: `the rates agree with no round share (with themselves at ${three(exact)})` };
  }
  return { keepRatio: nearest, why: `at K = ${nearest} the rates keep ${three(100 * kept)} %` };
}

/** Shares that a measured one may be the rounding of: itself with one to four digits. */
function candidates(measured: number): number[] {
  return [1, 2, 3, 4].map((digits) => Number(measured.toPrecision(digits))).filter((share) => share > 0 && share < 1);
}

/** The keep ratio of weights that were multiplied with their masks. */
export function inferFromZeros({ scores, state }: ForeignCheckpoint): Inferred {
  const layers = Array.from(scores, ([name, score]) => {
    const weight = state.get(name);
    const n = elements(score.shape);
    return { n, kept: weight === undefined ? n : elements(weight.shape) - countZeros(weight) };
  });
  const sum = (pick: (layer: { n: number; kept: number }) => number) => layers.reduce((all, l) => all + pick(l), 0);
  const measured = sum((l) => l.kept) / sum((l) => l.n);
  if (measured === 1) return { why: "the file does not say it, and its weights are dense" };
  const found = candidates(measured).find((share) => layers.every(({ n, kept }) => keptCount(n, share) === kept));
  if (found === undefined) return { why: "the file does not say it, and its zeros agree with no share for all layers" };
  return { keepRatio: found, why: `every layer has as many zeros as at ${found}` };
}

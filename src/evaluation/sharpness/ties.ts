// How near the mask is to being another one, for scores that stand for one weight each:
//   ties  per layer, the threshold t half-way between the largest |s| left out and the smallest kept one, and the share of
//         scores with | |s| - t | <= delta rms(s); delta is on the scale of S2AP's gamma, as ||z|| <= gamma ||s|| means
//         rms(z) <= gamma rms(s)
//   flip  the loss after the m weights nearest to the threshold have changed sides, m of those kept and m left out
import { mapParams, type Params, param } from "../../nn/index.js";
import { keepLargest, type Masks } from "../../pruning/index.js";
import { ops, scope, type Tensor } from "../../torch/index.js";
import type { ScoreLoss } from "./score-loss.js";

/** Distances from the threshold, in root mean squares of a layer's scores. */
export const DELTAS = [0.001, 0.003, 0.01, 0.03, 0.1] as const;

export interface LayerTies {
  readonly scores: number;
  readonly kept: number;
  readonly threshold: number;
  /** Between the smallest kept |s| and the largest left out. */
  readonly gap: number;
  readonly rms: number;
  /** Share of the layer's scores within each of `DELTAS`. */
  readonly within: readonly number[];
}

const total = (tensor: Tensor) => ops.sum(tensor, { dtype: "float64" }).item();

/** Nothing is said of a layer that keeps all or nothing. */
function layerTies(score: Tensor, mask: Tensor): LayerTies | undefined {
  return scope(() => {
    const magnitude = ops.abs(score);
    const isKept = ops.gt(mask, 0);
    const kept = total(isKept);
    if (kept === 0 || kept === score.numel) return undefined;
    const low = ops.amax(ops.maskedFill(magnitude, isKept, Number.NEGATIVE_INFINITY)).item();
    const high = ops.amin(ops.maskedFill(magnitude, ops.logicalNot(isKept), Number.POSITIVE_INFINITY)).item();
    const threshold = (low + high) / 2;
    const rms = Math.sqrt(total(ops.mul(score, score)) / score.numel);
    const distance = ops.abs(ops.sub(magnitude, { float: threshold }));
    const within = DELTAS.map((delta) => total(ops.le(distance, { float: delta * rms })) / score.numel);
    return { scores: score.numel, kept, threshold, gap: high - low, rms, within };
  });
}

export interface Ties {
  readonly deltas: readonly number[];
  /** Share of the scores of all layers here. */
  readonly within: readonly number[];
  readonly layers: Readonly<Record<string, LayerTies>>;
}

export function ties(scores: Params, masks: Masks): Ties {
  const found = Array.from(scores, ([name, score]) => [name, layerTies(score, param(masks, name))] as const);
  const layers = Object.fromEntries(found.flatMap(([name, each]) => (each ? [[name, each] as const] : [])));
  const all = Object.values(layers);
  const sum = (of: (layer: LayerTies) => number) => all.reduce((a, layer) => a + of(layer), 0);
  const scored = sum((layer) => layer.scores);
  const share = (i: number) => sum((layer) => (layer.within[i] as number) * layer.scores) / Math.max(scored, 1);
  return { deltas: DELTAS, within: DELTAS.map((_, i) => share(i)), layers };
}

/** The mask with its m smallest kept |s| and its m largest left out exchanged; m at most what there is on either side. */
function flipped(score: Tensor, mask: Tensor, fraction: number): { readonly mask: Tensor; readonly m: number } {
  return scope(() => {
    const kept = total(mask);
    const m = Math.min(Math.max(1, Math.round(fraction * kept)), kept, score.numel - kept);
    const magnitude = ops.abs(score);
    const isKept = ops.gt(mask, 0);
    const least = Number.NEGATIVE_INFINITY;
    // Of equal |s| the one of lower index is left out first: as the mask itself was taken.
    const stay = keepLargest(ops.maskedFill(magnitude, ops.logicalNot(isKept), least), kept - m);
    const enter = keepLargest(ops.maskedFill(magnitude, isKept, least), m);
    return { mask: ops.to(ops.add(stay, enter), mask.dtype), m };
  });
}

export interface Flip {
  readonly loss: number;
  readonly rise: number;
  /** Weights that were exchanged for as many others. */
  readonly swapped: number;
}

/** The loss after `fraction` of a layer's kept weights, the nearest to the threshold, were swapped; in all layers or one. */
export function flip(at: ScoreLoss, fraction: number, layer?: string): Flip {
  return scope(() => {
    let swapped = 0;
    const masks = mapParams(at.held, (mask, name) => {
      const score = at.scores.get(name);
      if (score === undefined || (layer !== undefined && layer !== name)) return mask;
      const changed = flipped(score, mask, fraction);
      swapped += changed.m;
      return changed.mask;
    });
    const loss = at.lossWith(masks);
    return { loss, rise: loss - at.lossWith(at.held), swapped };
  });
}

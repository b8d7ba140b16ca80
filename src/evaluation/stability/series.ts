// A search over its epochs, as its run's events tell it: how far the mask moved, how firmly it stands. What an event has is
// taken over, not computed anew.
import type { EpochDone, RunEvent } from "../../run/index.js";

/** Of one layer at the end of an epoch; null where the run did not log it. */
export interface LayerPoint {
  /** To the epoch before, share of the layer's weights. */
  readonly hamming: number;
  readonly kept: number | null;
  readonly scoreGap: number | null;
}

export interface SeriesPoint {
  /** 0-based. */
  readonly epoch: number;
  /** To the epoch before (the first: to the start), share of all prunable weights. */
  readonly hamming: number;
  readonly perKept: number;
  /** Mean number of times that a weight has changed sides between epoch ends so far: the sum of `hamming`. */
  readonly changes: number;
  readonly kept: number | null;
  readonly swapFraction: number | null;
  /** The smallest and the median of the layers' gaps at the threshold. */
  readonly scoreGap: { readonly least: number; readonly median: number } | null;
  readonly layers: Readonly<Record<string, LayerPoint>>;
}

function gapOf({ scoreGaps = {} }: EpochDone): SeriesPoint["scoreGap"] {
  const gaps = Object.values(scoreGaps).filter((gap) => gap !== null);
  const sorted = gaps.sort((a, b) => a - b);
  const [least] = sorted;
  if (least === undefined) return null;
  const upper = sorted[sorted.length >> 1] as number;
  const lower = sorted[(sorted.length - 1) >> 1] as number;
  return { least, median: (lower + upper) / 2 };
}

function layersOf({ maskDistance, sparsity, scoreGaps }: EpochDone): SeriesPoint["layers"] {
  const layers = Object.entries(maskDistance?.layers ?? {}).map(([name, hamming]) => {
    const zeros = sparsity?.layers[name];
    return [
      name,
      { hamming, kept: zeros === undefined ? null : 1 - zeros, scoreGap: scoreGaps?.[name] ?? null },
    ] as const;
  });
  return Object.fromEntries(layers);
}

/** The search epochs of a run that have a mask distance, in order; none where the method searches nothing. */
export function searchSeries(events: readonly RunEvent[]): SeriesPoint[] {
  let changes = 0;
  return events.flatMap((event): SeriesPoint[] => {
    if (event.type !== "epoch" || event.stage !== "search" || event.maskDistance === undefined) return [];
    const { epoch, swapFraction, sparsity } = event;
    const { hamming, perKept } = event.maskDistance;
    changes += hamming;
    const kept = sparsity === undefined ? null : 1 - sparsity.total;
    return [
      {
        ...{ epoch, hamming, perKept, changes, kept },
        ...{ swapFraction: swapFraction ?? null, scoreGap: gapOf(event), layers: layersOf(event) },
      },
    ];
  });
}

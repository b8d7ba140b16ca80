import type { Losses } from "./landscape-schema.js";
import { niceScale } from "./scale.js";

interface Landscape {
  readonly loss: Losses;
}

/** How the heights of some landscapes are drawn: all alike, so that they can be compared. */
export interface Heights {
  readonly unit: string;
  of(loss: number | null): number | null;
  /** Round ends around all heights. */
  readonly scale: { readonly min: number; readonly max: number };
}

/** The losses that are known. */
const knownLosses = ({ loss }: Landscape): number[] => loss.flat().filter((value) => value !== null);

/** Least and greatest of the losses that are known; undefined where none is. */
export function lossRange(landscapes: readonly Landscape[]): readonly [least: number, greatest: number] | undefined {
  const known = landscapes.flatMap(knownLosses);
  if (known.length === 0) return undefined;
  return [known.reduce((a, b) => Math.min(a, b)), known.reduce((a, b) => Math.max(a, b))];
}

/** Losses as they are, or their logarithms where a few great ones would make all others look alike. */
export function heightsOf(landscapes: readonly Landscape[]): Heights {
  const [least, greatest] = lossRange(landscapes) ?? [0, 1];
  const logarithms = least > 0 && greatest > 20 * least;
  const height = logarithms ? Math.log10 : (loss: number) => loss;
  return {
    unit: logarithms ? "log10 loss" : "loss",
    of: (loss) => (loss === null ? null : height(loss)),
    scale: niceScale([height(least), height(greatest)], { zero: false }),
  };
}

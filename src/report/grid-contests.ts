// The same two things compared in each repetition of a grid, and how far apart they are: per repetition and over them all.
//
// The interval over images is the paired bootstrap's (BCa): images are drawn with replacement, the same ones for both cells, for every
// repetition and for every pair of the page; its statistic is the mean over the repetitions of the difference. So it is about these
// networks on other images. The interval over repetitions is Student's of their differences: other repetitions on these images.
import { type Ends, meanInterval, rng, sharedResamples } from "../util/index.js";
import type { CellData } from "./grid-data.js";
import type { DoneCell, Pair } from "./grid-pairs.js";

export type When = "before" | "after";
export type What = "robust" | "clean";

/** The same two things compared in each repetition. */
export interface Contest {
  readonly a: string;
  readonly b: string;
  readonly pairs: readonly Pair[];
}

/** Accuracy of B less that of A, in [-1,1]. */
export interface Difference {
  /** Of each repetition. */
  readonly each: readonly number[];
  readonly mean: number;
  /** 95 % paired bootstrap interval of the mean, over images. */
  readonly images: Ends;
  /** 95 % t interval of the mean, over repetitions; undefined for one. */
  readonly repetitions: Ends | undefined;
}

/** Of some pairs of cells that repeat one another; undefined where one of them lacks the numbers. */
export type DifferenceOf = (pairs: readonly Pair[], when: When, what: What) => Difference | undefined;

/** The labels of a cell without one choice. */
export function named({ at }: CellData, without: string): string {
  return Object.entries(at)
    .filter(([axis, label]) => axis !== without && label !== "")
    .map(([, label]) => label)
    .join(" ");
}

export function contests(pairs: readonly Pair[], repeat: string): Contest[] {
  const found = new Map<string, { a: string; b: string; pairs: Pair[] }>();
  for (const pair of pairs) {
    const [a, b] = [named(pair.a, repeat), named(pair.b, repeat)];
    const contest = found.get(`${a} | ${b}`) ?? { a, b, pairs: [] };
    contest.pairs.push(pair);
    found.set(`${a} | ${b}`, contest);
  }
  return [...found.values()];
}

export const RESAMPLES = 2000;

/** Differences on `images` test images; the draws are a function of their number alone. */
export function differences(images: number): DifferenceOf {
  const bootstrapped = sharedResamples(images, { rng: rng(0, "paired bootstrap"), resamples: RESAMPLES });
  return (pairs, when, what) => {
    const hits = (cell: DoneCell) => cell.result[when]?.[what];
    const both = pairs.flatMap(({ a, b }) => {
      const [ours, theirs] = [hits(a), hits(b)];
      return ours === undefined || theirs === undefined ? [] : [[ours, theirs] as const];
    });
    if (both.length === 0) return undefined;
    // Sums over the repetitions: whole numbers, so that equal resamples are equal to the last bit.
    const sums = new Int32Array(images);
    const each = both.map(([ours, theirs]) => {
      let all = 0;
      for (let i = 0; i < images; i++) {
        const difference = Number(theirs[i]) - Number(ours[i]);
        sums[i] = (sums[i] as number) + difference;
        all += difference;
      }
      return all / images;
    });
    const [low, high] = bootstrapped(sums).bca;
    const { mean, interval } = meanInterval(each);
    return { each, mean, images: [low / both.length, high / both.length], repetitions: interval };
  };
}

// Cells of a grid that differ in one choice, compared on the same images by McNemar's test.
import { mcnemar } from "../evaluation/compare.js";
import type { AccuracyData, CellData, CellNumbers, GridData } from "./grid-data.js";

export interface DoneCell extends CellData {
  readonly result: CellNumbers;
}

/** Two cells that differ in `axis` alone. */
export interface Pair {
  readonly axis: string;
  readonly a: DoneCell;
  readonly b: DoneCell;
  readonly before: PairTest;
  /** Null where one of them was not finetuned. */
  readonly after: PairTest | null;
}

/** Robust accuracy of `b` less that of `a`, in [-1,1], and how likely so unequal a disagreement is by chance. */
export interface PairTest {
  readonly difference: number;
  readonly onlyA: number;
  readonly onlyB: number;
  readonly p: number;
}

export const isDone = (cell: CellData): cell is DoneCell => cell.status === "done" && cell.result !== undefined;

/** Share of images that are right. */
export function share(hits: string): number {
  return successes(hits) / hits.length;
}

export function successes(hits: string): number {
  return hits.split("1").length - 1;
}

function test(a: AccuracyData, b: AccuracyData): PairTest {
  const only = (x: string, y: string) => [...x].filter((hit, i) => hit === "1" && y[i] === "0").length;
  const [onlyA, onlyB] = [only(a.robust, b.robust), only(b.robust, a.robust)];
  return { difference: (onlyB - onlyA) / a.robust.length, onlyA, onlyB, p: mcnemar(onlyA, onlyB).p };
}

/** All pairs of finished cells that differ in one choice, by choice, in the grid's order; then those with their controls. */
export function pairsOf({ cells }: Pick<GridData, "cells">): Pair[] {
  const done = cells.filter(isDone);
  const axes = Object.keys(cells[0]?.at ?? {});
  const apart = (a: DoneCell, b: DoneCell) => axes.filter((axis) => a.at[axis] !== b.at[axis]);
  const within = axes.flatMap((axis) =>
    done.flatMap((a, i) =>
      done.slice(i + 1).flatMap((b): Pair[] => {
        const alike = (a.control === undefined) === (b.control === undefined);
        return alike && apart(a, b).join() === axis ? [paired(axis, a, b)] : [];
      }),
    ),
  );
  return [...within, ...controlPairs(done)];
}

function paired(axis: string, a: DoneCell, b: DoneCell): Pair {
  const [ours, theirs] = [a.result, b.result];
  const after = ours.after && theirs.after && test(ours.after, theirs.after);
  return { axis, a, b, before: test(ours.before, theirs.before), after };
}

/** What pairs of a cell and its small dense network are said to differ in. */
export const CONTROL = "small dense network";

/** Small dense networks, and the cells that each is to be compared with. */
function controlPairs(done: readonly DoneCell[]): Pair[] {
  return done.flatMap((a) =>
    done.filter(({ control }) => control?.of.includes(a.name)).map((b) => paired(CONTROL, a, b)),
  );
}

/** Every comparison of these pairs, before finetuning and after it. */
export function testsOf(pairs: readonly Pair[]): PairTest[] {
  return pairs.flatMap(({ before, after }) => (after === null ? [before] : [before, after]));
}

/** Of so many comparisons, one that is below this is not yet a chance find: 5 % shared out among all (Bonferroni). */
export function threshold(pairs: readonly Pair[]): number {
  return 0.05 / Math.max(1, testsOf(pairs).length);
}

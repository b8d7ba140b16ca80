// Every comparison of a grid in numbers: cell by cell, and over the repetitions.
import { type Block, figures, type Table, words } from "./blocks.js";
import { decimal, missing } from "./format.js";
import { contests, type Difference, type DifferenceOf, type What, type When } from "./grid-contests.js";
import type { GridData } from "./grid-data.js";
import { CONTROL, type Pair, type PairTest } from "./grid-pairs.js";

const probability = (p: number) => (p < 0.0001 ? "< 0.0001" : decimal(p, 4));
const points = (difference: number) => decimal(100 * difference, 1);
const within = (end: number) => points(Math.min(1, Math.max(-1, end)));
const range = ([low, high]: Difference["images"]) => `${within(low)} to ${within(high)}`;

function pairTable(pairs: readonly Pair[], axis: string, of: DifferenceOf): Table {
  const numbers = (pair: Pair, when: When, test: PairTest | null) => {
    const found = of([pair], when, "robust");
    if (test === null || found === undefined) return [missing, missing, missing];
    const difference = `${points(test.difference)} (${range(found.images)})`;
    return [difference, `${test.onlyA} / ${test.onlyB}`, probability(test.p)];
  };
  return {
    caption: `Cells that differ in ${axis}: robust accuracy of B less that of A, in points (95 % paired bootstrap interval), and McNemar's p`,
    columns: [
      ...["A", "B"].map(words),
      ...["Before", "Only A / only B, images", "p", "After", "Only A / only B, images", "p"].map(figures),
    ],
    rows: pairs.map((pair) => [
      ...[pair.a.name, pair.b.name],
      ...numbers(pair, "before", pair.before),
      ...numbers(pair, "after", pair.after),
    ]),
  };
}

const MEASURED: readonly (readonly [When, What, string])[] = [
  ["after", "robust", "Robust, after"],
  ["before", "robust", "Robust, before"],
  ["after", "clean", "Clean, after"],
  ["before", "clean", "Clean, before"],
];

function overTable(pairs: readonly Pair[], axis: string, repeat: string, of: DifferenceOf): Table {
  const rows = contests(pairs, repeat).flatMap((contest) =>
    MEASURED.flatMap(([when, what, title]) => {
      const found = of(contest.pairs, when, what);
      if (found === undefined) return [];
      const { each, mean, images, repetitions } = found;
      const numbers = [points(mean), range(images), repetitions ? range(repetitions) : missing];
      return [[contest.a, contest.b, title, ...numbers, each.map(points).join(", ")]];
    }),
  );
  const heads = ["Mean of B less A", "95 % over images, bootstrap", `95 % over ${repeat}, t`, `Each ${repeat}`];
  return {
    caption: `Cells that differ in ${axis}, over ${repeat}: accuracy of B less that of A, in points`,
    columns: [...["A", "B", "Accuracy"].map(words), ...heads.map(figures)],
    rows,
  };
}

/** Tables of the comparisons along each choice. */
export function pairTables(
  pairs: readonly Pair[],
  { axes, repeat }: { readonly axes: readonly string[] } & Pick<GridData, "repeat">,
  of: DifferenceOf,
): Block[] {
  return [...axes, CONTROL].flatMap((axis): Block[] => {
    const own = pairs.filter((pair) => pair.axis === axis);
    if (own.length === 0 && axis === CONTROL) return [];
    const over = axis === repeat ? [] : [overTable(own, axis, repeat, of)];
    return [pairTable(own, axis, of), ...over].map((table) => ({ kind: "table", table }));
  });
}

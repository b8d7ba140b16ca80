import { decimal, listing } from "./format.js";
import { type Contest, contests, type DifferenceOf, named, type When } from "./grid-contests.js";
import type { GridData } from "./grid-data.js";
import { type DoneCell, isDone, type Pair, type PairTest, share, testsOf, threshold } from "./grid-pairs.js";

const points = (difference: number) => `${decimal(100 * Math.abs(difference), 1)} points`;

const moments: readonly (readonly [When, string])[] = [
  ["after", "After finetuning"],
  ["before", "Before it"],
];

const sides = (tests: readonly PairTest[]) => new Set(tests.map(({ difference }) => Math.sign(difference)));

/** `by 1.2 and 3.4 points`, one number a repetition. */
function amounts(tests: readonly PairTest[]): string {
  return `by ${listing(tests.map(({ difference }) => decimal(100 * Math.abs(difference), 1)))} points`;
}

/** ` (mean 1.2, 95 % 0.4 to 2.0)`; of one repetition ` (95 % ...)`. */
function within(pairs: readonly Pair[], when: When, flip: number, of: DifferenceOf): string {
  const found = of(pairs, when, "robust");
  if (found === undefined) return "";
  const [low, high] = found.images.map((end) => flip * end).sort((x, y) => x - y) as [number, number];
  const mean = found.each.length > 1 ? `mean ${decimal(100 * flip * found.mean, 1)}, ` : "";
  return ` (${mean}95 % ${decimal(100 * low, 1)} to ${decimal(100 * high, 1)})`;
}

interface Rule {
  /** p must be below it. */
  readonly limit: number;
  readonly repeats: number;
}

function told(
  { a, b, pairs }: Contest,
  when: When,
  { limit, repeats }: Rule,
  of: DifferenceOf,
): { shown: boolean; text: string } {
  const tests = pairs.flatMap((pair) => pair[when] ?? []);
  const clear = tests.filter(({ p }) => p < limit);
  const all = clear.length === tests.length && sides(tests).size === 1;
  const up = (tests[0] as PairTest).difference > 0;
  const [high, low] = up ? [b, a] : [a, b];
  if (all) {
    const sure = tests.length < repeats ? ` (in ${tests.length} of ${repeats} repetitions)` : "";
    return {
      shown: true,
      text: `${high} is above ${low} ${amounts(tests)}${within(pairs, when, up ? 1 : -1, of)}${sure}`,
    };
  }
  const signed = listing(tests.map(({ difference }) => decimal(100 * difference, 1)));
  const some = clear.length > 0 ? ", clear in some repetitions and not in all" : "";
  return { shown: false, text: `${b} less ${a}: ${signed} points${within(pairs, when, 1, of)}${some}` };
}

/** What the comparisons along a choice show, and what they do not. */
export function verdicts(pairs: readonly Pair[], axis: string, grid: GridData, of: DifferenceOf): string[] {
  const { repeat, cells } = grid;
  const rule: Rule = { limit: threshold(pairs), repeats: new Set(cells.map(({ at }) => at[repeat])).size };
  const own = contests(
    pairs.filter((pair) => pair.axis === axis),
    repeat,
  );
  return moments.flatMap(([when, title]) => {
    const both = own.filter((contest) => contest.pairs.some((pair) => pair[when] !== null));
    const found = both.map((contest) => told(contest, when, rule, of));
    const part = (shown: boolean) => found.filter((one) => one.shown === shown).map(({ text }) => text);
    const said = (head: string, texts: string[]) =>
      texts.length === 0 ? [] : [`${title}, ${head}: ${texts.join("; ")}.`];
    return [...said("distinguishable", part(true)), ...said("not distinguishable", part(false))];
  });
}

/** How far repetitions of the same cell lie apart: what chance alone does. */
export function noise(pairs: readonly Pair[], repeat: string): string {
  const own = pairs.filter(({ axis }) => axis === repeat);
  if (own.length === 0) return "";
  const widest = (when: When) => points(Math.max(0, ...own.map((pair) => Math.abs(pair[when]?.difference ?? 0))));
  const limit = threshold(pairs);
  const clear = own.filter((pair) => testsOf([pair]).some(({ p }) => p < limit)).map(({ a }) => named(a, repeat));
  const apart =
    clear.length === 0
      ? "none of these differences is beyond chance on these images"
      : `beyond chance on these images: ${listing([...new Set(clear)])}`;
  return (
    `Cells that differ in ${repeat} alone lie up to ${widest("after")} apart after finetuning and up to ` +
    `${widest("before")} before it; ${apart}. A difference between methods that is no larger says nothing of the methods.`
  );
}

function range(cells: readonly DoneCell[], when: When): readonly [number, number] | undefined {
  const found = cells.flatMap(({ result }) => (result[when] === null ? [] : [share(result[when].robust)]));
  return found.length === 0 ? undefined : [Math.min(...found), Math.max(...found)];
}

const text = ([low, high]: readonly [number, number]) => `${decimal(100 * low, 1)} to ${decimal(100 * high, 1)} %`;

/** Searches in random weights against those that began with the dense network, from the numbers. */
export function scratchText({ cells }: GridData): string {
  const done = cells.filter(isDone).filter(({ control }) => control === undefined);
  const [scratch, others] = [done.filter((cell) => cell.scratch), done.filter((cell) => !cell.scratch)];
  if (scratch.length === 0 || others.length === 0) return "";
  const of = (when: When) => {
    const [mine, theirs] = [range(scratch, when), range(others, when)];
    if (mine === undefined || theirs === undefined) return "not measured";
    const where = mine[1] < theirs[0] ? "all below" : "not all below";
    return `${text(mine)} against ${text(theirs)}, ${where}`;
  };
  const names = listing([...new Set(scratch.map(({ at }) => Object.values(at)[0] ?? ""))]);
  return (
    `${names} searches in random weights that no pretraining has touched; the other cells begin with the dense network. ` +
    `Robust accuracy before finetuning: ${of("before")}; after it: ${of("after")}. A network this small has few random ` +
    "weights to choose from, and the search is short, so this compares the starts as much as the methods."
  );
}

/** The smallest difference that the tests told from chance, and the largest that they did not. */
export function resolution(pairs: readonly Pair[]): string {
  const limit = threshold(pairs);
  const tests = testsOf(pairs);
  const size = ({ difference }: PairTest) => Math.abs(difference);
  const [clear, rest] = [tests.filter(({ p }) => p < limit), tests.filter(({ p }) => p >= limit)];
  const parts = [
    ...(clear.length > 0 ? [`the smallest told from chance is ${points(Math.min(...clear.map(size)))}`] : []),
    ...(rest.length > 0 ? [`the largest that is not is ${points(Math.max(...rest.map(size)))}`] : []),
  ];
  return parts.length === 0 ? "" : `Of ${tests.length} differences, ${listing(parts)}.`;
}

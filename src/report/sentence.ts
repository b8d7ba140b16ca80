import type { ReportRow } from "./data.js";
import type { Interval } from "./format.js";
import { count, label, listing, percent } from "./format.js";

type Measure = "robust" | "clean";

/** A row whose accuracy and interval are known. */
interface Measured {
  readonly name: string;
  readonly accuracy: number;
  readonly interval: Interval;
  readonly conditions: string;
}

const measures = { robust: "robust accuracy", clean: "clean accuracy" } as const;

function measured(rows: readonly ReportRow[], measure: Measure): Measured[] {
  return rows.flatMap((row): Measured[] => {
    const accuracy = measure === "robust" ? row.robustAccuracy : row.cleanAccuracy;
    const interval = measure === "robust" ? row.robustInterval : row.cleanInterval;
    if (accuracy === null || interval === null) return [];
    const attack = measure === "robust" ? `${row.attack} ${row.eps} ` : "";
    return [{ name: label(row.name, 60), accuracy, interval, conditions: `${attack}${row.examples}` }];
  });
}

const overlap = (a: Interval, b: Interval): boolean => a[0] <= b[1] && b[0] <= a[1];

/** `hydra (30.9 %)`. */
const shown = ({ name, accuracy }: Measured): string => `${name} (${percent(accuracy)} %)`;

/** More comparisons than this make no sentence: then the pairs are counted. */
const mostClaims = 2;

const words = ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"];
const numeral = (n: number): string => words[n] ?? String(n);

/** What the intervals of one measure show, as one sentence; "" when nothing can be compared. */
function compare(rows: readonly ReportRow[], measure: Measure): string {
  const known = measured(rows, measure);
  const title = measures[measure];
  if (known.length === 0) return "";
  if (known.length === 1) {
    const { name, accuracy, interval } = known[0] as Measured;
    return `The ${title} of ${name} is ${percent(accuracy)} % (95 % interval ${percent(interval[0])} to ${percent(interval[1])} %).`;
  }
  if (new Set(known.map((row) => row.conditions)).size > 1) {
    return `The networks were not measured alike (attack, radius or number of images differ), so their ${title} is not compared.`;
  }
  const claims = separated(known);
  const all = known.length === 2 ? "both" : `all ${numeral(known.length)}`;
  if (claims.length === 0) {
    return `In ${title}, the 95 % intervals of ${all} networks overlap: no difference between ${listing(known.map(shown))} is shown.`;
  }
  const pairs = claims.reduce((sum, claim) => sum + claim.pairs, 0);
  const total = (known.length * (known.length - 1)) / 2;
  const rest = pairs === total ? "" : "; all other intervals overlap, so no other difference is shown";
  if (claims.length > mostClaims) {
    const order = [...known].sort((a, b) => a.accuracy - b.accuracy);
    const ends = `${shown(order[0] as Measured)} to ${shown(order.at(-1) as Measured)}`;
    return `In ${title}, which goes from ${ends}, ${pairs} of ${total} pairs of networks have 95 % intervals that do not meet${rest}.`;
  }
  return `In ${title}, ${claims.map((claim) => claim.text).join("; ")}, with 95 % intervals that do not meet${rest}.`;
}

/** Pairs whose intervals do not meet, told by the lower row, lower rows with the same superiors together. */
function separated(known: readonly Measured[]): { text: string; pairs: number }[] {
  const groups = new Map<string, { above: Measured[]; below: Measured[] }>();
  for (const row of known) {
    const above = known.filter((other) => !overlap(row.interval, other.interval) && other.accuracy > row.accuracy);
    if (above.length === 0) continue;
    const key = above.map((other) => known.indexOf(other)).join(" ");
    const group = groups.get(key) ?? { above, below: [] };
    group.below.push(row);
    groups.set(key, group);
  }
  return [...groups.values()].map(({ above, below }) => ({
    text: `${listing(below.map(shown))} ${below.length === 1 ? "lies" : "lie"} below ${listing(above.map(shown))}`,
    pairs: above.length * below.length,
  }));
}

/** How the rows were measured, when all were measured alike: `PGD-20 at eps 8/255, 1,000 test images`. */
export function conditions(rows: readonly ReportRow[]): string {
  const one = <K extends "attack" | "eps" | "examples">(key: K): ReportRow[K] | null => {
    const values = [...new Set(rows.map((row) => row[key]).filter((value) => value !== null))];
    return values.length === 1 ? (values[0] as ReportRow[K]) : null;
  };
  const [attack, eps, examples] = [one("attack"), one("eps"), one("examples")];
  const how = [attack === null ? "" : label(attack, 60), eps === null ? "" : `at eps ${label(eps, 20)}`];
  const what = how.filter((part) => part !== "").join(" ");
  return [what, examples === null ? "" : `${count(examples)} test images`].filter((part) => part !== "").join(", ");
}

/**
 * One or two plain sentences: what the 95 % intervals of robust, then of clean accuracy show. Two rows differ only
 * where their intervals do not meet; this is stricter than a test of the difference.
 */
export function sentence(rows: readonly ReportRow[]): string {
  const said = [compare(rows, "robust"), compare(rows, "clean")].filter((text) => text !== "");
  return said.length === 0 ? "No network has been evaluated yet, so there is nothing to compare." : said.join(" ");
}

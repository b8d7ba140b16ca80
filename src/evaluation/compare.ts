// Two evaluations of the same images, image by image. Whether their robust accuracies differ by more than chance is McNemar's
// question (Q. McNemar, Psychometrika 12, 1947): only images on which the two disagree say something of it. With b images that
// only the first withstands and c that only the second does, both equally likely if the networks are equally robust,
//   p = 2 P(Binomial(b + c, 1/2) <= min(b, c)), at most 1                        for b + c < 25
//   p = P(chi-square, one degree of freedom > (max(|b - c| - 1, 0))^2 / (b + c))   above
import { differences } from "../run/index.js";
import { DataError, erfc, show } from "../util/index.js";
import type { Description } from "./description.js";
import type { ImageRecord, Robustness } from "./robustness.js";

/** Below this many disagreements the binomial is summed, above it the chi-square with continuity correction is close. */
const EXACT_BELOW = 25;

export interface McNemar {
  readonly method: "exact" | "chi-square";
  /** Two-sided: how likely so unequal a disagreement is where the networks are equally robust. */
  readonly p: number;
  /** Chi-square; null where the binomial was summed. */
  readonly statistic: number | null;
}

/** Counts of images by what became of them: `onlyA`, robust in A alone. */
export interface Agreement {
  readonly both: number;
  readonly onlyA: number;
  readonly onlyB: number;
  readonly neither: number;
}

export interface Comparison {
  /** Images in both. */
  readonly examples: number;
  /** Images in one of them alone, which are left out. */
  readonly left: { readonly a: number; readonly b: number };
  readonly robust: Agreement;
  readonly clean: Agreement;
  /** Share of the images on which robustness agrees. */
  readonly agreement: number;
  readonly robustAccuracy: { readonly a: number; readonly b: number };
  readonly mcnemar: McNemar;
  /** Images on which they disagree, by position in the data set. */
  readonly onlyA: readonly number[];
  readonly onlyB: readonly number[];
  /** What makes them two claims, in words; empty where threat, attacks with their options, seed and search are the same. */
  readonly differences: readonly string[];
}

/** The test on the two counts of disagreement. */
export function mcnemar(onlyA: number, onlyB: number): McNemar {
  const n = onlyA + onlyB;
  if (n >= EXACT_BELOW) {
    const statistic = Math.max(Math.abs(onlyA - onlyB) - 1, 0) ** 2 / n;
    return { method: "chi-square", p: erfc(Math.sqrt(statistic / 2)), statistic };
  }
  let ways = 1;
  let tail = 0;
  for (let k = 0; k <= Math.min(onlyA, onlyB); k++) {
    tail += ways;
    ways = (ways * (n - k)) / (k + 1);
  }
  return { method: "exact", p: Math.min(1, (2 * tail) / 2 ** n), statistic: null };
}

/**
 * The binomial test at any number of disagreements. `midP` counts half of the outcome that was seen: the exact test is
 * too careful, as whole images are coarse (M. W. Fagerland, S. Lydersen, P. Laake, "The McNemar test for binary
 * matched-pairs data", BMC Medical Research Methodology 13, 2013).
 */
export function mcnemarExact(onlyA: number, onlyB: number): { readonly p: number; readonly midP: number } {
  const n = onlyA + onlyB;
  const least = Math.min(onlyA, onlyB);
  // In logarithms: 2^n is more than a double holds where n is above 1023.
  let logWays = 0;
  let tail = 0;
  let seen = 0;
  for (let k = 0; k <= least; k++) {
    seen = Math.exp(logWays - n * Math.LN2);
    tail += seen;
    logWays += Math.log((n - k) / (k + 1));
  }
  // Where both are equal, each side's tail has the middle outcome: half of it on either side makes 1.
  return { p: Math.min(1, 2 * tail), midP: Math.min(1, 2 * tail - seen) };
}

interface Pair {
  readonly a: ImageRecord;
  readonly b: ImageRecord;
}

const stands = (image: ImageRecord) => image.brokenBy === null;
const isRight = (image: ImageRecord) => image.clean === image.label;

function count(pairs: readonly Pair[], holds: (image: ImageRecord) => boolean): Agreement {
  const number = (inA: boolean, inB: boolean) =>
    pairs.filter(({ a, b }) => holds(a) === inA && holds(b) === inB).length;
  return {
    both: number(true, true),
    onlyA: number(true, false),
    onlyB: number(false, true),
    neither: number(false, false),
  };
}

function pairsOf(a: Robustness, b: Robustness): Pair[] {
  const inB = new Map(b.images.map((image) => [image.index, image]));
  const pairs = a.images.flatMap((image) => {
    const other = inB.get(image.index);
    return other === undefined ? [] : [{ a: image, b: other }];
  });
  const apart = pairs.find((pair) => pair.a.label !== pair.b.label);
  if (apart !== undefined) {
    throw new DataError(
      `compare: expected two records of the same images, got image ${apart.a.index} with label ${apart.a.label} in one and ${apart.b.label} in the other`,
      { code: "data/records-differ" },
    );
  }
  if (pairs.length > 0) return pairs;
  throw new DataError("compare: expected records that share images, got two that share none", {
    code: "data/records-differ",
  });
}

type Said<T> = (what: string, of: (given: T) => string) => string[];

const between =
  <T>(a: T, b: T): Said<T> =>
  (what, of) =>
    of(a) === of(b) ? [] : [`${what}: ${of(a)} in A, ${of(b)} in B`];

/** Options of the attacks that both have. */
function optionDifferences(a: Description, b: Description): string[] {
  const inB = new Map(b.attacks.map(({ name, options }) => [name, options]));
  return a.attacks
    .filter(({ name }) => inB.has(name))
    .flatMap(({ name, options }) =>
      differences(options, inB.get(name)).map(
        ({ path, before, after }) => `${name} ${path}: ${show(before)} in A, ${show(after)} in B`,
      ),
    );
}

/** What only the descriptions of records tell. */
function describedDifferences({ a, b }: Described): string[] {
  if (a === undefined || b === undefined) {
    return ["record.json: one has none, so that data and options of attacks are not compared"];
  }
  const said = between(a, b);
  return [
    ...optionDifferences(a, b),
    ...said("search", ({ model, leave }) => `${model.search}, broken images ${leave ? "leave" : "stay"}`),
    ...said("arithmetic", ({ model }) => model.dtype),
    ...said("attacks on all images", ({ individual }) => (individual ? "yes" : "no")),
    ...(a.warmStart?.sha256 === b.warmStart?.sha256
      ? []
      : said("warm start", ({ warmStart }) => warmStart?.source ?? "none")),
  ];
}

function differencesOf(a: Robustness, b: Robustness, described: Described | undefined): string[] {
  const said = between(a, b);
  return [
    ...said("threat", (r) => `${r.norm} ${r.eps}`),
    ...said("attacks", (r) => `${r.preset} (${Object.keys(r.after).slice(1).join(", ")})`),
    ...(described === undefined ? [] : describedDifferences(described)),
    ...said("seed", (r) => String(r.seed)),
    ...said("until", (r) => (r.verdict === undefined ? "the end" : r.verdict.question)),
  ];
}

/** What each record says it is of; undefined where it does not. */
export interface Described {
  readonly a: Description | undefined;
  readonly b: Description | undefined;
}

/**
 * Compares what became of each image in both, and with `described` also how the attacks were set. DataError where they are of
 * other images.
 */
export function compareRecords(a: Robustness, b: Robustness, described?: Described): Comparison {
  const pairs = pairsOf(a, b);
  const examples = pairs.length;
  const robust = count(pairs, stands);
  const only = (first: "a" | "b", second: "a" | "b") =>
    pairs.filter((pair) => stands(pair[first]) && !stands(pair[second])).map((pair) => pair.a.index);
  return {
    examples,
    left: { a: a.images.length - examples, b: b.images.length - examples },
    robust,
    clean: count(pairs, isRight),
    agreement: (robust.both + robust.neither) / examples,
    robustAccuracy: { a: (robust.both + robust.onlyA) / examples, b: (robust.both + robust.onlyB) / examples },
    mcnemar: mcnemar(robust.onlyA, robust.onlyB),
    onlyA: only("a", "b"),
    onlyB: only("b", "a"),
    differences: differencesOf(a, b, described),
  };
}

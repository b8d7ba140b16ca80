// The tables of the S2AP paper: a search as it was, the same with S2AP, and the difference, by data, network, sparsity and method.
// Two runs are a pair when their recipes differ in the gradient over scores alone. The interval of a difference is Newcombe's (R. G.
// Newcombe, "Interval estimation for the difference between independent proportions", Statistics in Medicine 17 (1998), method 10
// without correction), from the two Wilson intervals: lower end d - sqrt((b - lowB)^2 + (highA - a)^2), upper end alike. It
// takes the images of both for independent; they are the same, so it is wider than need be. `s2ap compare` pairs them.
import { type Cell, figures, type Section, type Table, words } from "./blocks.js";
import { figure, share } from "./cells.js";
import type { ReportData, ReportRow, RunData } from "./data.js";
import type { Interval } from "./format.js";
import { missing, percent, percentInterval } from "./format.js";
import { computed } from "./origin.js";
import { type Facts, recipeFacts } from "./recipe-facts.js";

interface Member {
  readonly row: ReportRow;
  readonly run: RunData;
  readonly facts: Facts;
}

export interface RowPair {
  readonly plain: Member;
  readonly s2ap: Member;
}

/** Rows with their runs that differ in the gradient alone and were measured alike; one plain run may have several with S2AP. */
export function pairsOf({ rows, runs }: Pick<ReportData, "rows" | "runs">): RowPair[] {
  const members = rows.flatMap((row): Member[] => {
    const run = runs.find(({ name }) => name === row.name);
    // A recipe may plan a search that this run, the pretraining of several, has not made.
    const searched = run?.stages.some(({ stage, epochs }) => stage === "search" && epochs.length > 0);
    const facts = searched ? recipeFacts(run?.recipe) : undefined;
    return run === undefined || facts === undefined ? [] : [{ row, run, facts }];
  });
  const key = ({ row, facts }: Member) => JSON.stringify([facts.rest, row.seed, row.attack, row.eps, row.examples]);
  const under = (gradient: string) => members.filter(({ facts }) => facts.gradient === gradient);
  const plains = under("plain");
  const met = new Map<string, number>();
  return under("s2ap").flatMap((s2ap): RowPair[] => {
    const found = plains.filter((plain) => key(plain) === key(s2ap));
    // Repetitions, which nothing tells apart, go together in their order.
    const own = JSON.stringify([key(s2ap), s2ap.facts.options]);
    const nth = met.get(own) ?? 0;
    met.set(own, nth + 1);
    const plain = found[nth] ?? found.at(-1);
    return plain === undefined ? [] : [{ plain, s2ap }];
  });
}

/** What an option of S2AP is set to, as text. */
const setting = ({ s2ap }: RowPair, option: string): string => {
  const value = s2ap.facts.options[option];
  return typeof value === "object" ? JSON.stringify(value) : String(value ?? missing);
};

/** Options of S2AP in which pairs differ, each with what a pair sets it to. */
export function differences(pairs: readonly RowPair[]): { readonly option: string; of(pair: RowPair): string }[] {
  const options = [...new Set(pairs.flatMap(({ s2ap }) => Object.keys(s2ap.facts.options)))];
  const apart = options.filter((option) => new Set(pairs.map((pair) => setting(pair, option))).size > 1);
  return apart.map((option) => ({ option, of: (pair) => setting(pair, option) }));
}

/** Interval of b - a. */
export function newcombe(a: number, [lowA, highA]: Interval, b: number, [lowB, highB]: Interval): [number, number] {
  const d = b - a;
  return [d - Math.hypot(b - lowB, highA - a), d + Math.hypot(highB - b, a - lowA)];
}

type Accuracy = "clean" | "robust";

/** Orig., +S2AP, difference and its interval. */
function accuracyCells({ plain, s2ap }: RowPair, measure: Accuracy): Cell[] {
  const [value, ends] = [`${measure}Accuracy`, `${measure}Interval`] as const;
  const [a, b] = [plain.row[value], s2ap.row[value]];
  const [rangeA, rangeB] = [plain.row[ends], s2ap.row[ends]];
  const [fromA, fromB] = [plain.row.origins, s2ap.row.origins];
  const apart = rangeA !== null && rangeB !== null && (rangeA[1] < rangeB[0] || rangeB[1] < rangeA[0]);
  const marked = (cell: Cell, best: boolean): Cell => (typeof cell !== "string" && best ? { ...cell, best } : cell);
  const known = a !== null && b !== null;
  const d = known ? b - a : null;
  const between = known && rangeA !== null && rangeB !== null ? newcombe(a, rangeA, b, rangeB) : null;
  const sign = d !== null && d > 0 ? "+" : "";
  return [
    marked(share(a, fromA[value]), apart && known && a > b),
    marked(share(b, fromB[value]), apart && known && b > a),
    figure(d === null ? missing : sign + percent(d), d, computed("difference", [fromA[value], fromB[value]]), 100),
    figure(
      percentInterval(between),
      between,
      computed("newcombe", [fromA[value], fromA[ends], fromB[value], fromB[ends]]),
      100,
    ),
  ];
}

function pairTable(pairs: readonly RowPair[]): Table {
  const of = (measure: string) =>
    ["Orig.", "+S2AP", "difference", "95 % interval"].map((each) => ({ ...figures(each), group: measure }));
  const apart = differences(pairs);
  const columns = [
    ...["Data", "Network"].map(words),
    figures("Sparsity, %"),
    words("Method"),
    ...apart.map(({ option }) => figures(option)),
    figures("Seed"),
    ...of("Clean accuracy, %"),
    ...of("Robust accuracy, %"),
  ];
  const rows = pairs.map((pair): Cell[] => {
    const { row, facts } = pair.s2ap;
    return [
      facts.data ?? missing,
      facts.network ?? missing,
      share(row.sparsity, row.origins.sparsity, 2),
      facts.method ?? missing,
      ...apart.map(({ of }) => of(pair)),
      row.seed === null ? missing : figure(String(row.seed), row.seed, row.origins.seed),
      ...accuracyCells(pair, "clean"),
      ...accuracyCells(pair, "robust"),
    ];
  });
  const order = (row: readonly Cell[]) =>
    JSON.stringify(row.slice(0, 4 + apart.length).map((cell) => (typeof cell === "string" ? cell : cell.text)));
  rows.sort((a, b) => (order(a) < order(b) ? -1 : order(a) > order(b) ? 1 : 0));
  return { caption: "Searches as they were and with S2AP", columns, rows, groups: 3 };
}

const reading =
  "Orig. is the search with its plain gradient, +S2AP the same recipe with S2AP's and nothing else changed. The better of two is bold only " +
  "where their 95 % intervals do not meet. The interval of a difference takes the two for measured on independent images, so it is " +
  "wider than a paired test's would be; a difference whose interval holds 0 is not distinguishable from none.";

/** The pairs of a report in the paper's layout. */
export function pairsSection(data: ReportData): Section {
  const pairs = pairsOf(data);
  const title = "With and without S2AP";
  if (pairs.length === 0) return { id: "pairs", title, blocks: [] };
  return {
    id: "pairs",
    title,
    blocks: [
      { kind: "table", table: pairTable(pairs) },
      { kind: "text", text: reading },
    ],
  };
}

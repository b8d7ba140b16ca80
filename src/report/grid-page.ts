// The page of a grid: its numbers, cell by cell, and what they show; a cell that is missing or failed is named as such.
import { wilson } from "../util/index.js";
import { type Block, type Chart, figures, type ReportDocument, type Section, type Table, words } from "./blocks.js";
import { count, decimal, listing, missing, percent, percentInterval, significant } from "./format.js";
import { claimsSection } from "./grid-claims.js";
import { type DifferenceOf, differences, RESAMPLES } from "./grid-contests.js";
import type { AccuracyData, CellData, GridData } from "./grid-data.js";
import { dotCharts, dotSection } from "./grid-dots.js";
import { budgetText, controlText, ledger, meanTable } from "./grid-means.js";
import { pairTables } from "./grid-pair-tables.js";
import { CONTROL, isDone, type Pair, pairsOf, share, successes, testsOf, threshold } from "./grid-pairs.js";
import { noise, resolution, scratchText, verdicts } from "./grid-sentences.js";
import { sharpnessSection } from "./grid-sharpness.js";
import { stabilitySection } from "./grid-stability.js";
import { sweepCharts, sweepSection } from "./grid-sweep.js";
import { markdown } from "./markdown.js";

const withInterval = (hits: string) =>
  `${percent(share(hits))} (${percentInterval(wilson(successes(hits), hits.length))})`;

const accuracies = (of: AccuracyData | null) =>
  of === null ? [missing, missing] : [withInterval(of.clean), withInterval(of.robust)];

function accuracyTable({ cells, dense }: GridData, axes: readonly string[]): Table {
  const row = ({ at, status, result }: CellData): string[] => {
    const labels = axes.map((axis) => at[axis] || missing);
    if (status !== "done" || result === undefined) return [...labels, status, missing, missing, missing, missing];
    const { sparsity, before, after } = result;
    return [...labels, percent(sparsity, 2), ...accuracies(before), ...accuracies(after)];
  };
  const own = dense === null ? [] : accuracies(dense.accuracy);
  const first = ["dense", ...axes.slice(1).map(() => missing), "0", missing, missing, ...own];
  return {
    caption: "Accuracy on test images, % (95 % Wilson interval)",
    columns: [
      ...axes.map(words),
      figures("Sparsity, %"),
      figures("Clean, before finetuning"),
      figures("Robust, before"),
      figures("Clean, after"),
      figures("Robust, after"),
    ],
    rows: [...(dense === null ? [] : [first]), ...cells.map(row)],
  };
}

function costTable({ cells, distances }: GridData, axes: readonly string[]): Table {
  const between = (name: string) => distances.filter(({ a, b }) => a === name || b === name);
  const row = ({ name, at, status, result }: CellData): string[] => {
    const labels = axes.map((axis) => at[axis] || missing);
    if (status !== "done" || result === undefined) return [...labels, status, ...Array<string>(5).fill(missing)];
    const { passes, seconds, maskDistances, swapFraction } = result;
    const minutes = Object.values(seconds).reduce((a, b) => a + b, 0) / 60;
    const others = between(name).map(({ perKept }) => percent(perKept));
    return [
      ...labels,
      count(passes.search ?? 0),
      count(passes.finetune ?? 0),
      decimal(minutes, 1),
      maskDistances.length === 0 ? missing : maskDistances.map((distance) => percent(distance)).join(", "),
      others.length === 0 ? missing : others.join(", "),
      percent(swapFraction, 2),
    ];
  };
  return {
    caption: "Cost and stability",
    columns: [
      ...axes.map(words),
      figures("Passes, search"),
      figures("Passes, finetuning"),
      figures("Minutes"),
      figures("Mask replaced, % of kept, by epoch"),
      figures("Mask against the other repetitions, % of kept"),
      figures("Swapped by the perturbation, % of kept"),
    ],
    rows: cells.map(row),
  };
}

/** `13 of 14 cells are done; missing: a; failed: b (why).` */
export function gridSummary({ cells }: GridData): string {
  const of = (status: CellData["status"]) => cells.filter((cell) => cell.status === status);
  const failed = of("failed").map(({ name, reason }) => `${name} (${reason?.split("\n")[0]})`);
  const absent = of("missing").map(({ name }) => name);
  return [
    `${of("done").length} of ${cells.length} cells are done`,
    ...(absent.length > 0 ? [`missing: ${listing(absent)}`] : []),
    ...(failed.length > 0 ? [`failed: ${listing(failed)}`] : []),
  ].join("; ");
}

const paragraph = (text: string): Block[] => (text === "" ? [] : [{ kind: "text", text }]);

function rule(grid: GridData, pairs: readonly Pair[]): string {
  const limit = significant(threshold(pairs), 2);
  return (
    "Cells are compared on the same images, attacked with the same noise, by McNemar's test of robust accuracy. With " +
    `${testsOf(pairs).length} comparisons on this page, a difference counts as distinguishable where p < ${limit} (5 % shared out ` +
    `among all) in every ${grid.repeat} and in the same direction. Differences are given ${grid.repeat} by ${grid.repeat}, in brackets their mean with its ` +
    `95 % paired bootstrap interval (BCa, ${count(RESAMPLES)} resamples of the images): how large the difference is between these networks on ` +
    "other images (where they agree on every image it is a point, and no certainty). The intervals, each by itself, decide nothing: " +
    "that is McNemar's test alone."
  );
}

/** A key of the recipe as a heading: `gradient` of `stages.search.gradient.name`, else its last part. */
function spokenAxis(axis: string): string {
  const parts = axis.split(".");
  return (parts.at(-1) === "name" ? parts.at(-2) : parts.at(-1)) ?? axis;
}

function comparison(grid: GridData, pairs: readonly Pair[], axes: readonly string[], of: DifferenceOf): Section {
  const blocks: Block[] = [...[rule(grid, pairs), noise(pairs, grid.repeat), resolution(pairs)].flatMap(paragraph)];
  for (const axis of axes.filter((name) => name !== grid.repeat)) {
    const items = verdicts(pairs, axis, grid, of);
    blocks.push({ kind: "heading", text: `By ${spokenAxis(axis)}` });
    if (items.length === 0) blocks.push(...paragraph("No two finished cells differ in this alone."));
    else blocks.push({ kind: "list", items });
  }
  const controls = verdicts(pairs, CONTROL, grid, of);
  if (controls.length > 0) {
    blocks.push({ kind: "heading", text: "Against small dense networks" }, ...paragraph(controlText(grid)));
    blocks.push({ kind: "list", items: controls });
  }
  blocks.push(...paragraph(scratchText(grid)));
  return { id: "comparison", title: "What is distinguishable, and what is not", blocks };
}

function limits({ cells, repeat }: GridData, measured: AccuracyData | undefined): Section {
  const repeats = new Set(cells.map(({ at }) => at[repeat])).size;
  const shared = cells.some(({ scratch, control }) => !scratch && control === undefined);
  const isBound = measured !== undefined && measured.eps !== "" && !measured.attack.startsWith("aa-");
  const items = [
    ...(repeats > 1
      ? []
      : [`There is one ${repeat}: a difference is one between these networks, not between methods.`]),
    ...(shared
      ? [
          `All searches begin with one dense network: ${repeat}s say nothing of another one, which could order the methods otherwise.`,
        ]
      : []),
    ...(isBound
      ? [
          `Under ${measured.attack} robust accuracy is an upper bound. AutoAttack would lower every number, and not all by as much.`,
        ]
      : []),
    "All is at the recipe's data, network and lengths of training; others may order the methods otherwise.",
  ];
  return { id: "limits", title: "What this cannot show", blocks: [{ kind: "list", items }] };
}

function sources({ dense, made }: GridData): Section {
  const items = [
    ...(dense === null ? [] : [`Dense network: SHA-256 ${dense.sha256}`]),
    ...(made === null ? [] : [listing(Object.entries(made).map(([name, value]) => `${name} ${value}`))]),
  ];
  return { id: "sources", title: "Where the numbers come from", blocks: [{ kind: "list", items }] };
}

const hasCurves = (grid: GridData) => sweepCharts(grid).length > 0;

/** The pictures of a grid's page; each is to lie beside it, as its `file`. */
export const gridCharts = (grid: GridData): Chart[] => (hasCurves(grid) ? sweepCharts(grid) : dotCharts(grid));

function gridDocument(grid: GridData, command: string): ReportDocument {
  const axes = Object.keys(grid.cells[0]?.at ?? {});
  const pairs = pairsOf(grid);
  const measured = grid.dense?.accuracy ?? grid.cells.find(isDone)?.result.before;
  const how = measured
    ? `${measured.attack} at eps ${measured.eps} on ${count(measured.robust.length)} test images, clean accuracy on the same. `
    : "";
  const made = `Every number of this page is written by: ${command}. It goes on where it was stopped.`;
  const costs = ledger(grid);
  const incomplete = grid.cells.every(isDone) ? [] : [`${gridSummary(grid)}.`];
  const numbers: Section = {
    id: "numbers",
    title: "Numbers",
    blocks: [
      { kind: "table", table: accuracyTable(grid, axes) },
      ...(grid.cells.some(isDone) ? [{ kind: "table", table: meanTable(grid) } as const] : []),
      ...(grid.budget ? paragraph(budgetText(grid.budget)) : []),
      { kind: "table", table: costTable(grid, axes) },
      ...paragraph(
        "Masks are told below. Passes are forward and backward, of batches. Minutes are those of the clock, whatever else the machine did.",
      ),
    ],
  };
  const of = differences(pairs[0]?.a.result.before.robust.length ?? 1);
  return {
    title: grid.title,
    lead: `${how}${made}${grid.note === undefined ? "" : ` ${grid.note}`}`,
    notices: incomplete,
    sections: [
      ...claimsSection(grid),
      numbers,
      ...stabilitySection(grid),
      ...sharpnessSection(grid),
      ...(hasCurves(grid) ? sweepSection(grid) : dotSection(grid)),
      ...(pairs.length === 0 ? [] : [comparison(grid, pairs, axes, of)]),
      limits(grid, measured),
      ...(pairs.length === 0
        ? []
        : [{ id: "pairs", title: "Every comparison", blocks: pairTables(pairs, { axes, repeat: grid.repeat }, of) }]),
      ...(costs.length === 0 ? [] : [{ id: "ledger", title: "What it cost", blocks: costs }]),
      sources(grid),
    ],
  };
}

/** The grid as GitHub-flavoured Markdown; `command` is the one that makes it. */
export function gridMarkdown(grid: GridData, { command }: { readonly command: string }): string {
  return markdown(gridDocument(grid, command));
}

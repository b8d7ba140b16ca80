// The cells of a grid over their repetitions, what they cost, and how their budgets came to be equal.
import { meanInterval } from "../util/index.js";
import { type Block, figures, type Table, words } from "./blocks.js";
import { count, decimal, listing, missing, percent } from "./format.js";
import type { CostLine, GridData, PassBudget, StageApart } from "./grid-data.js";
import { type DoneCell, isDone, share } from "./grid-pairs.js";

/** Finished cells that repeat one another. */
export interface Group {
  /** Labels of the other choices. */
  readonly labels: readonly string[];
  readonly cells: readonly DoneCell[];
}

/** Finished cells by their labels without the choice that repeats, in the grid's order. */
export function groupsOf({ cells, repeat }: Pick<GridData, "cells" | "repeat">): Group[] {
  const groups = new Map<string, { labels: string[]; cells: DoneCell[] }>();
  for (const cell of cells.filter(isDone)) {
    const labels = Object.entries(cell.at).flatMap(([axis, label]) => (axis === repeat ? [] : [label]));
    const group = groups.get(labels.join("\n")) ?? { labels, cells: [] };
    group.cells.push(cell);
    groups.set(labels.join("\n"), group);
  }
  return [...groups.values()];
}

/** `31.3 (28.1 to 34.5): 30.1, 31.2, 32.6`, in %; of one repetition its value. */
export function meanText(values: readonly number[]): string {
  const { mean, interval } = meanInterval(values);
  if (interval === undefined) return percent(mean);
  const [low, high] = interval.map((end) => Math.min(1, Math.max(0, end)));
  return `${percent(mean)} (${percent(low)} to ${percent(high)}): ${values.map((value) => percent(value)).join(", ")}`;
}

/** Means with intervals, and every repetition's value. */
export function meanTable(grid: GridData): Table {
  const axes = Object.keys(grid.cells[0]?.at ?? {}).filter((axis) => axis !== grid.repeat);
  const of = (cells: readonly DoneCell[], when: "before" | "after", what: "clean" | "robust") => {
    const found = cells.flatMap(({ result }) => (result[when] === null ? [] : [share(result[when][what])]));
    return found.length === 0 ? missing : meanText(found);
  };
  return {
    caption: `Mean over ${grid.repeat}, % (95 % t interval): each ${grid.repeat}`,
    columns: [
      ...axes.map(words),
      ...["Clean, before finetuning", "Robust, before", "Clean, after", "Robust, after"].map(figures),
    ],
    rows: groupsOf(grid).map(({ labels, cells }) => [
      ...labels.map((label) => label || missing),
      of(cells, "before", "clean"),
      of(cells, "before", "robust"),
      of(cells, "after", "clean"),
      of(cells, "after", "robust"),
    ]),
  };
}

const costRow = (name: string, { what, forward, backward, seconds, peakMemory }: CostLine): string[] => [
  ...[name, what, count(forward), count(backward), decimal(seconds, 1)],
  peakMemory === null ? missing : decimal(peakMemory / 1e6, 0),
];

/** What every stage and attack took; none where nothing tells. */
export function ledger({ dense, cells }: GridData): Block[] {
  const rows = [
    ...(dense?.cost ?? []).map((line) => costRow("dense", line)),
    ...cells.filter(isDone).flatMap(({ name, result }) => (result.cost ?? []).map((line) => costRow(name, line))),
  ];
  if (rows.length === 0) return [];
  const columns = [
    ...["Cell", "Stage or attack"].map(words),
    ...["Forward passes", "Backward passes", "Seconds", "Peak memory, MB"].map(figures),
  ];
  const text =
    "Peak memory is all that was resident in the process meanwhile, data and libraries included; what earlier stages freed has gone back " +
    "to the system before each begins.";
  return [
    { kind: "table", table: { caption: "Passes, time and memory of each stage and attack", columns, rows } },
    { kind: "text", text },
  ];
}

const epochs = (n: number) => `${n} epoch${n === 1 ? "" : "s"}`;

const NOUN = { search: "searches", finetune: "finetunings" } as const;

/** How stages came to equal passes. */
export function budgetText({ target, stretched, apart }: PassBudget): string {
  const longer = (["search", "finetune"] as const).flatMap((stage) => {
    const own = stretched.filter((one) => one.stage === stage);
    const names = own.map(({ cell, from, to, passes }) => {
      const off = decimal((100 * (passes - target[stage])) / target[stage], 1);
      return `${cell} from ${count(from)} batches an epoch to ${count(to)} (${count(passes)} passes, ${off} %)`;
    });
    return own.length === 0 ? [] : [` Longer ${NOUN[stage]}: ${listing(names)}.`];
  });
  return (
    `All searches were given the passes of the dearest, ${count(target.search)} forward and backward, and all finetunings those of ` +
    `theirs, ${count(target.finetune)}: by more batches an epoch, which schedules follow.${longer.length === 0 ? " None had to be made longer." : longer.join("")}` +
    apart.map((one) => ` ${apartText(one)}`).join("")
  );
}

/** In which stage budgets are not equal, and why. */
export function apartText({ stage, least, most }: StageApart): string {
  const more = decimal((100 * (most.passes - least.passes)) / least.passes, 1);
  const ends = `from ${count(least.passes)} passes of ${least.cell} to ${count(most.passes)} of ${most.cell}`;
  return `Budgets are not equal: ${NOUN[stage]} differ ${ends}, ${more} % more: whole batches come no nearer.`;
}

/** What the small dense networks are. */
export function controlText({ cells }: GridData): string {
  const told = new Map<string, string>();
  for (const { at, control } of cells) {
    const label = Object.values(at)[0] ?? "";
    if (control === undefined || told.has(label)) continue;
    const { parameters, kept, epochs: trained } = control;
    told.set(
      label,
      `${label} has ${count(parameters)} parameters where the pruned networks keep ${count(kept)}, and was trained for ${epochs(trained)}`,
    );
  }
  return (
    `Dense networks of the same kind, narrow enough to have about as many parameters: ${listing([...told.values()])}: as many as ` +
    "pretraining, search and finetuning of the longest of those take together. They have no finetuning: before and after are the same."
  );
}

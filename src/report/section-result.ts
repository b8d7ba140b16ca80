import { type Block, type Chart, figures, type Section, type Table, words } from "./blocks.js";
import { figure, share, shareInterval } from "./cells.js";
import { type Estimate, intervalChart, stackChart } from "./charts.js";
import type { ReportData, ReportRow } from "./data.js";
import { count, decimal, seconds, significant, stageOrder, stageTitle } from "./format.js";
import { type Style, stageColours } from "./palette.js";
import { conditions } from "./sentence.js";

type Styles = ReadonlyMap<string, Style>;

/** Accuracies, what the search did and what it cost. */
export function resultSection({ rows }: ReportData, styles: Styles): Section {
  if (rows.length === 0) return { id: "result", title: "Result", blocks: [] };
  const how = conditions(rows);
  const charts = [
    ...accuracyChart("robust", rows, styles),
    ...accuracyChart("clean", rows, styles),
    ...secondsChart(rows),
  ];
  const blocks: Block[] = [
    ...(how === ""
      ? []
      : [
          {
            kind: "text",
            text: `Measured with ${how}. Ranges are 95 % intervals; the grey band is that of ${rows[0]?.name}.`,
          } as const,
        ]),
    { kind: "charts", charts, numbers: null },
    { kind: "table", table: accuracyTable(rows) },
    { kind: "table", table: costTable(rows) },
    { kind: "text", text: reading },
  ];
  return { id: "result", title: "Result", blocks };
}

const reading =
  "Robust accuracy is the share of all test images that are classified right and stay right under the attack. " +
  "Before finetuning, it is that of the masked network on the images held out of the training set. " +
  "Replaced is the share of kept weights that differ from the epoch before (Hamming distance of the masks / 2k); " +
  "swapped, the share that S2AP's perturbation z exchanges; the sharpness gap is L(s + z) − L(s): all three are of the last search epoch. " +
  "Passes (forward and backward, a batch each) and seconds are those of the network's own run: pretraining that several " +
  "share is counted once, where it was done.";

function accuracyChart(measure: "robust" | "clean", rows: readonly ReportRow[], styles: Styles): Chart[] {
  const estimates = rows.flatMap((row): Estimate[] => {
    const value = measure === "robust" ? row.robustAccuracy : row.cleanAccuracy;
    const interval = measure === "robust" ? row.robustInterval : row.cleanInterval;
    const style = styles.get(row.name);
    if (value === null || style === undefined) return [];
    return [
      { name: row.name, style, value: value * 100, interval: interval && [interval[0] * 100, interval[1] * 100] },
    ];
  });
  if (estimates.length === 0) return [];
  const title = measure === "robust" ? "Robust accuracy" : "Clean accuracy";
  const told = estimates.map(({ name, value, interval }) => {
    const range = interval === null ? "" : ` (${decimal(interval[0], 1)} to ${decimal(interval[1], 1)})`;
    return `${name} ${decimal(value, 1)}${range}`;
  });
  const id = `${measure}-accuracy`;
  return [
    {
      id,
      title,
      alt: `${title} in percent with 95 % intervals: ${told.join("; ")}.`,
      draw: () => intervalChart(id, estimates, { unit: "% of test images" }),
    },
  ];
}

function stagesOf(rows: readonly ReportRow[]): string[] {
  return stageOrder(rows.flatMap((row) => Object.keys(row.stageSeconds)));
}

function secondsChart(rows: readonly ReportRow[]): Chart[] {
  const stages = stagesOf(rows);
  if (stages.length === 0) return [];
  const parts = stages.map((stage, index) => ({
    name: stageTitle(stage),
    colour: stageColours[Math.min(index, stageColours.length - 1)] as (typeof stageColours)[number],
  }));
  const stacks = rows.map((row) => ({ name: row.name, parts: stages.map((stage) => row.stageSeconds[stage] ?? 0) }));
  const told = rows.map((row) => {
    const each = stages.flatMap((stage) =>
      stage in row.stageSeconds ? `${stage} ${seconds(row.stageSeconds[stage])}` : [],
    );
    return `${row.name} ${each.join(", ")}`;
  });
  return [
    {
      id: "seconds",
      title: "Time spent",
      alt: `Seconds per stage: ${told.join("; ")}.`,
      draw: () => stackChart("seconds", stacks, { unit: "seconds", parts }),
    },
  ];
}

function accuracyTable(rows: readonly ReportRow[]): Table {
  return {
    caption: "Accuracy of every network",
    columns: [
      words("Network"),
      figures("Sparsity, %"),
      figures("Robust accuracy, %"),
      figures("95 % interval"),
      figures("Clean accuracy, %"),
      figures("95 % interval"),
      figures("Robust before finetuning, %"),
    ],
    rows: rows.map((row) => [
      row.name,
      share(row.sparsity, row.origins.sparsity, 2),
      share(row.robustAccuracy, row.origins.robustAccuracy),
      shareInterval(row.robustInterval, row.origins.robustInterval),
      share(row.cleanAccuracy, row.origins.cleanAccuracy),
      shareInterval(row.cleanInterval, row.origins.cleanInterval),
      share(row.maskRobustAccuracy, row.origins.maskRobustAccuracy),
    ]),
  };
}

function costTable(rows: readonly ReportRow[]): Table {
  const stages = stagesOf(rows);
  return {
    caption: "The last epoch of the mask search, and what the network cost",
    columns: [
      words("Network"),
      figures("Kept weights replaced, %"),
      figures("Kept weights swapped, %"),
      figures("Sharpness gap"),
      figures("Passes"),
      ...stages.map((stage) => figures(`${stageTitle(stage)}, s`)),
      figures("In all, s"),
    ],
    rows: rows.map((row) => [
      row.name,
      share(row.maskDistance, row.origins.maskDistance, 2),
      share(row.swapFraction, row.origins.swapFraction, 2),
      figure(significant(row.sharpnessGap), row.sharpnessGap, row.origins.sharpnessGap),
      figure(count(row.passes), row.passes, row.origins.passes),
      ...stages.map((stage) => {
        const spent = row.stageSeconds[stage];
        return figure(seconds(spent), spent, row.origins[`stageSeconds.${stage}`]);
      }),
      figure(seconds(row.seconds), row.seconds, row.origins.seconds),
    ]),
  };
}

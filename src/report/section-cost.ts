import { type Cell, figures, type Section, type Table, words } from "./blocks.js";
import { figure } from "./cells.js";
import { stackChart } from "./charts.js";
import type { EpochData, ReportData, RunData, StageData } from "./data.js";
import { count, decimal, missing, seconds, stageOrder, stageTitle } from "./format.js";
import { computed } from "./origin.js";
import { stageColours } from "./palette.js";

const spent = ({ epochs }: StageData) => epochs.flatMap((epoch) => (epoch.seconds === null ? [] : [epoch]));

function stageRow(run: RunData, stage: StageData): Cell[] {
  const last = stage.epochs.at(-1);
  const timed = spent(stage);
  const total = timed.reduce((sum, epoch) => sum + (epoch.seconds ?? 0), 0);
  const cost = (field: "forwardCost" | "backwardCost") =>
    figure(decimal(last?.[field], 3), last?.[field], last?.origins[field]);
  return [
    run.name,
    stageTitle(stage.stage),
    stage.planned === null ? String(stage.epochs.length) : `${stage.epochs.length} of ${stage.planned}`,
    figure(count(last?.passes), last?.passes, last?.origins.passes),
    timed.length === 0
      ? missing
      : figure(
          seconds(total),
          total,
          computed(
            "sum",
            timed.map(({ origins }) => origins.seconds),
          ),
        ),
    cost("forwardCost"),
    cost("backwardCost"),
    peak(stage.epochs),
  ];
}

/** The epoch that had most in memory. */
function peak(epochs: readonly EpochData[]): Cell {
  const most = epochs.reduce<EpochData | undefined>(
    (found, epoch) => ((epoch.peakMemory ?? 0) > (found?.peakMemory ?? 0) ? epoch : found),
    undefined,
  );
  const bytes = most?.peakMemory ?? null;
  return bytes === null ? missing : figure(decimal(bytes / 2 ** 20, 0), bytes, most?.origins.peakMemory, 1 / 2 ** 20);
}

function costTable(runs: readonly RunData[]): Table {
  return {
    caption: "What every stage cost",
    columns: [
      ...["Network", "Stage"].map(words),
      figures("Epochs"),
      figures("Passes"),
      figures("Seconds"),
      figures("Forward passes of a step, times plain"),
      figures("Backward passes of a step, times plain"),
      figures("Peak memory, MiB"),
    ],
    rows: runs.flatMap((run) =>
      run.stages.filter(({ epochs }) => epochs.length > 0).map((stage) => stageRow(run, stage)),
    ),
  };
}

/** Passes, seconds and memory of every stage of every run. */
export function costSection({ runs }: ReportData): Section {
  const title = "Cost";
  const table = costTable(runs);
  if (table.rows.length === 0) return { id: "cost", title, blocks: [] };
  const stages = stageOrder(runs.flatMap((run) => run.stages.map(({ stage }) => stage)));
  const parts = stages.map((stage, index) => ({
    name: stageTitle(stage),
    colour: stageColours[Math.min(index, stageColours.length - 1)] as (typeof stageColours)[number],
  }));
  const passes = (run: RunData, stage: string) =>
    run.stages.find((entry) => entry.stage === stage)?.epochs.at(-1)?.passes ?? 0;
  const stacks = runs.map((run) => ({ name: run.name, parts: stages.map((stage) => passes(run, stage)) }));
  const told = runs.map((run) => {
    const each = run.stages.map(({ stage }) => `${stage} ${count(passes(run, stage))}`);
    return `${run.name} ${each.join(", ")}`;
  });
  const chart = {
    id: "passes",
    title: "Passes spent",
    alt: `Forward and backward passes per stage: ${told.join("; ")}.`,
    draw: () => stackChart("passes", stacks, { unit: "forward and backward passes, a batch each", parts }),
  };
  const text =
    "Passes are forward and backward, a batch each, of the whole stage. Seconds are those of the clock, whatever else the machine did. " +
    "A step's passes are of the stage's last epoch, over those of a plain step.";
  return {
    id: "cost",
    title,
    blocks: [
      { kind: "charts", charts: [chart], numbers: null },
      { kind: "table", table },
      { kind: "text", text },
    ],
  };
}

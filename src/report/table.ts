import CliTable from "cli-table3";
import type { ReportRow } from "./data.js";
import type { Interval } from "./format.js";
import { count, label, missing, percent, seconds, significant, stageOrder } from "./format.js";

const withInterval = (value: number | null, interval: Interval | null): string =>
  interval === null ? percent(value) : `${percent(value)}\n${percent(interval[0])}–${percent(interval[1])}`;

function stageLines(row: ReportRow): string {
  const stages = stageOrder(Object.keys(row.stageSeconds));
  const width = Math.max(0, ...stages.map((stage) => stage.length));
  const lines = stages.map(
    (stage) => `${label(stage, 12).padEnd(width)} ${seconds(row.stageSeconds[stage]).padStart(5)}`,
  );
  return lines.length === 0 ? missing : lines.join("\n");
}

/** The rows as a table for a terminal of 100 columns, without colours. */
export function terminalTable(rows: readonly ReportRow[]): string {
  const right = "right" as const;
  const table = new CliTable({
    head: [
      "network",
      "sparsity\n%",
      "clean %\n95 % int.",
      "robust %\n95 % int.",
      "before\nfinet. %",
      "replaced\n% kept",
      "swapped\n% kept",
      "sharp.\ngap",
      "passes",
      "seconds",
    ],
    colAligns: ["left", right, right, right, right, right, right, right, right, "left"],
    style: { head: [], border: [], "padding-left": 0, "padding-right": 1 },
    chars: borders,
  });
  for (const row of rows) {
    table.push([
      label(row.name, 24),
      percent(row.sparsity, 2),
      withInterval(row.cleanAccuracy, row.cleanInterval),
      withInterval(row.robustAccuracy, row.robustInterval),
      percent(row.maskRobustAccuracy),
      percent(row.maskDistance, 2),
      percent(row.swapFraction, 2),
      significant(row.sharpnessGap),
      count(row.passes),
      stageLines(row),
    ]);
  }
  return table.toString().replace(/ +$/gm, "");
}

/** Rules between rows only: upright lines would cost the width that the numbers need. */
const borders = {
  top: "─",
  "top-mid": "",
  "top-left": "",
  "top-right": "",
  bottom: "─",
  "bottom-mid": "",
  "bottom-left": "",
  "bottom-right": "",
  left: "",
  "left-mid": "",
  mid: "─",
  "mid-mid": "",
  right: "",
  "right-mid": "",
  middle: "",
};

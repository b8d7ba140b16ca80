import { dirname, join, resolve } from "node:path";
import { type CellTold, type Grid, gridSoFar, loadGrid, runGrid } from "../../recipe/index.js";
import { registries } from "../../recipe/registries.js";
import { onWhite } from "../../report/figure-files.js";
import { gridCharts, gridMarkdown, gridSummary } from "../../report/index.js";
import { makeFolder, S2apError, writeFileAtomic } from "../../util/index.js";
import { duration } from "../format.js";
import type { Job, JobContext } from "../jobs.js";
import { thinned } from "./run.js";

export interface GridJobOptions {
  readonly path: string;
  readonly profile?: string | undefined;
  /** Default: `runs/` and the grid's name. */
  readonly out?: string | undefined;
  readonly from?: string | undefined;
  /** Default: `grid.md` in `out`. */
  readonly markdown?: string | undefined;
  /** Writes the page of what is there, and runs nothing. */
  readonly onlyReport: boolean;
  /** The command as it is named on the page. */
  readonly command: string;
}

export interface GridJobResult {
  /** `failed`: some cells did; the others are done. */
  readonly status: "done" | "failed" | "stopped";
  readonly out: string;
  readonly markdown: string;
  /** How many cells are done, which are missing or have failed. */
  readonly summary: string;
}

/** `cell 3 of 14, harp-s2ap-1: begins, about 3:10, all cells 31:20`. */
function cellText({ cell, number, of, what, reason, left }: CellTold): string {
  const times = left && [`all cells about ${duration(left.all)} left`];
  const own = left && what !== "done" && what !== "failed" ? [`this one about ${duration(left.cell)}`] : [];
  const happened = {
    ...{ begin: "begins", epoch: "an epoch done", done: "done", there: "", taken: "" },
    failed: `failed: ${reason}`,
  }[what];
  return `cell ${number} of ${of}, ${cell.name}: ${[happened, ...own, ...(times ?? [])].join(", ")}`;
}

/** Where a grid's results go, and what is done. */
export interface GridPlace extends Pick<GridJobOptions, "from" | "markdown" | "onlyReport" | "command"> {
  readonly out: string;
}

/** Runs a grid, or goes on with it, and writes its page after every cell. */
export async function runGridAt(
  grid: Grid,
  place: GridPlace,
  { shouldStop, report: send }: JobContext,
): Promise<GridJobResult> {
  const { out, from, onlyReport, command } = place;
  if (!onlyReport) send({ kind: "folder", path: out });
  const markdown = place.markdown ?? join(out, "grid.md");
  const write = (data: ReturnType<typeof gridSoFar>) => {
    makeFolder(dirname(resolve(markdown)));
    writeFileAtomic(markdown, gridMarkdown(data, { command }));
    for (const { file, draw } of gridCharts(data)) {
      if (file) writeFileAtomic(join(dirname(markdown), file), onWhite(draw()));
    }
    return { out, markdown, summary: gridSummary(data) };
  };
  if (onlyReport) return { status: "done", ...write(gridSoFar(grid, out)) };
  const onCell = (told: CellTold) => {
    const kind = told.what === "failed" ? "warning" : "message";
    if (told.what !== "there" && told.what !== "taken") send({ kind, text: cellText(told) });
    if (told.what === "done" || told.what === "failed") write(gridSoFar(grid, out));
  };
  try {
    const data = await runGrid(grid, { out, from, shouldStop, onUpdate: thinned(send), onCell });
    const failed = data.cells.some((cell) => cell.status === "failed");
    return { status: failed ? "failed" : "done", ...write(data) };
  } catch (error) {
    if (error instanceof S2apError && error.code === "stopped") {
      return { status: "stopped", ...write(gridSoFar(grid, out)) };
    }
    throw error;
  }
}

export const job: Job<GridJobOptions, GridJobResult> = (options, context) => {
  const { path, profile } = options;
  const grid = loadGrid(path, { registries, profile });
  const out = options.out ?? join("runs", profile === undefined ? grid.name : `${grid.name}-${profile}`);
  return runGridAt(grid, { ...options, out }, context);
};

import { join } from "node:path";
import {
  type CompareGrid,
  compareGrid,
  type Estimate,
  equalPasses,
  estimateGrid,
  gridSoFar,
  lacksSharpness,
  type Skipped,
  withSmallDense,
} from "../../recipe/index.js";
import { registries } from "../../recipe/registries.js";
import { apartText } from "../../report/index.js";
import type { Job } from "../jobs.js";
import { type GridJobResult, runGridAt } from "./grid.js";

export interface CompareJobOptions {
  /** `plan` tells what would be done, and what it would cost. */
  readonly what: "plan" | "run";
  readonly path: string;
  readonly grid: readonly string[];
  readonly seeds: string;
  readonly set: readonly string[];
  readonly profile?: string | undefined;
  readonly skipInvalid: boolean;
  readonly smallDense: boolean;
  readonly equal: "epochs" | "passes";
  readonly sharpness?: string | true | undefined;
  readonly claims?: string | undefined;
  /** Default: `runs/`, the recipe's name and `-compare`. */
  readonly out?: string | undefined;
  readonly from?: string | undefined;
  readonly markdown?: string | undefined;
  readonly onlyReport: boolean;
  /** The command as it is named on the page. */
  readonly command: string;
}

export interface ComparePlan {
  readonly status: "planned";
  readonly out: string;
  readonly cells: readonly string[];
  /** Cells that are there. */
  readonly done: readonly string[];
  readonly skipped: readonly Skipped[];
  /** Of what is not there; null when everything is. */
  readonly estimate: Estimate | null;
  /** Whether sharpness is to be measured besides, which the estimate leaves out. */
  readonly measured: boolean;
  /** In which stages passes stay unequal after they were to be made equal, in words. */
  readonly unequal: readonly string[];
}

function outOf({ out, profile, equal }: CompareJobOptions, { name }: CompareGrid): string {
  const parts = [name, ...(profile === undefined ? [] : [profile]), ...(equal === "passes" ? ["passes"] : [])];
  return out ?? join("runs", parts.join("-"));
}

/** Plans a comparison, or runs it as the grid that it is. */
export const job: Job<CompareJobOptions, ComparePlan | GridJobResult> = async (options, context) => {
  const { what, path, equal, from, smallDense } = options;
  const plain = compareGrid(path, { ...options, registries });
  const equalled = equal === "passes" ? await equalPasses(plain) : plain;
  const grid = smallDense ? withSmallDense(equalled) : equalled;
  const out = outOf(options, grid);
  if (what === "run") return runGridAt(grid, { ...options, out }, context);
  // Sharpness is measured of cells that are there, which are not run again.
  const { sharpness: _sharpness, ...trained } = grid;
  const before = gridSoFar(trained, out);
  const done = before.cells.filter(({ status }) => status === "done").map(({ name }) => name);
  const left = grid.cells.filter(({ name }) => !done.includes(name));
  const onMessage = (text: string) => context.report({ kind: "message", text });
  const dense = before.dense === null && from === undefined;
  const estimate = left.length === 0 ? null : await estimateGrid(grid, { cells: left, dense, onMessage });
  const measured = grid.cells.some((cell) => lacksSharpness(grid, cell, join(out, cell.name)));
  const cells = grid.cells.map(({ name }) => name);
  const unequal = (grid.budget?.apart ?? []).map(apartText);
  return { status: "planned", out, cells, done, skipped: grid.skipped, estimate, measured, unequal };
};

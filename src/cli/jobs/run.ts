import { join } from "node:path";
import { loadRecipe } from "../../recipe/index.js";
import { registries } from "../../recipe/registries.js";
import { type RunUpdate, runRecipe } from "../../recipe/run.js";
import type { Stage } from "../../run/index.js";
import { S2apError } from "../../util/index.js";
import type { Job } from "../jobs.js";

export interface RunJobOptions {
  readonly path: string;
  readonly set: readonly string[];
  readonly profile?: string | undefined;
  /** Default: `runs/` and the recipe's name. */
  readonly out?: string | undefined;
  readonly only?: Stage | undefined;
  readonly from?: string | undefined;
}

export interface RunJobResult {
  /** `stopped`: as asked, with the state saved. */
  readonly status: "done" | "stopped";
  readonly out: string;
  readonly report?: string;
}

/** Live lines are drawn ten times a second: more progress than that would only keep the main thread busy. */
const PROGRESS_MS = 100;

export function thinned(send: (update: RunUpdate) => void): (update: RunUpdate) => void {
  let last = Number.NEGATIVE_INFINITY;
  return (update) => {
    if (update.kind === "progress" || update.kind === "evaluation" || update.kind === "measuring") {
      if (performance.now() - last < PROGRESS_MS) return;
      last = performance.now();
    }
    send(update);
  };
}

/** Runs a recipe, or goes on with it. */
export const job: Job<RunJobOptions, RunJobResult> = async (options, { shouldStop, report: send }) => {
  const { path, set, profile, only, from } = options;
  const recipe = loadRecipe(path, { registries, set, profile });
  const out = options.out ?? join("runs", profile === undefined ? recipe.name : `${recipe.name}-${profile}`);
  send({ kind: "folder", path: out });
  // In an experiment every line says which network it is about.
  const named = (update: RunUpdate) =>
    "run" in update && recipe.variants === undefined ? { ...update, run: "" } : update;
  const tell = thinned((update) => send(named(update)));
  try {
    const { report } = await runRecipe(recipe, { out, only, from, shouldStop, onUpdate: tell });
    return { status: "done", out, report };
  } catch (error) {
    if (error instanceof S2apError && error.code === "stopped") return { status: "stopped", out };
    throw error;
  }
};

// What a search leaves of chosen epochs beside its checkpoints, for those who look at its course afterwards: one file
// an epoch, `scores/epoch-0000.safetensors` before the first step. The frozen weights are in the search's result.
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { disposeParams, type Params } from "../nn/index.js";
import type { Run } from "../run/index.js";
import { makeFolder } from "../util/index.js";
import { type Groups, loadGroups, saveGroups } from "./checkpoint.js";

/**
 * Of which epochs: `none`, or the start and the end and besides those listed (by epochs done, 0 being the start) or
 * every so many.
 */
export type KeepScores = "none" | readonly number[] | { readonly every: number };

/** Whether the state after so many epochs is kept. */
export function keeps(choice: KeepScores | undefined, done: number, epochs: number): boolean {
  if (choice === "none") return false;
  if (done === 0 || done === epochs || choice === undefined) return done === 0 || done === epochs;
  return "length" in choice ? choice.includes(done) : done % choice.every === 0;
}

const FOLDER = "scores";
const fileOf = (done: number) => `epoch-${String(done).padStart(4, "0")}.safetensors`;

/** Groups that are kept, of `params` those that the search changes: `scores`, `trained`, `numbers`, `params`, `buffers`. */
export function keepScores(run: Run, done: number, groups: Groups): void {
  makeFolder(run.path(FOLDER));
  saveGroups(run.path(FOLDER, fileOf(done)), groups, { stage: "search", epochs: done });
}

/** The epochs that a run folder has kept, by epochs done, in order. */
export function keptEpochs(folder: string): number[] {
  const path = join(folder, FOLDER);
  if (!existsSync(path)) return [];
  const numbers = readdirSync(path).map((name) => /^epoch-(\d+)\.safetensors$/.exec(name)?.[1]);
  return numbers
    .filter((digits) => digits !== undefined)
    .map(Number)
    .sort((a, b) => a - b);
}

export interface KeptScores {
  readonly scores: Params;
  readonly trained: Params;
  /** The method's numbers. */
  readonly numbers: Readonly<Record<string, number>>;
  /** Parameters of layers that are not pruned, such as batch norm's. */
  readonly params: Params;
  readonly buffers: Params;
}

/** A kept state; no scope owns its tensors. DataError where the file is not there or damaged. */
export function loadScores(folder: string, done: number): KeptScores {
  const { groups } = loadGroups(join(folder, FOLDER, fileOf(done)));
  const group = (name: string): Params => groups.get(name) ?? new Map();
  const numbers = Object.fromEntries(Array.from(group("numbers"), ([name, at]) => [name, at.item()]));
  disposeParams(group("numbers"));
  return {
    scores: group("scores"),
    trained: group("trained"),
    numbers,
    params: group("params"),
    buffers: group("buffers"),
  };
}

// What a search leaves of chosen epochs beside its checkpoints, for those who look at its course afterwards: one file
// an epoch, `scores/epoch-0000.safetensors` before the first step. The frozen weights are in the search's result.
import { join } from "node:path";
import { disposeParams, type Params } from "../nn/index.js";
import type { Run } from "../run/index.js";
import { makeFolder } from "../util/index.js";
import { type Groups, loadGroups, saveGroups } from "./checkpoint.js";
import { epochFile, epochsIn } from "./kept-epochs.js";

const FOLDER = "scores";

/** Groups that are kept, of `params` those that the search changes: `scores`, `trained`, `numbers`, `params`, `buffers`. */
export function keepScores(run: Run, done: number, groups: Groups): void {
  makeFolder(run.path(FOLDER));
  saveGroups(run.path(FOLDER, epochFile(done)), groups, { stage: "search", epochs: done });
}

/** The epochs whose scores a run folder has kept, by epochs done, in order. */
export const keptEpochs = (folder: string): number[] => epochsIn(join(folder, FOLDER));

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
  const { groups } = loadGroups(join(folder, FOLDER, epochFile(done)));
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

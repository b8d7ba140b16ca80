// What a finished stage leaves in its run folder, so that a second run of the command takes it from there.
import { existsSync } from "node:fs";
import type { ModelState, Params } from "../nn/index.js";
import type { Run, Stage } from "../run/index.js";
import { DataError } from "../util/index.js";
import { loadGroups, removeCheckpoints, resultPath, type Saved, saveGroups } from "./checkpoint.js";
import type { History } from "./options.js";

export interface StageResult extends ModelState {
  /** Of a search. */
  readonly masks: Params | undefined;
  readonly history: History;
}

interface ResultMeta {
  readonly stage: Stage;
  readonly eventsBytes: number;
  readonly history: History;
}

/** Length of each open run's log at the end of its last finished stage: what follows may have to be written anew. */
const settled = new WeakMap<Run, number>();

/** Cuts the log back to the end of the last finished stage, or to its first line where there is none. */
export function rewind(run: Run): void {
  const end = settled.get(run);
  run.truncate(end ?? 0);
  if (end === undefined) run.append({ type: "run", name: run.manifest.name, seed: run.manifest.seed });
}

function readResult(path: string): Saved<ResultMeta> {
  try {
    return loadGroups<ResultMeta>(path);
  } catch (error) {
    if (!(error instanceof DataError)) throw error;
    throw new DataError(`${error.message}; remove it to do the stage again`, { code: error.code, cause: error });
  }
}

/** A finished stage's result. */
export function loadResult(run: Run, stage: Stage): StageResult | undefined {
  const path = resultPath(run, stage);
  if (!existsSync(path)) return undefined;
  const { groups, meta } = readResult(path);
  const group = (name: string) => groups.get(name) ?? new Map();
  settled.set(run, meta.eventsBytes);
  return { params: group("params"), buffers: group("buffers"), masks: groups.get("masks"), history: meta.history };
}

export function saveResult(run: Run | undefined, stage: Stage, result: StageResult): void {
  if (run === undefined) return;
  run.sync();
  const groups = new Map([
    ["params", result.params],
    ["buffers", result.buffers],
    ...(result.masks ? [["masks", result.masks] as const] : []),
  ]);
  const meta: ResultMeta = { stage, eventsBytes: run.byteLength, history: result.history };
  saveGroups(resultPath(run, stage), groups, meta);
  removeCheckpoints(run);
  settled.set(run, meta.eventsBytes);
}

// A stage's position on disk: tensors by group, and numbers. One file at a time is current and the one before is kept.
import { existsSync, renameSync, rmSync } from "node:fs";
import { loadTensors, type Params, saveTensors } from "../nn/index.js";
import type { Run, Stage } from "../run/index.js";
import type { Tensor } from "../torch/index.js";
import { DataError } from "../util/index.js";

/** Named groups of tensors: `params`, `buffers`, `scores`, `optimizer`, ... */
export type Groups = ReadonlyMap<string, Params>;

const SEPARATOR = "/";

export interface Saved<Meta> {
  readonly groups: Map<string, Map<string, Tensor>>;
  readonly meta: Meta;
}

/** Writes groups and numbers as one safetensors file, atomically and with a checksum. */
export function saveGroups(path: string, groups: Groups, meta: unknown): void {
  const flat = new Map<string, Tensor>();
  for (const [group, params] of groups) {
    for (const [name, tensor] of params) flat.set(`${group}${SEPARATOR}${name}`, tensor);
  }
  saveTensors(path, flat, { meta: JSON.stringify(meta) });
}

export function loadGroups<Meta>(path: string): Saved<Meta> {
  const { tensors, metadata } = loadTensors(path);
  if (metadata.meta === undefined || metadata.sha256 === undefined) {
    throw new DataError(`${path}: expected a checkpoint of a stage, got other safetensors`, {
      code: "data/checkpoint",
    });
  }
  return { groups: grouped(tensors), meta: JSON.parse(metadata.meta) as Meta };
}

/** The groups of a checkpoint from its flat tensors. */
export function grouped(tensors: Params): Map<string, Map<string, Tensor>> {
  const groups = new Map<string, Map<string, Tensor>>();
  for (const [key, tensor] of tensors) {
    const [group = "", ...rest] = key.split(SEPARATOR);
    const params = groups.get(group) ?? new Map<string, Tensor>();
    groups.set(group, params.set(rest.join(SEPARATOR), tensor));
  }
  return groups;
}

const current = (run: Run) => run.path("checkpoints", "current.safetensors");
const previous = (run: Run) => run.path("checkpoints", "previous.safetensors");

/** The path of a finished stage's result. */
export function resultPath(run: Run, stage: Stage): string {
  return run.path("checkpoints", `${stage}.safetensors`);
}

/** Makes this the current checkpoint; the one it replaces becomes the previous one. */
export function writeCheckpoint(run: Run, groups: Groups, meta: unknown): void {
  run.sync();
  if (existsSync(current(run))) renameSync(current(run), previous(run));
  saveGroups(current(run), groups, meta);
}

/** The newest checkpoint that is whole; a damaged one is removed with a warning, so that it never replaces the other. */
export function newestCheckpoint<Meta>(run: Run, warn: (message: string) => void): Saved<Meta> | undefined {
  for (const path of [current(run), previous(run)]) {
    if (!existsSync(path)) continue;
    try {
      return loadGroups<Meta>(path);
    } catch (error) {
      if (!(error instanceof DataError)) throw error;
      warn(`${error.message}; going back to the checkpoint before it`);
      rmSync(path, { force: true });
    }
  }
  return undefined;
}

/** A finished stage needs its working checkpoints no more. */
export function removeCheckpoints(run: Run): void {
  for (const path of [current(run), previous(run)]) rmSync(path, { force: true });
}

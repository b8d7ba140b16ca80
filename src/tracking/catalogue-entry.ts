import { closeSync, fstatSync, openSync, readFileSync, readSync, statSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { readRows } from "../report/read-results.js";
import { findManifest, lockOwner, type Manifest } from "../run/index.js";
import { DataError, expected, UsageError, writeFileAtomic } from "../util/index.js";

/** A run as the catalogue knows it; `null` is what the run folder does not say (yet). */
export interface CatalogueEntry {
  /** Relative to the root of the catalogue, with `/`; the root itself is `.`. */
  readonly folder: string;
  readonly name: string;
  /** `killed`: it says that it runs, but nobody holds its lock. `unknown`: its run.json cannot be read. */
  readonly state: "running" | "killed" | "stopped" | "failed" | "done" | "unknown";
  /** When it began, ISO 8601 in UTC. */
  readonly created: string | null;
  readonly seed: number | null;
  readonly model: string | null;
  readonly data: string | null;
  readonly method: string | null;
  readonly gradient: string | null;
  /** Share of the weights that is removed, measured. */
  readonly sparsity: number | null;
  /** Accuracies in [0, 1] over `examples` test images. */
  readonly clean: number | null;
  readonly robust: number | null;
  readonly attack: string | null;
  readonly eps: string | null;
  readonly examples: number | null;
  /** Training time. */
  readonly seconds: number | null;
  /** Where it is: the last stage that has an epoch, and its epochs done. */
  readonly stage: string | null;
  readonly epoch: number | null;
  readonly tags: readonly string[];
}

/** Files that an entry is read from. */
const FILES = ["run.json", "events.jsonl", "results.json", "tags.json"] as const;

/** Changes whenever an entry may have changed, as far as it lies in files. */
export function fingerprint(folder: string): string {
  return FILES.map((file) => {
    const found = statSync(join(folder, file), { throwIfNoEntry: false });
    return found === undefined ? "-" : `${found.mtimeMs}/${found.size}`;
  }).join(" ");
}

/** Whether a run that says `running` does. */
export function liveState(folder: string, state: CatalogueEntry["state"]): CatalogueEntry["state"] {
  if (state !== "running" && state !== "killed") return state;
  return lockOwner(folder) === undefined ? "killed" : "running";
}

const TAG = /^[\w.-]{1,60}$/;
const tagFile = z.object({ tags: z.array(z.string().regex(TAG)) });

/** Tags of a run, which lie in its folder; none where the file is damaged. */
export function readTags(folder: string): string[] {
  try {
    return tagFile.parse(JSON.parse(readFileSync(join(folder, "tags.json"), "utf8"))).tags;
  } catch {
    return [];
  }
}

/** Adds and removes tags of a run, and returns what it has now, sorted. */
export function changeTags(folder: string, add: readonly string[], remove: readonly string[] = []): string[] {
  for (const tag of [...add, ...remove]) {
    const what = "a tag of letters, digits, _, - and ., at most 60";
    if (!TAG.test(tag)) throw new UsageError(expected("tag", what, tag));
  }
  const gone = new Set(remove);
  const tags = [...new Set([...readTags(folder), ...add])].filter((tag) => !gone.has(tag)).sort();
  if (add.length + remove.length > 0) {
    writeFileAtomic(join(folder, "tags.json"), `${JSON.stringify({ tags })}\n`);
  }
  return tags;
}

function textAt(value: unknown, ...path: readonly string[]): string | null {
  let at = value;
  for (const key of path) at = typeof at === "object" && at !== null ? (at as Record<string, unknown>)[key] : undefined;
  return typeof at === "string" ? at : null;
}

const TAIL = 1 << 16;
const epochEvent = z.object({ type: z.literal("epoch"), stage: z.string(), epoch: z.int().min(0) });

/** The last lines of a log that may be long. */
function tail(path: string): string[] {
  let descriptor: number;
  try {
    descriptor = openSync(path, "r");
  } catch {
    return [];
  }
  try {
    const { size } = fstatSync(descriptor);
    const bytes = Buffer.alloc(Math.min(size, TAIL));
    const got = readSync(descriptor, bytes, 0, bytes.length, size - bytes.length);
    const lines = bytes.toString("utf8", 0, got).split("\n");
    return size > TAIL ? lines.slice(1) : lines;
  } finally {
    closeSync(descriptor);
  }
}

function lastEpoch(folder: string): { stage: string | null; epoch: number | null } {
  for (const line of tail(join(folder, "events.jsonl")).reverse()) {
    if (!line.includes('"epoch"')) continue;
    try {
      const event = epochEvent.parse(JSON.parse(line));
      return { stage: event.stage, epoch: event.epoch + 1 };
    } catch {
      // A step, or a line that is being written.
    }
  }
  return { stage: null, epoch: null };
}

function manifestOf(folder: string, problems: string[]): Manifest | undefined {
  try {
    return findManifest(folder);
  } catch (error) {
    if (!(error instanceof DataError)) throw error;
    problems.push(error.message);
    return undefined;
  }
}

/** Reads one run folder; what cannot be read is added to `problems` and left open. */
export function readEntry(folder: string, relative: string, problems: string[]): CatalogueEntry {
  const manifest = manifestOf(folder, problems);
  const recipe = manifest?.recipe;
  const row = readRows(folder, problems)?.rows[0];
  const search = (key: string) => textAt(recipe, "stages", "search", key, "name");
  return {
    folder: relative,
    name: manifest?.name ?? relative,
    state: liveState(folder, manifest?.status ?? "unknown"),
    created: manifest?.createdAt ?? null,
    seed: manifest?.seed ?? null,
    model: textAt(recipe, "model", "arch"),
    data: textAt(recipe, "data", "name"),
    method: search("method"),
    gradient: search("gradient"),
    sparsity: row?.sparsity ?? null,
    clean: row?.cleanAccuracy ?? null,
    robust: row?.robustAccuracy ?? null,
    attack: row?.attack ?? null,
    eps: row?.eps ?? null,
    examples: row?.examples ?? null,
    seconds: row?.seconds ?? null,
    ...lastEpoch(folder),
    tags: readTags(folder),
  };
}

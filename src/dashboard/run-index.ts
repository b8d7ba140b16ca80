import { existsSync, lstatSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { type EventReader, eventReader, findManifest, lockOwner, type Manifest } from "../run/index.js";
import type { FileEntry, RunDetail, RunState, RunSummary } from "./api.js";
import { type Found, isInside } from "./folders.js";
import { keyNumbers } from "./key-numbers.js";
import { plannedEpochs, progressOf } from "./progress.js";
import { addEvent, emptyLog, type RunLog } from "./run-log.js";
import { isSound } from "./sound-events.js";

/** What is known of one run: its log is read once, and then only what was appended. */
export interface RunIndex {
  readonly found: Found;
  /** Reads what is new on disk. */
  refresh(): void;
  summary(): RunSummary;
  detail(): RunDetail;
}

const MOST_FILES = 500;

/** Files of a run folder, those of folders in it included. */
function filesOf(folder: string, below = "", depth = 0): FileEntry[] {
  return readdirSync(join(folder, below), { withFileTypes: true }).flatMap((entry) => {
    const name = join(below, entry.name);
    if (entry.isDirectory() && depth < 2) return filesOf(folder, name, depth + 1);
    const bytes = entry.isFile() ? statSync(join(folder, name), { throwIfNoEntry: false })?.size : undefined;
    return bytes === undefined ? [] : [{ name, bytes }];
  });
}

function stateOf(manifest: Manifest | undefined, folder: string): RunState {
  if (manifest?.status !== "running") return manifest?.status ?? "unknown";
  return lockOwner(folder) === undefined ? "killed" : "running";
}

/** Changes whenever a file does; undefined where it is not inside the root. Most of 500 runs stand still: a look costs them two stats. */
function fileStamp(found: Found, name: string): string | undefined {
  const stat = lstatSync(join(found.folder, name), { throwIfNoEntry: false });
  if (stat === undefined || (stat.isSymbolicLink() && !isInside(found, name))) return undefined;
  // What a link leads to changes without it.
  return stat.isSymbolicLink() ? `${performance.now()}` : `${stat.ino} ${stat.mtimeMs} ${stat.size}`;
}

/** A manifest, read again when its file has changed. */
function manifestReader(found: Found) {
  let seen: string | undefined;
  let manifest: Manifest | undefined;
  let problem: string | undefined = "run.json is missing";
  return () => {
    const now = fileStamp(found, "run.json");
    if (now === seen) return { manifest, problem };
    seen = now;
    manifest = undefined;
    problem = "run.json is missing";
    try {
      if (now !== undefined && isInside(found, "run.json")) manifest = findManifest(found.folder);
      if (manifest !== undefined) problem = undefined;
    } catch {
      problem = "run.json cannot be read";
    }
    return { manifest, problem };
  };
}

const resultsSchema = z.object({ rows: z.tuple([z.object({ sparsity: z.number().min(0).max(1) })]) });
const MOST_RESULTS = 2 ** 20;

/** The sparsity in a run's results.json, null without a sound one: methods that search nothing tell none in their log. */
function resultsReader(found: Found): () => number | null {
  let seen: string | undefined;
  let sparsity: number | null = null;
  return () => {
    const now = fileStamp(found, "results.json");
    if (now === seen) return sparsity;
    seen = now;
    sparsity = null;
    const path = join(found.folder, "results.json");
    try {
      if (now === undefined || !isInside(found, "results.json") || statSync(path).size > MOST_RESULTS) return null;
      sparsity = resultsSchema.parse(JSON.parse(readFileSync(path, "utf8"))).rows[0].sparsity;
    } catch {
      // A row of the list is worth more than this one number of it.
    }
    return sparsity;
  };
}

/** Bytes of a log that are read at a time: events that are not kept are gone before the next ones come. */
const PART = 2 ** 20;

/** The log of a run, gathered as it grows. */
function logReader(found: Found) {
  let damaged = 0;
  let log: RunLog = emptyLog();
  let seen: string | undefined;
  const open = () => eventReader(found.folder, { most: PART, onDamaged: () => damaged++ });
  let reader: EventReader = open();

  function refresh(): void {
    const now = fileStamp(found, "events.jsonl");
    if (now === seen) return;
    seen = now;
    if (now === undefined || !isInside(found, "events.jsonl")) {
      [reader, log, damaged] = [open(), emptyLog(), 0];
      return;
    }
    for (let before = -1; before !== reader.offset; ) {
      before = reader.offset;
      const damagedBefore = damaged;
      const { events, restarted } = reader.poll();
      if (restarted) [log, damaged, before] = [emptyLog(), damaged - damagedBefore, -1];
      for (const event of events) {
        if (isSound(event)) addEvent(log, event);
        else damaged++;
      }
    }
  }

  return {
    get log() {
      return log;
    },
    get cursor() {
      return reader.cursor;
    },
    problem: () => (damaged === 0 ? undefined : `events.jsonl: damaged lines left out: ${damaged}`),
    refresh,
  };
}

/** An index of one run folder; nothing is read before `refresh`. */
export function runIndex(found: Found): RunIndex {
  const readManifest = manifestReader(found);
  const readSparsity = resultsReader(found);
  const events = logReader(found);
  let known:
    | { log: RunLog; count: number; manifest: Manifest | undefined; sparsity: number | null; summary: RunSummary }
    | undefined;

  function summary(): RunSummary {
    const { manifest } = readManifest();
    const sparsity = readSparsity();
    const { log } = events;
    const same = known?.log === log && known.manifest === manifest && known.sparsity === sparsity;
    if (known === undefined || !same || known.count !== log.count) {
      known = { log, count: log.count, manifest, sparsity, summary: summarise(manifest, log, sparsity) };
    }
    // A process may be gone without a word in its folder.
    const state = stateOf(manifest, found.folder);
    if (state !== known.summary.state) known.summary = { ...known.summary, state };
    return known.summary;
  }

  function summarise(manifest: Manifest | undefined, log: RunLog, sparsity: number | null): RunSummary {
    const numbers = keyNumbers(log, manifest);
    const started = log.recent.find((event) => event.type === "run");
    return {
      id: found.id,
      name: manifest?.name ?? (started?.type === "run" ? started.name : found.path),
      path: found.path,
      state: stateOf(manifest, found.folder),
      seed: manifest?.seed ?? null,
      createdAt: manifest?.createdAt ?? null,
      lastAt: log.lastAt,
      progress: progressOf(log, plannedEpochs(manifest?.recipe), { done: manifest?.status === "done" }),
      warnings: log.warnings.length,
      ...numbers,
      sparsity: numbers.sparsity ?? sparsity,
    };
  }

  function detail(): RunDetail {
    const { manifest, problem } = readManifest();
    const files = existsSync(found.folder) ? filesOf(found.folder).slice(0, MOST_FILES) : [];
    return {
      summary: summary(),
      log: events.log,
      cursor: events.cursor,
      recipe: manifest?.recipe ?? null,
      versions: manifest?.versions ?? {},
      machine: manifest?.machine ?? null,
      files,
      problems: [problem, events.problem()].filter((each) => each !== undefined),
    };
  }

  return { found, refresh: events.refresh, summary, detail };
}

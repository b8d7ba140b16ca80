import { basename, join, resolve } from "node:path";
import { makeFolder, packageVersion, removeHalfWritten, show, UsageError } from "../util/index.js";
import { type Difference, differences } from "./differences.js";
import type { NewEvent, RunEvent } from "./events.js";
import { lockFolder } from "./lock.js";
import { openLog } from "./log.js";
import { findManifest, type Manifest, machine, type RunStatus, recipeHash, writeManifest } from "./manifest.js";

/** How a run folder is opened. */
export interface RunOptions {
  readonly seed: number;
  /** Default: the folder's name. */
  readonly name?: string;
  /** The resolved recipe, plain JSON; default: none. */
  readonly recipe?: unknown;
  /**
   * Fills in what a recipe of an earlier version leaves to defaults, so that options which are new since do not make it
   * another one; default: recipes are compared as they are.
   */
  readonly complete?: (recipe: unknown) => unknown;
  /** Versions worth recording besides those of s2ap and Node; default: none. */
  readonly versions?: Readonly<Record<string, string>>;
  /** Threads of libtorch, on which last bits depend; default: not recorded. */
  readonly threads?: number;
  readonly data?: Manifest["data"];
  /** The caller holds the folder's lock already; default: false, and the run takes it. */
  readonly locked?: boolean;
  /** Sees every event after it was written. */
  readonly onEvent?: (event: RunEvent) => void;
}

/** What may change in the manifest while a run goes on. */
export interface ManifestUpdate {
  readonly status?: RunStatus;
  readonly data?: Manifest["data"];
  readonly versions?: Readonly<Record<string, string>>;
}

/** A run folder that is open for writing; `using` closes it and gives the lock back. */
export interface Run extends Disposable, AsyncDisposable {
  readonly folder: string;
  /** The folder held a run before: look for checkpoints. */
  readonly resumed: boolean;
  /** What is other than when the run began, of what its last bits depend on: versions, processor, threads. */
  readonly changed: readonly Difference[];
  readonly manifest: Manifest;
  /** Length of the event log in bytes: what a checkpoint stores. */
  readonly byteLength: number;
  /** A path inside the folder; `checkpoints/` exists. */
  path(...parts: readonly string[]): string;
  /** Writes an event with its time. */
  append(event: NewEvent): void;
  /** Flushes the log; call it before writing a checkpoint. */
  sync(): void;
  /** Cuts the log back to what a checkpoint knew of. */
  truncate(byteLength: number): void;
  /** Rewrites `run.json`. */
  update(change: ManifestUpdate): void;
  close(): void;
}

const MOST_SHOWN = 12;

/** A half-finished run goes on with the recipe it began with: another one would give numbers that no recipe explains. */
function refuseOtherRecipe(
  folder: string,
  found: Manifest,
  wanted: Manifest,
  complete: (recipe: unknown) => unknown = (recipe) => recipe,
): void {
  if (found.recipeHash === wanted.recipeHash && found.seed === wanted.seed) return;
  const between = (of: (recipe: unknown) => unknown) =>
    differences({ recipe: of(found.recipe), seed: found.seed }, { recipe: of(wanted.recipe), seed: wanted.seed });
  const real = between(complete);
  if (real.length === 0) return;
  // As they are written, where that names the same places.
  const written = between((recipe) => recipe).filter(({ path }) => real.some((d) => d.path === path));
  const all = written.length === real.length ? written : real;
  // The seed of a recipe is part of it: once is enough.
  const paths = all.map((d) => ({ ...d, path: d.path.replace(/^recipe\.?/, "") || "recipe" }));
  const unique = paths.filter((d, i) => paths.findIndex((other) => other.path === d.path) === i);
  const lines = unique
    .slice(0, MOST_SHOWN)
    .map((d) => `  ${d.path}: the run has ${show(d.before)}, now ${show(d.after)}`);
  if (unique.length > MOST_SHOWN) lines.push(`  and ${unique.length - MOST_SHOWN} more`);
  throw new UsageError(
    `${folder}: expected the recipe that the run in this folder began with, got a changed one\n${lines.join("\n")}\n` +
      "  Take the changes back to resume it, or choose another folder to begin anew.",
    { code: "usage/recipe-changed" },
  );
}

function newManifest(folder: string, options: RunOptions): Manifest {
  // Through JSON, so that what is compared on resume is what was written.
  const recipe = JSON.parse(JSON.stringify(options.recipe ?? null)) as Manifest["recipe"];
  return {
    format: 1,
    name: options.name ?? basename(resolve(folder)),
    recipe,
    recipeHash: recipeHash(recipe),
    seed: options.seed,
    versions: { s2ap: packageVersion(), node: process.versions.node, ...options.versions },
    machine: { ...machine(), ...(options.threads !== undefined && { threads: options.threads }) },
    data: options.data ?? null,
    createdAt: new Date().toISOString(),
    status: "running",
  };
}

/** Where it matters to the last bit whether a run goes on as it began; what only one side knows does not count. */
function changes(before: Manifest, now: Manifest): Difference[] {
  const of = ({ versions, machine: { cpu, threads } }: Manifest) => ({ ...versions, cpu, threads });
  return differences(of(before), of(now)).filter((d) => d.before !== undefined && d.after !== undefined);
}

interface Settled {
  readonly manifest: Manifest;
  readonly resumed: boolean;
  readonly changed: readonly Difference[];
}

/** Writes or checks `run.json`; the folder is locked by now. */
function settleManifest(folder: string, options: RunOptions): Settled {
  const wanted = newManifest(folder, options);
  const found = findManifest(folder);
  if (found !== undefined) refuseOtherRecipe(folder, found, wanted, options.complete);
  const manifest: Manifest = found === undefined ? wanted : { ...found, status: "running" };
  makeFolder(join(folder, "checkpoints"));
  for (const each of [folder, join(folder, "checkpoints")]) removeHalfWritten(each);
  writeManifest(folder, manifest);
  return { manifest, resumed: found !== undefined, changed: found === undefined ? [] : changes(found, wanted) };
}

/**
 * Opens a run folder for writing, makes it when it is new, and locks it. Throws UsageError when another process writes
 * it or when its recipe is another one (the differences are listed), DataError when it cannot be written.
 */
export function openRun(folder: string, options: RunOptions): Run {
  makeFolder(folder);
  const lock = options.locked === true ? undefined : lockFolder(folder);
  try {
    const settled = settleManifest(folder, options);
    return makeRun(folder, { ...settled, options, release: () => lock?.release() });
  } catch (error) {
    lock?.release();
    throw error;
  }
}

interface Opened extends Settled {
  readonly options: RunOptions;
  readonly release: () => void;
}

function makeRun(folder: string, opened: Opened): Run {
  const log = openLog(join(folder, "events.jsonl"));
  let manifest = opened.manifest;
  const close = () => {
    log.close();
    opened.release();
  };
  return {
    folder,
    resumed: opened.resumed,
    changed: opened.changed,
    get manifest() {
      return manifest;
    },
    get byteLength() {
      return log.byteLength;
    },
    path: (...parts) => join(folder, ...parts),
    append(event) {
      const written = log.append(event);
      opened.options.onEvent?.(written);
    },
    sync: () => log.sync(),
    truncate: (byteLength) => log.truncate(byteLength),
    update(change) {
      const versions = { ...manifest.versions, ...change.versions };
      manifest = { ...manifest, ...change, versions };
      writeManifest(folder, manifest);
    },
    close,
    [Symbol.dispose]: close,
    [Symbol.asyncDispose]: async () => close(),
  };
}

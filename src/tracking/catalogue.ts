// The runs below a folder. The run folders are the truth; the SQLite file beside them only spares reading those again that
// have not changed, so that it can be deleted, and a run copied, renamed or removed by hand, at any time.
import { existsSync, readdirSync } from "node:fs";
import { join, relative, sep } from "node:path";
import { DataError, diskError } from "../util/index.js";
import { type CatalogueEntry, fingerprint, liveState, readEntry } from "./catalogue-entry.js";
import { type Cached, type CatalogueStore, openCatalogueStore } from "./catalogue-store.js";

/** In the root of the runs. */
export const CATALOGUE_FILE = ".s2ap-catalogue.sqlite";

/** Grids hold experiments, experiments hold runs. */
const DEPTH = 4;

/** Run folders at any of a few levels below a root, without those inside other runs; names with a dot are left out. */
function findRuns(root: string, depth = DEPTH): string[] {
  const own = existsSync(join(root, "run.json")) ? [root] : [];
  if (depth === 0) return own;
  const inner = readdirSync(root, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith("."))
    .map(({ name }) => name)
    .sort();
  // A run's own folders hold no runs, but a run may be the folder of an experiment as well.
  return [
    ...own,
    ...inner.flatMap((name) => findRuns(join(root, name), own.length > 0 ? Math.min(depth - 1, 1) : depth - 1)),
  ];
}

export interface CatalogueOptions {
  /** Forget what is cached and read every run again; default: false. */
  readonly rebuild?: boolean;
  /** Opens the cache; default: with libsql. */
  readonly openStore?: (path: string) => CatalogueStore;
}

export interface Catalogue {
  /** In the order of their folders. */
  readonly entries: readonly CatalogueEntry[];
  /** What could not be read or cached, one sentence each. */
  readonly problems: readonly string[];
  /** How many runs had to be read. */
  readonly read: number;
}

function tryStore<T>(work: () => T, problems: string[]): T | undefined {
  try {
    return work();
  } catch (error) {
    const why = error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error);
    problems.push(`the catalogue is not cached, every run is read: ${why}`);
    return undefined;
  }
}

/** All runs below `root`. DataError when that is no folder; a cache that cannot be used is a problem, not an error. */
export function catalogue(root: string, options: CatalogueOptions = {}): Catalogue {
  const { rebuild = false, openStore = openCatalogueStore } = options;
  if (!existsSync(root)) throw diskError(root, { code: "ENOENT" }, "read");
  const problems: string[] = [];
  const folders = listRuns(root);
  const store = tryStore(() => openStore(join(root, CATALOGUE_FILE)), problems);
  try {
    const known = store && tryStore(() => store.read(), problems);
    const now = new Map<string, Cached>();
    // Runs that were read; what was wrong with one is to be said the next time too, so that it is not kept.
    const [sound, damaged] = [new Set<string>(), new Set<string>()];
    for (const folder of folders) {
      const name = relative(root, folder).split(sep).join("/") || ".";
      // Before the files are read: a change meanwhile is then seen the next time.
      const print = fingerprint(folder);
      const cached = rebuild ? undefined : known?.get(name);
      if (cached?.fingerprint === print) {
        now.set(name, { ...cached, entry: { ...cached.entry, state: liveState(folder, cached.entry.state) } });
        continue;
      }
      const own: string[] = [];
      now.set(name, { fingerprint: print, entry: readEntry(folder, name, own) });
      problems.push(...own);
      (own.length === 0 ? sound : damaged).add(name);
    }
    const set = [...now.values()].filter(({ entry }) => sound.has(entry.folder));
    const remove = [...(known?.keys() ?? [])].filter((name) => !now.has(name) || damaged.has(name));
    if (known !== undefined && set.length + remove.length > 0) {
      tryStore(() => store?.write({ set, remove }), problems);
    }
    return { entries: [...now.values()].map(({ entry }) => entry), problems, read: sound.size + damaged.size };
  } finally {
    store?.close();
  }
}

function listRuns(root: string): string[] {
  try {
    return findRuns(root);
  } catch (error) {
    const known = diskError(root, error, "read");
    throw known instanceof DataError ? known : error;
  }
}

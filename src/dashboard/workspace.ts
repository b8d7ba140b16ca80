import type { RunSummary } from "./api.js";
import { type Found, findFolders, realRoots } from "./folders.js";
import { type RunIndex, runIndex } from "./run-index.js";

/** Everything below the given folders, as it is on disk now. */
export interface Workspace {
  /** Newest first. */
  summaries(): RunSummary[];
  /** A run by its id, up to date. */
  run(id: string): RunIndex | undefined;
  /** A record by its id. */
  record(id: string): Found | undefined;
  records(): Found[];
}

export interface WorkspaceOptions {
  /** Milliseconds for which a look at the disk is good enough; default 400. */
  readonly fresh?: number;
}

/** Milliseconds between two walks over the folders, in times of what one takes: large trees are walked less often. */
const WALK_SHARE = 10;

/** Opens folders of runs; DataError where one is missing. Many readers share one look at the disk. */
export function workspace(roots: readonly string[], { fresh = 400 }: WorkspaceOptions = {}): Workspace {
  const real = realRoots(roots);
  let found: Found[] = [];
  let walkAgainAt = 0;
  const runs = new Map<string, RunIndex>();
  const readAt = new Map<string, number>();

  function walk(): void {
    const begin = performance.now();
    if (begin < walkAgainAt) return;
    found = findFolders(real);
    const now = performance.now();
    walkAgainAt = fresh === 0 ? 0 : now + Math.max(fresh, WALK_SHARE * (now - begin));
    const ids = new Set(found.filter(({ kind }) => kind === "run").map(({ id }) => id));
    for (const each of found) if (ids.has(each.id) && !runs.has(each.id)) runs.set(each.id, runIndex(each));
    for (const id of runs.keys()) if (!ids.has(id)) runs.delete(id);
  }

  function refreshed(id: string): RunIndex | undefined {
    const index = runs.get(id);
    if (index === undefined) return undefined;
    const now = performance.now();
    if (now - (readAt.get(id) ?? Number.NEGATIVE_INFINITY) >= fresh) {
      index.refresh();
      readAt.set(id, performance.now());
    }
    return index;
  }

  return {
    summaries() {
      walk();
      const all = [...runs.keys()].flatMap((id) => refreshed(id)?.summary() ?? []);
      const key = ({ createdAt, lastAt }: RunSummary) => createdAt ?? lastAt ?? "";
      return all.sort((a, b) => (key(a) < key(b) ? 1 : key(a) > key(b) ? -1 : 0));
    },
    run(id) {
      walk();
      return refreshed(id);
    },
    records() {
      walk();
      return found.filter(({ kind }) => kind === "record");
    },
    record(id) {
      walk();
      return found.find((each) => each.id === id && each.kind === "record");
    },
  };
}

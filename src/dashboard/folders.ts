// Which folders the server may read, and nothing else: the run folders and records below the roots that it was given. Requests
// name them by an id, never by a path. What a symbolic link leads out of the roots is not there.
import { createHash } from "node:crypto";
import { type Dirent, readdirSync, realpathSync, statSync } from "node:fs";
import { basename, join, relative, sep } from "node:path";
import { DataError, diskError } from "../util/index.js";

export type FolderKind = "run" | "record";

export interface Found {
  readonly id: string;
  readonly kind: FolderKind;
  /** Real path. */
  readonly folder: string;
  /** Real path of the root it was found below. */
  readonly root: string;
  /** Path for people, which begins with the root's name. */
  readonly path: string;
}

/** Levels below a root that are looked at: an experiment of a grid, its runs, and records in them. */
const MOST_DEPTH = 6;
const MOST_FOLDERS = 20_000;
const LEFT_OUT = new Set(["checkpoints", "node_modules"]);

/** Real paths of the folders that were named; DataError where one is none. */
export function realRoots(roots: readonly string[]): string[] {
  return [...new Set(roots.map(realRoot))];
}

function realRoot(root: string): string {
  try {
    const real = realpathSync(root);
    if (statSync(real).isDirectory()) return real;
  } catch (error) {
    throw diskError(root, error, "read");
  }
  throw new DataError(`${root}: expected a folder of runs, got a file`, { code: "data/not-a-folder" });
}

/** The same folder has the same id in every process, so that an address outlives the server. */
export function folderId(folder: string): string {
  return createHash("sha256").update(folder).digest("hex").slice(0, 16);
}

function entriesOf(folder: string): Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch {
    return []; // Gone or closed to us meanwhile.
  }
}

function kindOf(entries: readonly Dirent[]): FolderKind | undefined {
  const files = new Set(entries.map(({ name }) => name));
  if (files.has("run.json") || files.has("events.jsonl")) return "run";
  return files.has("card.json") || files.has("distances.json") ? "record" : undefined;
}

/** All runs and records below the roots. Links to folders are not followed, so no folder comes twice and none lies outside. */
export function findFolders(roots: readonly string[]): Found[] {
  const found = new Map<string, Found>();
  let looked = 0;
  const visit = (root: string, folder: string, depth: number): void => {
    if (looked++ > MOST_FOLDERS) return;
    const entries = entriesOf(folder);
    const kind = kindOf(entries);
    const id = folderId(folder);
    const path = join(basename(root), relative(root, folder));
    if (kind !== undefined && !found.has(id)) found.set(id, { id, kind, folder, root, path });
    if (depth === MOST_DEPTH) return;
    for (const entry of entries) {
      const hidden = entry.name.startsWith(".") || LEFT_OUT.has(entry.name);
      if (entry.isDirectory() && !hidden) visit(root, join(folder, entry.name), depth + 1);
    }
  };
  for (const root of roots) visit(root, root, 0);
  return [...found.values()];
}

/** Whether a file of a found folder is a plain file inside the folder's root, whatever links stand between. */
export function isInside({ folder, root }: Pick<Found, "folder" | "root">, name: string): boolean {
  try {
    const real = realpathSync(join(folder, name));
    return real.startsWith(root.endsWith(sep) ? root : root + sep) && statSync(real).isFile();
  } catch {
    return false;
  }
}

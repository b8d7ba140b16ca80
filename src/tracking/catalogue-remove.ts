import { existsSync, lstatSync, renameSync, rmSync } from "node:fs";
import { dirname, join, relative, resolve, sep } from "node:path";
import { lockFolder, lockOwner } from "../run/index.js";
import { DataError, diskError, makeFolder, UsageError } from "../util/index.js";

/** Where removed runs go: a folder in the root of the runs, which the catalogue does not look into. */
export const TRASH = ".s2ap-trash";

/** The run that is meant, by its path or by its name below the root. DataError when there is none. */
export function resolveRun(root: string, name: string): string {
  const found = [name, join(root, name)].find((path) => existsSync(join(path, "run.json")));
  if (found !== undefined) return found;
  throw new DataError(
    `${name}: expected a run folder, or the name of one in ${root}, got neither; see s2ap runs list`,
    {
      code: "data/not-a-run",
    },
  );
}

/** A run of an experiment or a grid that goes on is not to be touched either: others may need it. */
function refuseBusy(root: string, folder: string): void {
  for (let above = dirname(folder); above.startsWith(root); above = dirname(above)) {
    const owner = lockOwner(above);
    if (owner !== undefined) {
      const text = `${folder}: expected a run that nobody needs, got one of ${above}, which process ${owner.pid} runs`;
      throw new UsageError(`${text}; wait for it or stop it`, { code: "usage/locked" });
    }
    if (above === dirname(above)) return;
  }
}

function insideOf(root: string, folder: string): string {
  const path = relative(root, folder);
  if (path !== "" && path !== ".." && !path.startsWith(`..${sep}`) && !lstatSync(folder).isSymbolicLink()) return path;
  throw new UsageError(`${folder}: expected a run folder below ${root}, got another one; name its root with --root`);
}

export interface RemoveOptions {
  /** Delete it for good; default: move it to the trash folder. */
  readonly forGood?: boolean;
  /** Default: now. */
  readonly now?: Date;
}

/** Removes a run that nobody writes, and returns where it is now; `undefined` when it is gone for good. */
export function removeRun(root: string, run: string, options: RemoveOptions = {}): string | undefined {
  const { forGood = false, now = new Date() } = options;
  const [above, folder] = [resolve(root), resolve(run)];
  const path = insideOf(above, folder);
  refuseBusy(above, folder);
  // Held while it moves, so that nobody goes on with it.
  const lock = lockFolder(folder);
  try {
    if (forGood) {
      rmSync(folder, { recursive: true });
      return undefined;
    }
    const stamp = now.toISOString().replace(/[:.]/g, "-");
    const place = join(above, TRASH, stamp, path);
    makeFolder(dirname(place));
    renameSync(folder, place);
    rmSync(join(place, "lock"), { force: true });
    return place;
  } catch (error) {
    throw diskError(folder, error, "remove");
  } finally {
    if (existsSync(folder)) lock.release();
  }
}

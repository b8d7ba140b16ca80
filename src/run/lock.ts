import { randomBytes } from "node:crypto";
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { diskError, UsageError } from "../util/index.js";

/** Who writes a run folder. */
export interface LockOwner {
  readonly pid: number;
  readonly host: string;
  /** When the lock was taken, ISO 8601. */
  readonly startedAt: string;
  /** Boot and start time of the process where the system tells: a pid that was given out again is not its owner. */
  readonly processStart: string | null;
}

/** A held lock; releasing twice is harmless. */
export interface Lock extends Disposable {
  readonly path: string;
  release(): void;
}

/** Boot id and start tick of a process on Linux; `null` elsewhere, or when there is no such process. */
function processStart(pid: number): string | null {
  try {
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The command name, field 2, may hold spaces and brackets; field 22 is counted from behind its last bracket.
    const tick = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
    return tick === undefined ? null : `${boot}/${tick}`;
  } catch {
    return null;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** Another machine's lock always counts as held: its processes cannot be seen from here. */
function isHeld(owner: LockOwner): boolean {
  if (owner.host !== hostname()) return true;
  if (!isAlive(owner.pid)) return false;
  const now = processStart(owner.pid);
  return owner.processStart === null || now === null || now === owner.processStart;
}

/** The owner named in a lock file; `undefined` when there is no file or it holds no owner (torn by a crash). */
function readOwner(path: string): LockOwner | undefined {
  try {
    const owner = JSON.parse(readFileSync(path, "utf8")) as Partial<LockOwner> | null;
    if (typeof owner?.pid !== "number" || typeof owner.host !== "string") return undefined;
    return {
      pid: owner.pid,
      host: owner.host,
      startedAt: String(owner.startedAt),
      processStart: owner.processStart ?? null,
    };
  } catch {
    return undefined;
  }
}

/** Who writes this run folder now, or `undefined` when nobody does. */
export function lockOwner(folder: string): LockOwner | undefined {
  const owner = readOwner(join(folder, "lock"));
  return owner !== undefined && isHeld(owner) ? owner : undefined;
}

function heldError(folder: string, owner: LockOwner | undefined): UsageError {
  const here = owner?.host === hostname();
  const who = owner === undefined ? "another process" : `process ${owner.pid}${here ? "" : ` on ${owner.host}`}`;
  const cure = here
    ? "wait for it, stop it, or choose another folder"
    : `if that machine no longer runs it, remove ${join(folder, "lock")}`;
  const since = owner === undefined ? "" : ` since ${owner.startedAt}`;
  return new UsageError(`${folder}: expected a run folder nobody writes, got one ${who} writes${since}; ${cure}`, {
    code: "usage/locked",
  });
}

/** Puts our lock in place whole or not at all; false when there is one already. */
function place(path: string, text: string): boolean {
  const temporary = `${path}.${process.pid}-${randomBytes(4).toString("hex")}`;
  try {
    writeFileSync(temporary, text, { flag: "wx" });
    linkSync(temporary, path);
    return true;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === "EEXIST") return false;
    if (code === "EPERM" || code === "ENOTSUP" || code === "ENOSYS") return placeWithoutLinks(path, text);
    throw diskError(path, error);
  } finally {
    rmSync(temporary, { force: true });
  }
}

/** For file systems that have no hard links. */
function placeWithoutLinks(path: string, text: string): boolean {
  try {
    writeFileSync(path, text, { flag: "wx" });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw diskError(path, error);
  }
}

/** Moves a dead owner's lock away; if somebody else took over in between, theirs is put back and stays. */
function removeStale(path: string, stale: string): void {
  const aside = `${path}.${process.pid}-stale`;
  try {
    renameSync(path, aside);
    const moved = readFileSync(aside, "utf8");
    if (moved !== stale) place(path, moved);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw diskError(path, error);
  } finally {
    rmSync(aside, { force: true });
  }
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

/**
 * Takes the lock of a run folder, so that two processes never write one. A lock whose owner has died is taken over;
 * a live one is a UsageError that names the process and the folder.
 */
export function lockFolder(folder: string): Lock {
  const path = join(folder, "lock");
  const owner: LockOwner = {
    pid: process.pid,
    host: hostname(),
    startedAt: new Date().toISOString(),
    processStart: processStart(process.pid),
  };
  const text = `${JSON.stringify(owner)}\n`;
  for (let attempt = 0; !place(path, text); attempt++) {
    const found = readText(path);
    const other = readOwner(path);
    if (attempt === 3 || (other !== undefined && isHeld(other))) throw heldError(folder, other);
    if (found !== undefined) removeStale(path, found);
  }
  const release = () => {
    if (readText(path) === text) rmSync(path, { force: true });
  };
  return { path, release, [Symbol.dispose]: release };
}

import { createHash, randomBytes } from "node:crypto";
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { DataError } from "./errors.js";

const CURES: Readonly<Record<string, readonly [code: string, problem: string, cure: string]>> = {
  ENOSPC: ["data/disk-full", "the disk is full", "free some space or choose another folder"],
  EDQUOT: ["data/disk-full", "the disk quota is used up", "free some space or choose another folder"],
  EFBIG: [
    "data/file-limit",
    "the file may not grow as long as that",
    "raise the limit (see ulimit -f) or choose another folder",
  ],
  EROFS: ["data/read-only", "the file system is read-only", "choose a folder that can be written"],
  EACCES: ["data/read-only", "permission is denied", "choose a folder that you may write, or change its permissions"],
  EPERM: ["data/read-only", "the operation is not permitted", "choose a folder that you may write"],
  ENOTDIR: ["data/not-a-folder", "a part of the path is a file", "choose another folder or remove that file"],
  EEXIST: ["data/not-a-folder", "a file of that name is in the way", "choose another folder or remove that file"],
  EISDIR: ["data/not-a-file", "it is a folder", "name a file"],
  ENOENT: ["data/missing", "there is no such file or folder", "check the path"],
};

/** Turns what the operating system said about a path into a DataError that names the path and the cure. */
export function diskError(path: string, error: unknown, doing = "write"): unknown {
  const cure = CURES[(error as NodeJS.ErrnoException | null)?.code ?? ""];
  if (cure === undefined) return error;
  const [code, problem, advice] = cure;
  return new DataError(`${path}: cannot ${doing}: ${problem}; ${advice}`, { code, cause: error });
}

/** Makes a folder and its parents; DataError with the cure when that fails. */
export function makeFolder(path: string): void {
  try {
    makeParents(resolve(path));
  } catch (error) {
    throw diskError(path, error, "make the folder");
  }
}

/** Not `mkdirSync` with `recursive`: where a parent is there but takes no folders, as in /proc, that tries for ever. */
function makeParents(path: string): void {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) return;
  const parent = dirname(path);
  if (!existsSync(parent)) makeParents(parent);
  try {
    mkdirSync(path);
  } catch (error) {
    // Another process may have made it meanwhile.
    if (!statSync(path, { throwIfNoEntry: false })?.isDirectory()) throw error;
  }
}

/** Writes all bytes to a descriptor: the operating system may take fewer than it was given. */
export function writeAll(descriptor: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(descriptor, bytes, done, bytes.length - done);
}

/** Flushes a folder's entries, so that a rename survives a power cut. */
function syncFolder(path: string): void {
  const descriptor = openSync(path, "r");
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

function chunks(data: string | Uint8Array | readonly Uint8Array[]): readonly Uint8Array[] {
  if (typeof data === "string") return [Buffer.from(data, "utf8")];
  return data instanceof Uint8Array ? [data] : data;
}

/**
 * Replaces a file so that a reader, or a crash at any moment, sees the old bytes or the new ones and never a part.
 * DataError names the path and the cure when the folder is read-only or full; no temporary file is left behind.
 */
export function writeFileAtomic(path: string, data: string | Uint8Array | readonly Uint8Array[]): void {
  const folder = dirname(path);
  const temporary = join(folder, `.${basename(path)}.${process.pid}-${randomBytes(4).toString("hex")}.tmp`);
  try {
    const descriptor = openSync(temporary, "wx");
    try {
      for (const chunk of chunks(data)) writeAll(descriptor, chunk);
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    renameSync(temporary, path);
    syncFolder(folder);
  } catch (error) {
    removeQuietly(temporary);
    throw diskError(path, error);
  }
}

/** Removes what a writer that was killed left beside its files; nobody else may be writing into the folder. */
export function removeHalfWritten(folder: string): void {
  for (const name of readdirSync(folder)) {
    if (/^\..+\.\d+-[0-9a-f]{8}\.tmp$/.test(name)) removeQuietly(join(folder, name));
  }
}

/** Clean-up after a failure must not hide the failure (the path may not even be a folder's). */
function removeQuietly(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // The first error is the one to report.
  }
}

/** SHA-256 of some bytes, in lower-case hexadecimal. */
export function sha256(data: Uint8Array | readonly Uint8Array[]): string {
  const hash = createHash("sha256");
  for (const chunk of chunks(data)) hash.update(chunk);
  return hash.digest("hex");
}

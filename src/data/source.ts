/**
 * Data sets that are a few files. They are looked for in order: what the option `source` names, the cache, other places on this machine,
 * and last, where there is a way, the network. An archive, and what was fetched, is checked first and then kept in the cache.
 */
import { existsSync, statSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { DataError, diskError, expected, makeFolder, sha256, writeFileAtomic } from "../util/index.js";
import type { DataSource } from "./dataset.js";
import type { OnProgress } from "./fetch.js";
import { readTar } from "./tar.js";

/** The bytes of files by name, in the data set's order. */
export type Files = ReadonlyMap<string, Uint8Array>;

/** Checked files, with where they came from. */
export interface FoundFiles {
  readonly files: Files;
  /** `folder`, `archive`, `cache`, or what fetched them. */
  readonly kind: string;
  readonly location: string;
}

/** How a data set's files are found and read. */
export interface FileSet {
  readonly name: string;
  /** The folder of the cache that holds the files between runs. */
  readonly kept: string;
  /** Folders and archives that are read where the cache has none: the first that is there. */
  readonly places: readonly string[];
  /** The files in a folder or archive; DataError when one is missing or wrong. */
  read(path: string, onProgress?: OnProgress): Promise<Files>;
  /** Takes the files from the network; a DataError of code `data/download` when it is out of reach. */
  readonly fetch?: ((onProgress: OnProgress) => Promise<FoundFiles>) | undefined;
  /** What to do where the files are nowhere: "put ... into ...". */
  readonly cure: string;
}

/** What a load is told besides the data set's own options. */
export interface FileContext {
  /** Told of the download and what follows. */ readonly onProgress?: OnProgress | undefined;
  /** Fetch nothing: a DataError where this machine has none; default false. */ readonly offline?: boolean | undefined;
}

/** The option `source`, with what it may name. */
export const sourceField = (text: string) => z.string().min(1).optional().describe(text);

async function readFrom(path: string, set: FileSet, onProgress: OnProgress): Promise<FoundFiles> {
  const files = await set.read(path, onProgress);
  return { files, kind: isFolder(path) ? "folder" : "archive", location: path };
}

/** Whether a path is a folder; DataError when there is nothing. */
export function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch (error) {
    throw diskError(path, error, "read");
  }
}

/** The cached files, or why they are not to be used. Damage costs no more than getting them again. */
async function fromCache(set: FileSet): Promise<FoundFiles | DataError> {
  const { kept } = set;
  if (!existsSync(kept)) return new DataError(expected("cache", "the files", "none"), { code: "data/download" });
  try {
    return { files: await set.read(kept), kind: "cache", location: kept };
  } catch (error) {
    if (error instanceof DataError) return error;
    throw error;
  }
}

function notHere(set: FileSet, cause: DataError): DataError {
  return new DataError(`${set.name}: ${cause.message}; ${set.cure}`, { code: cause.code, cause });
}

/** From another place on this machine, else fetched. */
async function fromElsewhere(
  set: FileSet,
  missing: DataError,
  { onProgress, offline }: { readonly onProgress: OnProgress; readonly offline: boolean },
): Promise<FoundFiles> {
  const place = set.places.find((path) => existsSync(path));
  if (place !== undefined) return readFrom(place, set, onProgress);
  if (offline || set.fetch === undefined) throw notHere(set, missing);
  try {
    return await set.fetch(onProgress);
  } catch (error) {
    if (error instanceof DataError && error.code === "data/download") throw notHere(set, error);
    throw error;
  }
}

function store(files: Files, folder: string): void {
  makeFolder(folder);
  for (const [name, bytes] of files) writeFileAtomic(join(folder, name), bytes);
}

/** The files of a data set, checked, and kept in the cache where they came from an archive or the network. */
export async function findFiles(
  set: FileSet,
  options: FileContext & { readonly source?: string | undefined },
): Promise<FoundFiles> {
  const onProgress: OnProgress = (message) => options.onProgress?.(`${set.name}: ${message}`);
  if (options.source !== undefined) return readFrom(options.source, set, onProgress);
  const cached = await fromCache(set);
  if (!(cached instanceof DataError)) return cached;
  if (existsSync(set.kept)) onProgress(`the cache is damaged or not whole: ${cached.message}`);
  const started = Date.now();
  const found = await fromElsewhere(set, cached, { onProgress, offline: options.offline ?? false });
  if (found.kind === "folder") return found;
  store(found.files, set.kept);
  onProgress(`checked and kept in ${set.kept} (${((Date.now() - started) / 1000).toFixed(1)} s)`);
  return found;
}

/**
 * The named files of an archive, of a folder, or of one of its subfolders `within`, whichever is there; those that are missing are left
 * out. Nothing larger than `maxBytes` is read.
 */
export async function readNamed(
  path: string,
  names: ReadonlySet<string>,
  options: { readonly within: readonly string[]; readonly maxBytes: number },
): Promise<Files> {
  const { within, maxBytes } = options;
  if (!isFolder(path)) return readTar(path, names, maxBytes);
  const folders = [path, ...within.map((folder) => join(path, folder))];
  const found = new Map<string, Uint8Array>();
  for (const name of names) {
    const file = folders.map((folder) => join(folder, name)).find(existsSync);
    if (file !== undefined) found.set(name, await readWhole(file, maxBytes));
  }
  return found;
}

async function readWhole(file: string, maxBytes: number): Promise<Uint8Array> {
  try {
    const { size } = statSync(file);
    if (size <= maxBytes) return await readFile(file);
    throw new DataError(`${expected(file, `at most ${maxBytes} bytes`, size)}; get the file again`, {
      code: "data/size",
    });
  } catch (error) {
    throw diskError(file, error, "read");
  }
}

/** A file that is not there. */
export function missingFile(path: string, name: string, cure: string): DataError {
  const message = `${path}: expected the file ${name}, got no such file`;
  return new DataError(`${message}; ${cure}`, { code: "data/missing" });
}

/** The SHA-256 of each file. */
export function fileHashes(files: Files): Record<string, string> {
  return Object.fromEntries(Array.from(files, ([name, bytes]) => [name, sha256(bytes)]));
}

/** Names the content of several files by their hashes: what `sha256sum FILES | sha256sum` prints in their folder. */
export function contentHash(hashes: Readonly<Record<string, string>>): string {
  const lines = Object.entries(hashes).map(([name, hash]) => `${hash}  ${name}\n`);
  return sha256(Buffer.from(lines.join("")));
}

/** What a data set says of its files. */
export function dataSource({ kind, location }: FoundFiles, hashes: Readonly<Record<string, string>>): DataSource {
  return { kind, location, sha256: contentHash(hashes) };
}

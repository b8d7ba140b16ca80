import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { createReadStream, readdirSync, rmSync, statSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { DataError, diskError, expected, makeFolder } from "../util/index.js";

/** Called with one line of text when something that takes seconds begins or ends. */
export type OnProgress = (message: string) => void;

/** Where downloads are kept: `S2AP_CACHE`, else `s2ap` in `XDG_CACHE_HOME`, else `~/.cache/s2ap`. */
export function cacheFolder(env: Readonly<Record<string, string | undefined>> = process.env): string {
  if (env.S2AP_CACHE) return env.S2AP_CACHE;
  // The XDG specification says that a relative path is to be ignored.
  const xdg = env.XDG_CACHE_HOME;
  return join(xdg?.startsWith("/") ? xdg : join(homedir(), ".cache"), "s2ap");
}

/** One exact version of a package, and the hash that its archive must have. */
export interface NpmPackage {
  /** `name@version`. */
  readonly spec: string;
  /** Subresource integrity, `sha512-...`. */
  readonly integrity: string;
}

export interface NpmOptions {
  /** A folder on the disk where the archive may lie for a while. */
  readonly folder: string;
  readonly onProgress?: OnProgress | undefined;
  /** The client to run. Default `npm`. */
  readonly npm?: string | undefined;
}

const DOWNLOAD_PREFIX = ".download-";
const STALE_MS = 3_600_000;
const REPORT_EVERY_MS = 5_000;

/** A new folder in `folder` for as long as `use` needs it. */
export async function withTemporary<T>(folder: string, use: (path: string) => Promise<T>): Promise<T> {
  makeFolder(folder);
  removeStale(folder);
  let temporary: string;
  try {
    temporary = await mkdtemp(join(folder, DOWNLOAD_PREFIX));
  } catch (error) {
    throw diskError(folder, error);
  }
  try {
    return await use(temporary);
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

/**
 * Gets a package's archive with npm's own client (its registry, proxy and cache settings apply), checks the hash ourselves too, hands
 * the archive's path to `use`, and removes it. DataError when npm cannot get it or the bytes are others.
 */
export function withNpmArchive<T>(
  wanted: NpmPackage,
  options: NpmOptions,
  use: (archive: string) => Promise<T>,
): Promise<T> {
  return withTemporary(options.folder, async (temporary) => {
    await npmPack(wanted.spec, temporary, options);
    const name = readdirSync(temporary).find((file) => file.endsWith(".tgz"));
    if (name === undefined) throw notGot("npm", wanted.spec, "no archive");
    const archive = join(temporary, name);
    await checkIntegrity(archive, wanted);
    return use(archive);
  });
}

/** A download that was killed leaves its folder behind: the next one cleans up. */
function removeStale(folder: string): void {
  for (const name of readdirSync(folder)) {
    if (!name.startsWith(DOWNLOAD_PREFIX)) continue;
    const path = join(folder, name);
    try {
      if (Date.now() - statSync(path).mtimeMs > STALE_MS) rmSync(path, { recursive: true, force: true });
    } catch {
      // Somebody else's, or already gone: it only costs space.
    }
  }
}

async function npmPack(spec: string, into: string, options: NpmOptions): Promise<void> {
  const args = ["pack", spec, "--pack-destination", into, "--json", "--ignore-scripts", "--prefer-offline"];
  // npm's default waits 10 s and then 60 s between its tries.
  args.push("--loglevel=error", "--fetch-retry-mintimeout=1000", "--fetch-retry-maxtimeout=4000");
  await runClient("npm", spec, { command: options.npm, args, onProgress: options.onProgress });
}

/** Runs a registry's client, which gets the package `wanted`; a DataError of code `data/download` with what it said when it fails. */
export async function runClient(
  client: string,
  wanted: string,
  options: {
    /** Default the client's name. */
    readonly command?: string | undefined;
    readonly args: readonly string[];
    /** Default that of this process. */
    readonly cwd?: string | undefined;
    readonly onProgress?: OnProgress | undefined;
  },
): Promise<void> {
  const { command = client, args, cwd, onProgress } = options;
  const started = Date.now();
  const report = () =>
    onProgress?.(`${client} is still getting ${wanted} (${Math.round((Date.now() - started) / 1000)} s)`);
  const timer = setInterval(report, REPORT_EVERY_MS);
  try {
    await new Promise<void>((resolve, reject) => {
      execFile(command, args, { cwd, maxBuffer: 1 << 24 }, (error, _stdout, stderr) => {
        if (error === null) resolve();
        else if (error.code === "ENOENT") reject(notGot(client, wanted, `no ${client} command`, error));
        else reject(notGot(client, wanted, reason(stderr, error), error));
      });
    });
  } finally {
    clearInterval(timer);
  }
}

/** What a client said, without the lines that say nothing. */
function reason(stderr: string, error: Error): string {
  const said = stderr
    .split("\n")
    .map((line) => line.replace(/^(npm (error|ERR!)|E:)\s*/, "").trim())
    .filter((line) => line !== "" && !/^npm warn|^W:|complete log of this run|^A complete log/i.test(line));
  return said.length > 0 ? said.slice(0, 3).join("; ") : error.message;
}

/** A client that did not get a package. */
export function notGot(client: string, wanted: string, got: string, cause?: unknown): DataError {
  return new DataError(expected(client, `the package ${wanted}`, got), { code: "data/download", cause });
}

async function checkIntegrity(archive: string, wanted: NpmPackage): Promise<void> {
  const hash = createHash("sha512");
  for await (const chunk of createReadStream(archive, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer);
  const got = `sha512-${hash.digest("base64")}`;
  if (got === wanted.integrity) return;
  const what = `the archive of ${wanted.spec} to have the hash ${wanted.integrity.slice(0, 20)}...`;
  throw new DataError(`${expected("npm", what, `${got.slice(0, 20)}...`)}; the registry serves other bytes`, {
    code: "data/hash",
  });
}

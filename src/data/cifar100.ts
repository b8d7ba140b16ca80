/**
 * CIFAR-100: Alex Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009. 50,000 training and 10,000 test images of
 * 32 x 32 in a hundred classes (the fine labels), which lie in twenty groups (the coarse labels). Read from the official binary version:
 * each record is a byte of coarse label, a byte of fine label, then 32 x 32 bytes each of red, green and blue.
 */
import { join } from "node:path";
import { z } from "zod";
import { DataError, expected, parseOptions } from "../util/index.js";
import { IMAGE_BYTES, unpackRecords } from "./cifar-files.js";
import { COARSE_NAMES, FINE_NAMES } from "./cifar100-names.js";
import type { ResidentDataset, Splits } from "./dataset.js";
import { cacheFolder } from "./fetch.js";
import { checkSplits, splits, splitsFields } from "./loader.js";
import { resident } from "./resident.js";
import {
  dataSource,
  type FileContext,
  type FileSet,
  type Files,
  fileHashes,
  findFiles,
  missingFile,
  readNamed,
  sourceField,
} from "./source.js";

export const cifar100Options = z.strictObject({
  ...splitsFields,
  labels: z
    .enum(["fine", "coarse"])
    .default("fine")
    .describe("which labels are the classes: fine, 100 of them, or coarse, 20; default fine"),
  source: sourceField(
    "folder or tar.gz of the official binary version (train.bin and test.bin); default: the cache, filled from the archive in it",
  ),
});
export type Cifar100Options = z.input<typeof cifar100Options> & FileContext;

/** What tests replace. */
export interface Cifar100Environment {
  /** How many images there are to train and to test with. */
  readonly counts: readonly [train: number, test: number];
  /** The folder that keeps CIFAR-100 between runs. */
  readonly cache: string;
}

/** The official archive, which is put into the cache folder by hand, and the folder in it. */
const ARCHIVE = "cifar-100-binary.tar.gz";
const BINARY_FOLDER = "cifar-100-binary";

const HEAD = 2;
const RECORD_BYTES = HEAD + IMAGE_BYTES;
const CURE = `get it again: the official binary version, ${ARCHIVE}`;

function standardEnvironment(): Cifar100Environment {
  return { counts: [50_000, 10_000], cache: join(cacheFolder(), "cifar100") };
}

function bad(path: string, what: string, got: unknown, code: string): DataError {
  return new DataError(`${expected(path, what, got)}; ${CURE}`, { code });
}

/** Checks the size and the labels, whose groups must be the same everywhere; `groups` are those met so far, by fine label. */
function checkRecords(path: string, bytes: Uint8Array, count: number, groups: Map<number, number>): void {
  const size = count * RECORD_BYTES;
  if (bytes.length !== size) {
    const what = `${size} bytes (${count} images of ${RECORD_BYTES})`;
    throw bad(path, what, `${bytes.length} bytes`, "data/truncated");
  }
  for (let at = 0, image = 0; at < size; at += RECORD_BYTES, image++) {
    const [coarse = 0, fine = 0] = bytes.subarray(at, at + HEAD);
    if (coarse >= COARSE_NAMES.length || fine >= FINE_NAMES.length) {
      const got = `${coarse} and ${fine} at image ${image}`;
      throw bad(path, "a coarse label from 0 to 19 and a fine one from 0 to 99", got, "data/labels");
    }
    const group = groups.get(fine) ?? coarse;
    groups.set(fine, group);
    if (group === coarse) continue;
    const got = `${coarse} at image ${image}`;
    throw bad(path, `the coarse label ${group} with the fine label ${fine}, as before`, got, "data/labels");
  }
}

async function readRecords(path: string, env: Cifar100Environment): Promise<Files> {
  const [train, test] = env.counts;
  const counts = new Map([
    ["train.bin", train],
    ["test.bin", test],
  ]);
  const maxBytes = Math.max(train, test) * RECORD_BYTES;
  const found = await readNamed(path, new Set(counts.keys()), { within: [BINARY_FOLDER], maxBytes });
  const groups = new Map<number, number>();
  const files = new Map<string, Uint8Array>();
  for (const [name, count] of counts) {
    const bytes = found.get(name);
    if (bytes === undefined) throw missingFile(path, name, CURE);
    checkRecords(join(path, name), bytes, count, groups);
    files.set(name, bytes);
  }
  return files;
}

function fileSet(env: Cifar100Environment): FileSet {
  return {
    name: "cifar100",
    kept: join(env.cache, BINARY_FOLDER),
    places: [join(env.cache, ARCHIVE)],
    read: (path) => readRecords(path, env),
    cure: `put ${ARCHIVE} (the official binary version) into ${env.cache}, or name a folder or archive of it with the option source`,
  };
}

/**
 * CIFAR-100, whole and resident as uint8: x [N,3,32,32] in [0,1], not normalised. Nothing is fetched; DataError where the files are
 * missing or of another structure.
 */
export async function cifar100(
  options: Cifar100Options = {},
  env = standardEnvironment(),
): Promise<Splits<ResidentDataset>> {
  const { onProgress, offline, ...rest } = options;
  const parsed = parseOptions("cifar100", cifar100Options, rest);
  checkSplits("cifar100", env.counts[0], parsed);
  const found = await findFiles(fileSet(env), { source: parsed.source, onProgress, offline });
  const fine = parsed.labels === "fine";
  const about = {
    shape: [3, 32, 32],
    classNames: fine ? FINE_NAMES : COARSE_NAMES,
    source: dataSource(found, fileHashes(found.files)),
  } as const;
  const part = (name: string, file: string) => {
    const records = found.files.get(file) ?? new Uint8Array();
    return resident(name, unpackRecords([records], { head: HEAD, label: fine ? 1 : 0 }), about);
  };
  return splits("cifar100", { train: part("cifar100", "train.bin"), test: part("cifar100 test", "test.bin") }, parsed);
}

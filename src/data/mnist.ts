/**
 * MNIST: LeCun, Cortes, Burges, handwritten digits, after LeCun, Bottou, Bengio, Haffner, "Gradient-Based Learning Applied to Document
 * Recognition", Proceedings of the IEEE 1998. Fashion-MNIST: Xiao, Rasul, Vollgraf, "Fashion-MNIST: a Novel Image Dataset for
 * Benchmarking Machine Learning Algorithms", 2017, arXiv 1708.07747. Both: 60,000 training and 10,000 test images of 28 x 28 in grey, ten
 * classes, as four idx files.
 */
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { z } from "zod";
import { DataError, expected, parseOptions } from "../util/index.js";
import type { ResidentDataset, Splits } from "./dataset.js";
import { cacheFolder, type OnProgress } from "./fetch.js";
import { type DebOptions, withDebContents } from "./fetch-deb.js";
import { idxHeaderLength, readIdx } from "./idx.js";
import { checkSplits, splits, splitsFields } from "./loader.js";
import { resident } from "./resident.js";
import {
  dataSource,
  type FileContext,
  type FileSet,
  type Files,
  type FoundFiles,
  fileHashes,
  findFiles,
  isFolder,
  missingFile,
  sourceField,
} from "./source.js";

const source = (usual: string) =>
  sourceField(
    `folder with the four idx files (train-images-idx3-ubyte to t10k-labels-idx1-ubyte), each plain or .gz; default: ${usual}`,
  );

export const mnistOptions = z.strictObject({
  ...splitsFields,
  flip: z.boolean().default(false).describe("whether augment mirrors, which makes no digits; default false"),
  source: source("the cache, which is filled by hand"),
});
export type MnistOptions = z.input<typeof mnistOptions> & FileContext;

export const fashionMnistOptions = z.strictObject({
  ...splitsFields,
  source: source("the cache, then Debian's package dataset-fashion-mnist, fetched with apt-get on first use"),
});
export type FashionMnistOptions = z.input<typeof fashionMnistOptions> & FileContext;

const DIGITS = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];
const CLOTHES = "T-shirt/top,Trouser,Pullover,Dress,Coat,Sandal,Shirt,Sneaker,Bag,Ankle boot".split(",");

const SIDE = 28;
const CURE = "get the four files of the data set again";

/** Of Fashion-MNIST's files, unpacked. */
const FASHION_SHA256 = {
  "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
  "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
  "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
  "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
};

const DEBIAN_PACKAGE = "dataset-fashion-mnist";
/** Whether Fashion-MNIST's files are on this machine, as far as a glance tells. */
export const hasFashionMnist = () => [`/${DEBIAN_FOLDER}`, join(cacheFolder(), "fashion-mnist")].some(existsSync);

/** Where that package has its files. */
const DEBIAN_FOLDER = "usr/share/datasets/fashion-mnist";

/** What tests replace. */
export interface MnistEnvironment {
  /** How many images there are to train and to test with. */
  readonly counts: readonly [train: number, test: number];
  /** The folder that keeps the files between runs. */
  readonly cache: string;
  /** Other folders to look into. */
  readonly places: readonly string[];
  /** Of each file, unpacked; files without one are checked for their structure only. */
  readonly sha256: Readonly<Record<string, string>>;
  /** How Debian's package is fetched; absent where there is none. */
  readonly deb?: Omit<DebOptions, "folder" | "onProgress"> | undefined;
}

function standard(name: "mnist" | "fashion-mnist"): MnistEnvironment {
  const common = { counts: [60_000, 10_000], cache: join(cacheFolder(), name) } as const;
  if (name === "mnist") return { ...common, places: [], sha256: {} };
  return { ...common, places: [`/${DEBIAN_FOLDER}`], sha256: FASHION_SHA256, deb: {} };
}

/** The four files and the shape of what is in them. */
function shapes([train, test]: MnistEnvironment["counts"]): [name: string, shape: number[]][] {
  return [
    ["train-images-idx3-ubyte", [train, SIDE, SIDE]],
    ["train-labels-idx1-ubyte", [train]],
    ["t10k-images-idx3-ubyte", [test, SIDE, SIDE]],
    ["t10k-labels-idx1-ubyte", [test]],
  ];
}

function checkLabels(path: string, labels: Uint8Array): void {
  const at = labels.findIndex((label) => label > 9);
  if (at < 0) return;
  const message = expected(path, "labels from 0 to 9", `${labels[at]} at image ${at}`);
  throw new DataError(`${message}; ${CURE}`, { code: "data/labels" });
}

/** The four files, unpacked and checked, by their official names. */
async function readFolder(folder: string, env: MnistEnvironment): Promise<Files> {
  if (!isFolder(folder)) {
    throw new DataError(expected(folder, "a folder with the four idx files", "a file"), { code: "data/not-a-folder" });
  }
  const files = new Map<string, Uint8Array>();
  for (const [name, shape] of shapes(env.counts)) {
    const path = [join(folder, name), join(folder, `${name}.gz`)].find(existsSync);
    if (path === undefined) throw missingFile(folder, `${name} or ${name}.gz`, CURE);
    const bytes = await readIdx(path, shape);
    if (shape.length === 1) checkLabels(path, bytes.subarray(idxHeaderLength(1)));
    files.set(name, bytes);
  }
  const hashes = fileHashes(files);
  for (const [name, hash] of Object.entries(env.sha256)) {
    if (hashes[name] === hash) continue;
    const message = expected(join(folder, name), `SHA-256 ${hash} (unpacked)`, hashes[name]);
    throw new DataError(`${message}; ${CURE}`, { code: "data/hash" });
  }
  return files;
}

async function fromDebian(env: MnistEnvironment, deb: DebOptions, onProgress: OnProgress): Promise<FoundFiles> {
  onProgress(`getting the package ${DEBIAN_PACKAGE} with apt-get (31 MB, once)`);
  return withDebContents(DEBIAN_PACKAGE, deb, async (contents) => ({
    files: await readFolder(join(contents, DEBIAN_FOLDER), env),
    kind: "deb",
    location: DEBIAN_PACKAGE,
  }));
}

function fileSet(name: string, env: MnistEnvironment): FileSet {
  const { cache, deb } = env;
  const names = shapes(env.counts).map(([file]) => file);
  const byHand = `put ${names.join(", ")} (each plain or as .gz) into ${cache}, or name a folder of them with the option source`;
  const folder = dirname(cache);
  return {
    name,
    kept: cache,
    places: env.places,
    read: (path) => readFolder(path, env),
    fetch: deb && ((onProgress) => fromDebian(env, { ...deb, folder, onProgress }, onProgress)),
    cure: deb ? `run apt-get install ${DEBIAN_PACKAGE} (Debian or Ubuntu), or ${byHand}` : byHand,
  };
}

async function load(
  name: string,
  classNames: readonly string[],
  options: z.output<typeof fashionMnistOptions> & FileContext,
  env: MnistEnvironment,
): Promise<Splits<ResidentDataset>> {
  checkSplits(name, env.counts[0], options);
  const found = await findFiles(fileSet(name, env), options);
  const about = { shape: [1, SIDE, SIDE], classNames, source: dataSource(found, fileHashes(found.files)) } as const;
  const dataset = (part: "train" | "t10k", title: string): ResidentDataset => {
    const of = (file: string, dimensions: number) =>
      found.files.get(`${part}-${file}`)?.subarray(idxHeaderLength(dimensions)) ?? new Uint8Array();
    const images = of("images-idx3-ubyte", 3);
    const labels = BigInt64Array.from(of("labels-idx1-ubyte", 1), BigInt);
    return resident(title, { images, labels }, about);
  };
  return splits(name, { train: dataset("train", name), test: dataset("t10k", `${name} test`) }, options);
}

/**
 * MNIST, whole and resident as uint8: x [N,1,28,28] in [0,1], not normalised. Nothing is fetched; DataError where the files are missing
 * or of another structure.
 */
export async function mnist(options: MnistOptions = {}, env = standard("mnist")): Promise<Splits<ResidentDataset>> {
  const { onProgress, offline, ...rest } = options;
  const parsed = parseOptions("mnist", mnistOptions, rest);
  return load("mnist", DIGITS, { ...parsed, onProgress, offline }, env);
}

/**
 * Fashion-MNIST, whole and resident as uint8: x [N,1,28,28] in [0,1], not normalised. Where Debian's package is not installed it is
 * fetched with apt-get on first use (31 MB) and kept under the user's cache folder; every load checks SHA-256. DataError when bytes are
 * wrong or out of reach.
 */
export async function fashionMnist(
  options: FashionMnistOptions = {},
  env = standard("fashion-mnist"),
): Promise<Splits<ResidentDataset>> {
  const { onProgress, offline, ...rest } = options;
  const parsed = parseOptions("fashion-mnist", fashionMnistOptions, rest);
  return load("fashion-mnist", CLOTHES, { ...parsed, onProgress, offline }, env);
}

/**
 * SVHN, the cropped digits ("format 2"): Yuval Netzer, Tao Wang, Adam Coates, Alessandro Bissacco, Bo Wu, Andrew Y. Ng, "Reading
 * Digits in Natural Images with Unsupervised Feature Learning", NIPS Workshop on Deep Learning and Unsupervised Feature Learning 2011.
 * 73,257 training and 26,032 test images of 32 x 32 in ten classes, and 531,131 simpler ones (`extra`) that HYDRA and HARP leave out.
 * Each part is a MATLAB file: X uint8 [32,32,3,N], first index fastest, and y [N,1], in which 10 stands for the digit 0.
 */
import { createHash } from "node:crypto";
import { createReadStream, existsSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { DataError, diskError, expected, parseOptions, sha256 } from "../util/index.js";
import { allocate } from "../util/source.js";
import type { Sink } from "./byte-stream.js";
import type { DataSource, ResidentDataset, Splits } from "./dataset.js";
import { cacheFolder, type OnProgress } from "./fetch.js";
import { checkSplits, splits, splitsFields } from "./loader.js";
import { badMat, type MatHeader, matNumbers, readMat } from "./mat5.js";
import { resident } from "./resident.js";

export const svhnOptions = z.strictObject({
  ...splitsFields,
  source: z
    .string()
    .min(1)
    .optional()
    .describe("folder with train_32x32.mat and test_32x32.mat; default: the folder svhn of the cache"),
  includeExtra: z
    .boolean()
    .default(false)
    .describe("also train on the 531,131 simpler images of extra_32x32.mat; default false"),
});
export type SvhnOptions = z.input<typeof svhnOptions> & {
  /** Told of what is read. */ readonly onProgress?: OnProgress | undefined;
};

/** What tests replace. */
export interface SvhnEnvironment {
  /** The folder that keeps SVHN between runs. */
  readonly cache: string;
  /** SHA-256 of the published files. */
  readonly published: Readonly<Record<string, string>>;
}

const [TRAIN, TEST, EXTRA] = ["train_32x32.mat", "test_32x32.mat", "extra_32x32.mat"];
const ADDRESS = "http://ufldl.stanford.edu/housenumbers/";
const CLASS_NAMES = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];
const IMAGE = 3 * 32 * 32;

const PUBLISHED = {
  [TRAIN]: "435e94d69a87fde4fd4d7f3dd208dfc32cb6ae8af2240d066de1df7508d083b8",
  [TEST]: "cdce80dfb2a2c4c6160906d0bd7c68ec5a99d7ca4831afa54f09182025b6a75b",
  [EXTRA]: "a133a4beb38a00fcdda90c9489e0c04f900b660ce8a316a5e854838379a71eb3",
};

const standardEnvironment = (): SvhnEnvironment => ({ cache: join(cacheFolder(), "svhn"), published: PUBLISHED });

/** Pixels [N,3,32,32] and classes of one or several files. */
interface Images {
  readonly pixels: Uint8Array;
  readonly labels: readonly number[];
}

/** Of a pixel's place in an image of X, [channel][column][row], its place in [channel][row][column]. */
const PLACES = Uint16Array.from({ length: IMAGE }, (_, at) => (at & ~1023) | ((at & 31) << 5) | ((at >> 5) & 31));

/** How many images X has. MATLAB drops a last extent of 1. */
function imagesOf(where: string, { className, shape, stored }: MatHeader): number {
  const [height, width, channels, count = 1, ...more] = shape;
  const fits = height === 32 && width === 32 && channels === 3 && count > 0 && more.length === 0;
  if (fits && className === "uint8" && stored.kind === "uint" && stored.bytes === 1) return count;
  throw badMat(where, "uint8 [32,32,3,N] with N > 0", `${className} [${shape}]`);
}

/** Classes from the labels 1 to 10, of which the last is the digit 0. */
function classesOf(where: string, labels: readonly number[]): number[] {
  return labels.map((label, at) => {
    if (Number.isInteger(label) && label >= 1 && label <= 10) return label % 10;
    throw badMat(where, "whole numbers from 1 to 10, 10 being the digit 0", `${label} at ${at}`);
  });
}

/** Puts the images of X, as they arrive, where they belong in `pixels`, from the byte `start` on. */
function pixelSink(pixels: Uint8Array, start: number): Sink {
  return (piece, at) => {
    let within = at % IMAGE;
    let image = start + at - within;
    for (let i = 0; i < piece.length; i += 1) {
      pixels[image + (PLACES[within] as number)] = piece[i] as number;
      within += 1;
      if (within < IMAGE) continue;
      within = 0;
      image += IMAGE;
    }
  };
}

/** The images of a file, behind those `before`; they are in memory once. */
async function readPart(path: string, before: Images): Promise<Images> {
  let { pixels } = before;
  let numbers = (): number[] => [];
  await readMat(path, {
    X: (header) => {
      pixels = allocate(path, before.pixels.length + imagesOf(`${path}: X`, header) * IMAGE);
      pixels.set(before.pixels);
      return pixelSink(pixels, before.pixels.length);
    },
    y: ({ shape, count, stored }) => {
      if (shape.length !== 2 || Math.min(...shape) !== 1) throw badMat(`${path}: y`, "labels [N,1]", `[${shape}]`);
      const values = allocate(path, count * stored.bytes);
      numbers = () => matNumbers(values, stored);
      return (piece, at) => values.set(piece, at);
    },
  });
  const labels = classesOf(`${path}: y`, numbers());
  const count = (pixels.length - before.pixels.length) / IMAGE;
  if (labels.length !== count) throw badMat(`${path}: y`, `${count} labels, one an image`, labels.length);
  return { pixels, labels: [...before.labels, ...labels] };
}

async function fileHash(path: string): Promise<string> {
  const hash = createHash("sha256");
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer);
  } catch (error) {
    throw diskError(path, error, "read");
  }
  return hash.digest("hex");
}

/** The folder that has all `names`; DataError that says what to put where. */
function folderOf(source: string | undefined, names: readonly string[], { cache }: SvhnEnvironment): string {
  const folder = source ?? cache;
  const missing = names.filter((name) => !existsSync(join(folder, name)));
  if (missing.length === 0) return folder;
  const cure =
    source === undefined
      ? `get ${missing.join(" and ")} from ${ADDRESS} and put them there, or name their folder with the option source`
      : `get them from ${ADDRESS}`;
  const got = missing.length === names.length ? "none of them" : `no ${missing.join(", no ")}`;
  const message = expected(`svhn: ${folder}`, names.join(" and "), got);
  throw new DataError(`${message}; ${cure}`, { code: "data/download" });
}

/**
 * The hash of all files together. In the cache they must be the published ones; elsewhere others will do, such as a small part of
 * them, and are told of.
 */
async function checkedHash(folder: string, names: readonly string[], env: SvhnEnvironment, onProgress: OnProgress) {
  const hashes: Buffer[] = [];
  for (const name of names) {
    const [path, wanted] = [join(folder, name), env.published[name]];
    const hash = await fileHash(path);
    hashes.push(Buffer.from(hash, "hex"));
    if (hash === wanted) continue;
    if (folder !== env.cache) {
      onProgress(`${path} is not the published file; it is used as it is`);
      continue;
    }
    const what = `the published file (SHA-256 ${wanted?.slice(0, 16)}...)`;
    const cure = `get it again from ${ADDRESS}, or name the folder of another SVHN with the option source`;
    throw new DataError(`${expected(path, what, `${hash.slice(0, 16)}...`)}; ${cure}`, { code: "data/hash" });
  }
  return sha256(hashes);
}

/** The images of these files as one data set; `check` is told their number before the tensors are made. */
async function load(
  name: string,
  files: readonly string[],
  source: DataSource,
  check?: (length: number) => void,
): Promise<ResidentDataset> {
  let all: Images = { pixels: new Uint8Array(), labels: [] };
  for (const file of files) all = await readPart(join(source.location, file), all);
  const { pixels, labels } = all;
  check?.(labels.length);
  const shape = [3, 32, 32] as const;
  const data = { images: pixels, labels: BigInt64Array.from(labels, BigInt) };
  return resident(name, data, { shape, classNames: CLASS_NAMES, source });
}

/**
 * SVHN, whole and resident as uint8: x [N,3,32,32] in [0,1], not normalised; class k is the digit k. Nothing is fetched: the MATLAB
 * files lie in `source` or in the user's cache folder. DataError when they are missing or wrong.
 */
export async function svhn(options: SvhnOptions = {}, env = standardEnvironment()): Promise<Splits<ResidentDataset>> {
  const { onProgress, ...rest } = options;
  const parsed = parseOptions("svhn", svhnOptions, rest);
  const tell: OnProgress = (message) => onProgress?.(`svhn: ${message}`);
  const training = parsed.includeExtra ? [TRAIN, EXTRA] : [TRAIN];
  const folder = folderOf(parsed.source, [...training, TEST], env);
  const hash = await checkedHash(folder, [...training, TEST], env, tell);
  const source: DataSource = { kind: parsed.source === undefined ? "cache" : "folder", location: folder, sha256: hash };
  const train = await load("svhn", training, source, (length) => checkSplits("svhn", length, parsed));
  try {
    const test = await load("svhn test", [TEST], source);
    tell(`${train.length} training and ${test.length} test images from ${folder}`);
    return splits("svhn", { train, test }, parsed);
  } catch (error) {
    train.images.dispose();
    train.labels.dispose();
    throw error;
  }
}

/**
 * Labelled images of one's own from NumPy's arrays: an .npz file or a folder of .npy files with uint8 pixels [N,H,W,C], [N,C,H,W] or
 * [N,H,W] and whole numbers [N] or [N,1]. Names are found where they are common ones, as `x_train`, `y_train`, `x_test`, `y_test` of
 * Keras or `image`, `label`. There is always a test set, and never one that nobody asked for: the file's own test arrays, another
 * file, or a share held out by an option.
 */
import { z } from "zod";
import { keep, ops, scope, type Tensor, tensor } from "../torch/index.js";
import { DataError, expected, parseOptions, rng, sha256, UsageError } from "../util/index.js";
import { type ArrayFile, arrayFiles, classCounts, readLabels, readPixels } from "./arrays.js";
import type { DataSource, ResidentDataset, Splits } from "./dataset.js";
import type { OnProgress } from "./fetch.js";
import { checkSplits, splits, splitsFields } from "./loader.js";

/** Labels beyond it are no classes but numbers of something else. */
const MOST_CLASSES = 10_000;

const name = z.string().min(1).optional();

export const npzOptions = z.strictObject({
  ...splitsFields,
  path: z.string().min(1).describe("an .npz file, or a folder of .npy files"),
  images: name.describe("name of the training images' array; default x_train, train_images, image, ..."),
  labels: name.describe("name of their labels' array; default y_train, train_labels, label, ..."),
  testPath: z.string().min(1).optional().describe("another .npz file or folder, with the test set; default none"),
  testImages: name.describe("name of the test images' array; default x_test, test_images, ..., or, in testPath, image"),
  testLabels: name.describe("name of their labels' array; default y_test, test_labels, ..., or, in testPath, label"),
  testShare: z
    .number()
    .gt(0)
    .lt(1)
    .optional()
    .describe("share of the images to hold out as the test set, where there is no other; default none"),
  layout: z
    .enum(["NHWC", "NCHW"])
    .optional()
    .describe("order of the images' extents; default told from which of them is 1 or 3 channels"),
  numClasses: z.int().min(2).max(MOST_CLASSES).optional().describe("classes; default one more than the greatest label"),
});
export type NpzOptions = z.input<typeof npzOptions> & {
  /** Told of what is read. */ readonly onProgress?: OnProgress | undefined;
};
type Parsed = z.output<typeof npzOptions>;
type Names = readonly [images: string, labels: string];

const TRAIN: readonly Names[] = [
  ["x_train", "y_train"],
  ["X_train", "y_train"],
  ["train_images", "train_labels"],
];
const TEST: readonly Names[] = [
  ["x_test", "y_test"],
  ["X_test", "y_test"],
  ["test_images", "test_labels"],
];
const ONLY: readonly Names[] = [
  ["image", "label"],
  ["images", "labels"],
  ["x", "y"],
  ["X", "y"],
  ["arr_0", "arr_1"],
];

/** The arrays of a part. */
interface Part {
  readonly images: ArrayFile;
  readonly labels: ArrayFile;
}

interface Parts {
  readonly train: Part;
  /** Undefined where it is a share of the others. */
  readonly test: Part | undefined;
}

function wrong(where: string, what: string, got: unknown, cure = ""): DataError {
  return new DataError(expected(where, what, got) + cure, { code: "data/npz" });
}

const namesOf = (arrays: ReadonlyMap<string, ArrayFile>) => [...arrays.keys()].slice(0, 8).join(", ") || "none";

/** The pair that is there of those that are usual. */
function findPair(arrays: ReadonlyMap<string, ArrayFile>, usual: readonly Names[]): Part | undefined {
  for (const [image, label] of usual) {
    const [images, labels] = [arrays.get(image), arrays.get(label)];
    if (images && labels) return { images, labels };
  }
  return undefined;
}

/** The pair of these names, which must be there. */
function namedPair(path: string, arrays: ReadonlyMap<string, ArrayFile>, [image, label]: Names): Part {
  const [images, labels] = [arrays.get(image), arrays.get(label)];
  if (images && labels) return { images, labels };
  throw wrong(path, `arrays ${image} and ${label}`, namesOf(arrays));
}

/** Two names, or none. */
function bothNames(options: Parsed, first: "images" | "testImages", second: "labels" | "testLabels") {
  const [image, label] = [options[first], options[second]];
  if (image !== undefined && label !== undefined) return [image, label] as const;
  if (image === undefined && label === undefined) return undefined;
  throw new UsageError(
    expected("npz", `${first} and ${second} together`, `only ${image === undefined ? second : first}`),
  );
}

/** Where the training images are, and the test images unless they are a share of them. */
function partsOf(options: Parsed): Parts {
  const { path, testPath, testShare } = options;
  const [names, testNames] = [bothNames(options, "images", "labels"), bothNames(options, "testImages", "testLabels")];
  if (testShare !== undefined && (testPath !== undefined || testNames !== undefined)) {
    throw new UsageError(expected("npz", "one test set", "testShare, and arrays of a test set beside it"));
  }
  const arrays = arrayFiles(path);
  const train = names === undefined ? findPair(arrays, [...TRAIN, ...ONLY]) : namedPair(path, arrays, names);
  if (train === undefined) {
    const cure = "; name the arrays with the options images and labels";
    throw wrong(path, "arrays x_train and y_train, or image and label", namesOf(arrays), cure);
  }
  const others = testPath === undefined ? arrays : arrayFiles(testPath);
  const usual = testPath === undefined ? TEST : [...TEST, ...ONLY];
  const test = testNames === undefined ? findPair(others, usual) : namedPair(testPath ?? path, others, testNames);
  if (test !== undefined && testShare !== undefined) {
    throw new UsageError(expected("npz", "no testShare, as the file has a test set", test.images.where));
  }
  if (test === undefined && testShare === undefined) {
    const cure =
      "; name its arrays with testImages and testLabels, another file with testPath, or hold out a share with testShare: 0.1";
    throw wrong(testPath ?? path, "a test set (x_test and y_test)", namesOf(others), cure);
  }
  return { train, test };
}

/** Whether images of this shape have their channels last; DataError where it could be either way. */
function channelsLast(where: string, shape: readonly number[], layout: Parsed["layout"]): boolean {
  if (layout !== undefined) return layout === "NHWC";
  const [, second = 0, , last = 0] = shape;
  const [first, behind] = [second === 1 || second === 3, last === 1 || last === 3];
  if (first !== behind) return behind;
  throw wrong(where, "[N,H,W,C] or [N,C,H,W] with 1 or 3 channels", `[${shape}]`, "; say which with the option layout");
}

/** [C,H,W] of images. */
function imageShape(where: string, shape: readonly number[], layout: Parsed["layout"]): number[] {
  const [, a = 0, b = 0, c = 0] = shape;
  if (shape.length === 3) return [1, a, b];
  return channelsLast(where, shape, layout) ? [c, a, b] : [a, b, c];
}

interface Images {
  /** uint8 [N,C,H,W], which the caller owns. */
  readonly pixels: Tensor;
  readonly hash: string;
}

/** The images of a part, as many as there are labels, and of the shape [C,H,W] where there is one to keep to. */
async function readImages(
  part: Part,
  count: number,
  layout: Parsed["layout"],
  like?: readonly number[],
): Promise<Images> {
  const { where } = part.images;
  const { pixels, hash } = await readPixels(part.images, {
    what: "uint8 [N,H,W,C], [N,C,H,W] or [N,H,W]",
    ranks: [3, 4],
    check(shape) {
      const found = imageShape(where, shape, layout);
      if (like && String(found) !== String(like)) throw wrong(where, `images [C,H,W] of [${like}]`, `[${found}]`);
      if (shape[0] !== count) throw wrong(part.labels.where, `${shape[0]} labels, one an image`, count);
    },
  });
  const last = pixels.shape.length === 4 && channelsLast(where, pixels.shape, layout);
  const ordered = () =>
    last ? ops.permute(pixels, [0, 3, 1, 2]) : ops.reshape(pixels, [count, ...imageShape(where, pixels.shape, layout)]);
  const owned = keep(scope(ordered), { forever: true });
  pixels.dispose();
  return { pixels: owned, hash };
}

/** Images and labels before they are a data set. */
interface Labelled {
  readonly images: Tensor;
  readonly labels: readonly number[];
}

/** Holds `count` of the images out; which ones depends on their number alone. */
function heldOut({ images, labels }: Labelled, count: number): { readonly train: Labelled; readonly test: Labelled } {
  const order = rng(0, "test images").permutation(labels.length);
  const chosen = (indices: Int32Array): Labelled => ({
    images: keep(
      scope(() => ops.indexSelect(images, 0, tensor(indices))),
      { forever: true },
    ),
    labels: Array.from(indices, (i) => labels[i] as number),
  });
  const parts = { train: chosen(order.slice(count).sort()), test: chosen(order.slice(0, count).sort()) };
  images.dispose();
  return parts;
}

/** How many images a share is, so that both sides have some. */
function testCount({ labels }: Part, length: number, share: number): number {
  if (length < 2) throw wrong(labels.where, "two or more labels to hold a share of them out", length);
  return Math.min(length - 1, Math.max(1, Math.round(share * length)));
}

function toDataset(
  called: string,
  { images, labels }: Labelled,
  numClasses: number,
  source: DataSource,
): ResidentDataset {
  return {
    name: called,
    images,
    labels: keep(tensor(BigInt64Array.from(labels, BigInt)), { forever: true }),
    length: labels.length,
    numClasses,
    classNames: Array.from({ length: numClasses }, (_, k) => `class ${k}`),
    source,
  };
}

/** The labels of both parts, and how many classes they are of. */
async function readClasses({ train, test }: Parts, given: number | undefined) {
  const own = await readLabels(train.labels);
  const others = test && (await readLabels(test.labels));
  const greatest = [...own.labels, ...(others?.labels ?? [])].reduce((most, label) => Math.max(most, label), 1);
  if (given === undefined && greatest >= MOST_CLASSES) {
    throw wrong(train.labels.where, `classes below ${MOST_CLASSES}`, greatest);
  }
  const numClasses = given ?? greatest + 1;
  const counts = classCounts(train.labels, own.labels, numClasses);
  if (test && others) classCounts(test.labels, others.labels, numClasses);
  return { own, others, numClasses, counts };
}

/** The images of both parts; those of `test` are undefined where they are still among the others. */
async function readBoth({ train, test }: Parts, lengths: readonly number[], layout: Parsed["layout"]) {
  const [first = 0, second = 0] = lengths;
  const own = await readImages(train, first, layout);
  try {
    return { own, others: test && (await readImages(test, second, layout, own.pixels.shape.slice(1))) };
  } catch (error) {
    own.pixels.dispose();
    throw error;
  }
}

/**
 * Images and labels from .npz or .npy files, resident as uint8: x [N,C,H,W] in [0,1]. DataError when a file is damaged, lacks a test
 * set, or its arrays do not fit together.
 */
export async function npzImages(options: NpzOptions): Promise<Splits<ResidentDataset>> {
  const { onProgress, ...rest } = options;
  const parsed = parseOptions("npz", npzOptions, rest);
  const parts = partsOf(parsed);
  const { own, others, numClasses, counts } = await readClasses(parts, parsed.numClasses);
  const held = parsed.testShare === undefined ? 0 : testCount(parts.train, own.labels.length, parsed.testShare);
  checkSplits("npz", own.labels.length - held, parsed);
  const images = await readBoth(parts, [own.labels.length, others?.labels.length ?? 0], parsed.layout);

  const all: Labelled = { images: images.own.pixels, labels: own.labels };
  const { train, test } =
    images.others && others
      ? { train: all, test: { images: images.others.pixels, labels: others.labels } }
      : heldOut(all, held);
  const hashes = [images.own.hash, own.hash, images.others?.hash ?? "", others?.hash ?? ""];
  const location = parsed.testPath === undefined ? parsed.path : `${parsed.path} and ${parsed.testPath}`;
  const source: DataSource = { kind: "npz", location, sha256: sha256(hashes.map((hash) => Buffer.from(hash))) };
  const sizes = `${train.labels.length} training and ${test.labels.length} test images${held > 0 ? " (held out)" : ""}`;
  const shape = train.images.shape.slice(1);
  onProgress?.(`npz: ${sizes} of [${shape}] from ${location}; of each class ${counts.join(", ")}`);
  return splits(
    "npz",
    { train: toDataset("npz", train, numClasses, source), test: toDataset("npz test", test, numClasses, source) },
    parsed,
  );
}

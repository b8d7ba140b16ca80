// Extra training images from an .npz file, as published sets of generated CIFAR-10 images are: `image` uint8 [N,H,W,C] and `label`
// whole numbers [N]. Gowal, Rebuffi, Wiles, Stimberg, Calian, Mann, "Improving Robustness using Generated Data", NeurIPS 2021, arXiv
// 2110.09468, mix them into each batch in a fixed share (0.7 of CIFAR-10's); so do we.
import { createHash } from "node:crypto";
import { z } from "zod";
import { keep, ops, scope, type Tensor, tensor } from "../torch/index.js";
import { expected, parseOptions, sha256, UsageError } from "../util/index.js";
import type { Dataset, Splits } from "./dataset.js";
import type { OnProgress } from "./fetch.js";
import { split } from "./loader.js";
import { bad, LONGEST_HEADER, type NpyHeader, npyHeader, npyNumbers } from "./npy.js";
import { readEntry, type ZipEntry, zipEntries } from "./npz.js";

export const extraOptions = z.strictObject({
  path: z.string().min(1).describe("an .npz file with `image` uint8 [N,H,W,C] and `label` [N]"),
  ratio: z.number().gt(0).lt(1).default(0.7).describe("share of each batch that is from there; default 0.7"),
});
export type ExtraOptions = z.output<typeof extraOptions>;
const shareOptions = extraOptions.pick({ ratio: true });

/** Takes an array's bytes as they come, `at` counted from the first value. */
type Sink = (piece: Buffer, at: number) => void;

/** Reads an array: `begin` is told its header before any value is there, and says where they go. Returns the SHA-256 of all. */
async function readArray(path: string, entry: ZipEntry, begin: (header: NpyHeader) => Sink): Promise<string> {
  const where = `${path}: ${entry.name}`;
  const hash = createHash("sha256");
  let front = Buffer.alloc(0);
  let open: { readonly sink: Sink; done: number } | undefined;
  const start = () => {
    const header = npyHeader(where, front);
    if (header.offset + header.length !== entry.size) {
      throw bad(where, `${header.length} bytes of values, as its header says`, entry.size - header.offset);
    }
    open = { sink: begin(header), done: 0 };
    pour(front.subarray(header.offset));
  };
  const pour = (piece: Buffer) => {
    if (open === undefined || piece.length === 0) return;
    open.sink(piece, open.done);
    open.done += piece.length;
  };
  await readEntry(path, entry, (piece) => {
    hash.update(piece);
    if (open) return pour(piece);
    front = Buffer.concat([front, piece]);
    if (front.length >= Math.min(LONGEST_HEADER, entry.size)) start();
  });
  if (open === undefined) start();
  return hash.digest("hex");
}

function entryOf(path: string, entries: ReadonlyMap<string, ZipEntry>, name: string): ZipEntry {
  const found = entries.get(`${name}.npy`);
  if (found) return found;
  throw bad(path, `arrays image and label`, [...entries.keys()].slice(0, 8).join(", ") || "none");
}

/** Pixels as a tensor [N,H,W,C] that the caller owns, filled as they are unpacked: they are never in memory twice. */
async function readImages(path: string, entry: ZipEntry): Promise<{ readonly images: Tensor; readonly hash: string }> {
  let images: Tensor | undefined;
  try {
    const hash = await readArray(path, entry, ({ type, shape, length }) => {
      if (type.bytes !== 1 || type.signed || shape.length !== 4 || length === 0) {
        throw bad(`${path}: image`, "uint8 [N,H,W,C]", `${type.signed ? "int" : "uint"}${8 * type.bytes} [${shape}]`);
      }
      const pixels = keep(
        scope(() => ops.empty([...shape], { dtype: "uint8" })),
        { forever: true },
      );
      images = pixels;
      return (piece, at) =>
        scope(() => {
          const flat = ops.view(pixels, [length]);
          ops.copy_(ops.narrow(flat, 0, at, piece.length), tensor(new Uint8Array(piece)));
        });
    });
    return { images: images as unknown as Tensor, hash };
  } catch (error) {
    images?.dispose();
    throw error;
  }
}

async function readLabels(
  path: string,
  entry: ZipEntry,
): Promise<{ readonly labels: number[]; readonly hash: string }> {
  let found: { readonly header: NpyHeader; readonly bytes: Uint8Array } | undefined;
  const hash = await readArray(path, entry, (header) => {
    if (header.shape.length !== 1) throw bad(`${path}: label`, "whole numbers [N]", `[${header.shape}]`);
    const bytes = new Uint8Array(header.length);
    found = { header, bytes };
    return (piece, at) => bytes.set(piece, at);
  });
  if (found === undefined) throw bad(`${path}: label`, "whole numbers [N]", "nothing");
  return { labels: npyNumbers(`${path}: label`, found.bytes, found.header.type), hash };
}

/** How many images each class has; DataError for a label that is no class. */
function classCounts(path: string, labels: readonly number[], numClasses: number): number[] {
  const counts = new Array<number>(numClasses).fill(0);
  for (const [i, label] of labels.entries()) {
    const before = counts[label];
    if (before === undefined) throw bad(`${path}: label`, `classes in [0, ${numClasses - 1}]`, `${label} at ${i}`);
    counts[label] = before + 1;
  }
  return counts;
}

/**
 * The labelled images of an .npz file, of the shape and classes of `like`: resident as uint8 [N,C,H,W]. DataError when it is
 * damaged, another kind of file, or its images or labels do not fit.
 */
export async function extraImages(path: string, like: Dataset, onProgress?: OnProgress): Promise<Dataset> {
  const entries = zipEntries(path);
  const { numClasses, classNames } = like;
  const { labels, hash: labelHash } = await readLabels(path, entryOf(path, entries, "label"));
  const counts = classCounts(path, labels, numClasses);
  const { images, hash } = await readImages(path, entryOf(path, entries, "image"));
  const [length = 0, height, width, channels] = images.shape;
  try {
    const shape = [channels, height, width];
    if (String(shape) !== String(like.images.shape.slice(1))) {
      throw bad(`${path}: image`, `images [N,H,W,C] that are [${like.images.shape.slice(1)}] as [C,H,W]`, `[${shape}]`);
    }
    if (labels.length !== length) throw bad(`${path}: label`, `${length} labels, one an image`, labels.length);
  } catch (error) {
    images.dispose();
    throw error;
  }
  onProgress?.(
    `extra: ${length} images of [${channels},${height},${width}] from ${path}; of each class ${counts.join(", ")}`,
  );
  const owned = keep(
    scope(() => ({
      images: ops.permute(images, [0, 3, 1, 2]),
      labels: tensor(BigInt64Array.from(labels, BigInt)),
    })),
    { forever: true },
  );
  images.dispose();
  const source = { kind: "npz", location: path, sha256: sha256([Buffer.from(hash), Buffer.from(labelHash)]) };
  return { name: `extra ${path}`, ...owned, length, numClasses, classNames, source };
}

/** The same splits with a share of extra images in each training batch; selection and test stay as they are. */
export function withExtra(splits: Splits, extra: Dataset, options: z.input<typeof shareOptions> = {}): Splits {
  const { ratio } = parseOptions("extra", shareOptions, options);
  const { train } = splits;
  const { images } = train.dataset;
  if (images.dtype !== extra.images.dtype) {
    throw new UsageError(expected("extra", `images of dtype ${images.dtype}`, extra.images.dtype));
  }
  const { source } = train.dataset;
  const dataset: Dataset = {
    ...train.dataset,
    source: {
      kind: source.kind,
      location: `${source.location}, and in each batch a share of ${ratio} from ${extra.source.location}`,
      sha256: sha256([Buffer.from(source.sha256), Buffer.from(extra.source.sha256)]),
    },
  };
  return { ...splits, train: split(dataset, train.indices, { ...train, extra: { dataset: extra, ratio } }) };
}

/** Loads the images that `options` name, tells their sizes, and mixes them in; without options the splits are as they came. */
export async function mixedSplits(
  splits: Splits,
  options: ExtraOptions | undefined,
  onProgress?: OnProgress,
): Promise<Splits> {
  if (options === undefined) return splits;
  const extra = await extraImages(options.path, splits.train.dataset, onProgress);
  const mixed = withExtra(splits, extra, { ratio: options.ratio });
  const { batchSize, steps } = mixed.train;
  const few = Math.min(batchSize - 1, Math.max(1, Math.round(options.ratio * batchSize)));
  onProgress?.(`extra: ${few} of the ${batchSize} images of each batch; ${steps} batches an epoch, as without`);
  return mixed;
}

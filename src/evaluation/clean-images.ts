// The images that were attacked, beside the points that broke them: who has a record can look at both without the data set.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { type Dataset, imageShape, pixelsOf } from "../data/index.js";
import { loadTensors, saveTensors } from "../nn/index.js";
import { type DType, fromBytes, scope, type Tensor, tensor, toBytes } from "../torch/index.js";
import { DataError, sha256 } from "../util/index.js";
import { BLOCK } from "./list.js";
import type { ImageRecord } from "./robustness.js";

export const cleanPath = (folder: string) => join(folder, "clean.safetensors");

/** Of images that a record keeps: any test set of small images, some 890 images of 224 x 224. */
const MOST_BYTES = 128 * 2 ** 20;

/** Images as their data set stores them, row-major. */
function storedImages(
  dataset: Dataset,
  indices: readonly number[],
): { readonly dtype: DType; readonly bytes: Uint8Array } {
  return scope(() => {
    const stored = pixelsOf(dataset, Int32Array.from(indices));
    return { dtype: stored.dtype, bytes: toBytes(stored) };
  });
}

/** The rows of a list, a block at a time. */
function* blocksOf<T>(all: readonly T[]): Generator<readonly T[]> {
  for (let first = 0; first < all.length; first += BLOCK) yield all.slice(first, first + BLOCK);
}

/**
 * Writes `images` [N,C,H,W] as the data set stores them (bytes; or floats in [0,1]), `indices` and `labels`, in the order of the
 * evaluation: as many of the first ones as fit into `most` bytes, default 128 MiB.
 */
export function saveCleanImages(
  folder: string,
  dataset: Dataset,
  images: readonly Pick<ImageRecord, "index" | "label">[],
  most = MOST_BYTES,
): void {
  const { dtype, bytes: one } = storedImages(dataset, [images[0]?.index ?? 0]);
  const kept = images.slice(0, Math.floor(most / one.length));
  const parts = [...blocksOf(kept)].map(
    (block) =>
      storedImages(
        dataset,
        block.map(({ index }) => index),
      ).bytes,
  );
  const whole = (values: readonly number[]) => tensor(BigInt64Array.from(values, BigInt));
  scope(() => {
    const saved = new Map<string, Tensor>([
      ["images", fromBytes(Buffer.concat(parts), [kept.length, ...imageShape(dataset)], dtype)],
      ["indices", whole(kept.map(({ index }) => index))],
      ["labels", whole(kept.map(({ label }) => label))],
    ]);
    saveTensors(cleanPath(folder), saved, { data: dataset.source.sha256 });
  });
}

/** Positions in the data set of images that a record keeps otherwise than they are there; none where it keeps none. */
export function changedCleanImages(folder: string, dataset: Dataset): number[] {
  const path = cleanPath(folder);
  if (!existsSync(path)) return [];
  const { tensors } = loadTensors(path);
  try {
    const [images, indices] = ["images", "indices"].map((name) => tensors.get(name));
    const known = indices?.toNumbers() ?? [];
    if (
      images === undefined ||
      images.shape[0] !== known.length ||
      known.some((at) => !(at >= 0 && at < dataset.length))
    ) {
      throw new DataError(`${path}: expected images and their indices in the data set, got other contents`, {
        code: "data/record",
      });
    }
    const kept = toBytes(images);
    const size = kept.length / Math.max(1, known.length);
    return [...blocksOf(known.map((index, row) => ({ index, row })))].flatMap((block) => {
      const { dtype, bytes } = storedImages(
        dataset,
        block.map(({ index }) => index),
      );
      const same = (row: number, i: number) =>
        Buffer.compare(kept.subarray(row * size, (row + 1) * size), bytes.subarray(i * size, (i + 1) * size)) === 0;
      const alike = dtype === images.dtype && bytes.length === size * block.length;
      return block.flatMap(({ index, row }, i) => (alike && same(row, i) ? [] : [index]));
    });
  } finally {
    for (const each of tensors.values()) each.dispose();
  }
}

/** Positions in the data set of the images that a record keeps, in the order of the file. */
export function cleanImagePositions(folder: string): number[] {
  const { tensors } = loadTensors(cleanPath(folder));
  try {
    return tensors.get("indices")?.toNumbers() ?? [];
  } finally {
    for (const each of tensors.values()) each.dispose();
  }
}

/** Hashes of the images that a record keeps, by position in the data set. */
export function cleanImageHashes(folder: string): Map<number, string> {
  const path = cleanPath(folder);
  if (!existsSync(path)) return new Map();
  const { tensors } = loadTensors(path);
  try {
    const images = tensors.get("images");
    const known = tensors.get("indices")?.toNumbers() ?? [];
    if (images === undefined) return new Map();
    const [bytes, kind] = [toBytes(images), new TextEncoder().encode(images.dtype)];
    const size = bytes.length / Math.max(1, known.length);
    return new Map(known.map((index, row) => [index, sha256([kind, bytes.subarray(row * size, (row + 1) * size)])]));
  } finally {
    for (const each of tensors.values()) each.dispose();
  }
}

// What a look at every image of a data set finds: images without content, and test images that are training images too. Images go
// by in batches, so a set that holds its images on disk is never in memory as a whole.
import { createHash } from "node:crypto";
import { ops, scope } from "../torch/index.js";
import type { Split, Splits } from "./dataset.js";

/** Positions in the data set, of the training set for `train` and `selection`. */
export interface ImageFindings {
  /** Images that were looked at. */
  readonly images: number;
  /** Images all of whose values are the same. */
  readonly flat: Readonly<Record<keyof Splits, readonly number[]>>;
  /** Pairs of exactly equal images, one of them a test image and the other of `train` or `selection`. */
  readonly leaked: readonly { readonly test: number; readonly train: number }[];
}

export interface ImageCheckOptions {
  /** Told how many images have been looked at, a batch at a time. */
  readonly onProgress?: ((done: number, of: number) => void) | undefined;
}

/** Images at a time: a few megabytes of the usual sizes. */
const BATCH = 64;

/** Calls `see` with the values of each image, [C,H,W] one after the other, and its position in the data set. */
function eachImage(split: Split, see: (values: Float32Array, position: number) => void, onBatch: (n: number) => void) {
  for (let start = 0; start < split.length; start += BATCH) {
    const { values, size } = scope(() => {
      const { x, size } = split.ordered(start, BATCH);
      return { values: ops.contiguous(x).toArray() as Float32Array, size };
    });
    const each = values.length / size;
    for (let i = 0; i < size; i++) {
      see(values.subarray(i * each, (i + 1) * each), split.indices[start + i] as number);
    }
    onBatch(size);
  }
}

function isFlat(values: Float32Array): boolean {
  const first = values[0];
  return values.every((value) => value === first);
}

function hashOf(values: Float32Array): string {
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  return createHash("sha256").update(bytes).digest("base64");
}

/** Looks at every image once, as `ordered` gives it. */
export function checkImages(splits: Splits, { onProgress }: ImageCheckOptions = {}): ImageFindings {
  const of = splits.train.length + splits.selection.length + splits.test.length;
  const flat = { train: [] as number[], selection: [] as number[], test: [] as number[] };
  const leaked: { test: number; train: number }[] = [];
  const known = new Map<string, number>();
  let images = 0;
  for (const name of ["train", "selection", "test"] as const) {
    const see = (values: Float32Array, position: number) => {
      if (isFlat(values)) flat[name].push(position);
      const hash = hashOf(values);
      const twin = known.get(hash);
      if (name !== "test") known.set(hash, position);
      else if (twin !== undefined) leaked.push({ test: position, train: twin });
    };
    eachImage(splits[name], see, (size) => {
      images += size;
      onProgress?.(images, of);
    });
  }
  return { images, flat, leaked };
}

import type { Batch, Split } from "../data/index.js";
import { pixelsOf, split as splitOf } from "../data/index.js";
import { type DType, ops, scope } from "../torch/index.js";
import { DataError, expected, UsageError } from "../util/index.js";
import { BLOCK } from "./list.js";

/** The images of an evaluation, in blocks. */
export interface BlockImages {
  /** N. */
  readonly count: number;
  /** Position in the data set of each image. */
  readonly indices: Int32Array;
  readonly blocks: number;
  /** First position of a block, and the one after its last. */
  range(block: number): readonly [first: number, end: number];
  /** x [B,C,H,W] in `dtype` and [0,1], y int64 [B]; DataError where they are not. */
  load(block: number): Batch;
}

function chosen(split: Split, examples: number | undefined, positions: ArrayLike<number> | undefined): Split {
  if (positions === undefined) {
    const count = examples ?? split.length;
    if (!(Number.isInteger(count) && count >= 1)) {
      throw new UsageError(expected("evaluation", "examples to be a whole number >= 1", count), {
        code: "usage/option",
      });
    }
    return count >= split.length ? split : splitOf(split.dataset, split.indices.slice(0, count));
  }
  if (examples !== undefined) {
    throw new UsageError("evaluation: expected examples or indices, got both", { code: "usage/option" });
  }
  const indices = Int32Array.from(positions, (at) => split.indices[at] ?? -1);
  if (indices.length === 0 || indices.includes(-1) || new Set(indices).size < indices.length) {
    const what = `different indices in [0, ${split.length - 1}]`;
    throw new UsageError(expected("evaluation", what, Array.from(positions)), { code: "usage/option" });
  }
  return splitOf(split.dataset, indices);
}

function inRange(batch: Batch, classes: number, name: string): void {
  const low = ops.amin(batch.x, { dim: [0, 1, 2, 3] }).item();
  const high = ops.amax(batch.x, { dim: [0, 1, 2, 3] }).item();
  if (!(low >= 0 && high <= 1)) {
    const hint = high > 1 && high <= 255 ? "; divide images in 0..255 by 255" : "";
    throw new DataError(expected(`data set '${name}'`, "pixels in [0, 1]", `values from ${low} to ${high}`) + hint, {
      code: "data/pixel-range",
    });
  }
  if (batch.y.dtype !== "int64") {
    throw new DataError(expected(`data set '${name}'`, "labels in int64", batch.y.dtype), { code: "data/labels" });
  }
  const odd = batch.y.toNumbers().find((label) => !(label >= 0 && label < classes));
  if (odd === undefined) return;
  throw new DataError(expected(`data set '${name}'`, `labels in [0, ${classes - 1}]`, odd), { code: "data/labels" });
}

/** The images to evaluate; in float64 they are bytes / 255 in float64, not a widened float32. */
export function blockImages(
  split: Split,
  at: {
    readonly examples?: number | undefined;
    readonly indices?: ArrayLike<number> | undefined;
    readonly dtype: DType;
    readonly classes: number;
  },
): BlockImages {
  const images = chosen(split, at.examples, at.indices);
  const count = images.length;
  const range = (block: number) => [block * BLOCK, Math.min((block + 1) * BLOCK, count)] as const;
  const exact = (first: number, end: number): Batch => {
    const batch = images.ordered(first, end - first);
    if (at.dtype === batch.x.dtype) return batch;
    const bytes = pixelsOf(images.dataset, images.indices.slice(first, end));
    if (bytes.dtype !== "uint8") return { ...batch, x: ops.to(batch.x, at.dtype) };
    const x = ops.div(ops.to(ops.contiguous(bytes, { memoryFormat: "channels_last" }), at.dtype), 255);
    return { ...batch, x };
  };
  return {
    count,
    indices: images.indices,
    blocks: Math.ceil(count / BLOCK),
    range,
    load: (block) =>
      scope(() => {
        const batch = exact(...range(block));
        inRange(batch, at.classes, images.dataset.name);
        return batch;
      }),
  };
}

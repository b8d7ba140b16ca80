import { z } from "zod";
import { ops, scope, type Tensor, tensor } from "../torch/index.js";
import { expected, type Rng, rng, UsageError } from "../util/index.js";
import { augmentation, cropAndFlip } from "./augment.js";
import { cutOut } from "./cutout.js";
import type { Batch, Dataset, DrawnBy, Extra, Split, Splits } from "./dataset.js";
import { mix } from "./mixup.js";
import { endless, shuffled } from "./order.js";

export interface SplitOptions {
  /** Images a batch. Default 128. */
  readonly batchSize?: number;
  /** Whether `batch` zero-pads by 4, crops at random and mirrors half of the images. Default false. */
  readonly augment?: boolean;
  /** Whether `augment` mirrors. Default true. */
  readonly flip?: boolean | undefined;
  /** Side in pixels of the square that `batch` cuts out of each image. Default none. */
  readonly cutout?: number | undefined;
  /** Alpha of the Beta distribution by which `batch` mixes images and labels in pairs. Default none. */
  readonly mixup?: number | undefined;
  /** Further images that each batch has a share of. Default none. */
  readonly extra?: Extra | undefined;
}

function whole(where: string, name: string, value: number, least: number, most = Number.MAX_SAFE_INTEGER): number {
  if (Number.isSafeInteger(value) && value >= least && value <= most) return value;
  const range =
    most === Number.MAX_SAFE_INTEGER ? `a whole number >= ${least}` : `a whole number in [${least}, ${most}]`;
  throw new UsageError(expected(where, `${name} to be ${range}`, value), { code: "usage/option" });
}

/** The images at some positions of a set as they are stored, [B,C,H,W]: bytes, or float32 in [0,1]. */
export function pixelsOf({ name, images, decoded }: Dataset, at: Int32Array, drawn?: DrawnBy): Tensor {
  if (decoded) return decoded.take(at, drawn);
  if (images === undefined) throw new UsageError(expected(`data set '${name}'`, "images or decoded", "neither"));
  return scope(() => {
    const stored = ops.indexSelect(images, 0, tensor(at));
    return drawn === undefined ? stored : cropAndFlip(stored, augmentation(at, drawn.round, drawn.keyed, drawn.flip));
  });
}

/** [C,H,W] of a set's images. */
export function imageShape({ images, decoded }: Dataset): readonly number[] {
  return decoded?.shape ?? images?.shape.slice(1) ?? [];
}

/** Images of a data set as one batch; x is float32 in [0,1], channels_last. */
function gather(dataset: Dataset, images: Int32Array, drawn?: DrawnBy): Batch {
  return scope(() => {
    const x = toChannelsLast(pixelsOf(dataset, images, drawn));
    // A true division, as everyone's ToTensor does: the product with 1/255 has other last bits.
    const pixels = x.dtype === "uint8" ? ops.div(x, 255) : x;
    return { x: pixels, y: ops.indexSelect(dataset.labels, 0, tensor(images)), size: images.length };
  });
}

function toChannelsLast(x: Tensor): Tensor {
  return ops.contiguous(x, { memoryFormat: "channels_last" });
}

/** Which images of one set a batch has, and what keys their augmentation. */
interface Part extends DrawnBy {
  readonly dataset: Dataset;
  readonly images: Int32Array;
}

/** The images of a part, augmented. */
function gatherPart({ dataset, images, ...drawn }: Part, { augment = false, cutout }: SplitOptions): Batch {
  const batch = gather(dataset, images, augment ? drawn : undefined);
  if (cutout !== undefined) scope(() => cutOut(batch.x, images, cutout, drawn.round, drawn.keyed));
  return batch;
}

/** Has the images of parts decoded in time. */
function askFor(parts: readonly Part[], augment = false): void {
  for (const { dataset, images, ...drawn } of parts) dataset.decoded?.ask(images, augment ? drawn : undefined);
}

/** The images from `start` on; those that come after them are likely to be asked for next. */
function orderedImages({ decoded }: Dataset, indices: Int32Array, start: number, count: number): Int32Array {
  for (let ahead = 0; ahead <= (decoded?.ahead ?? -1); ahead++) {
    const from = start + ahead * count;
    if (from < indices.length) decoded?.ask(indices.slice(from, from + count));
  }
  return indices.slice(start, start + count);
}

/** Several parts as one batch. */
function joined(parts: readonly Batch[]): Batch {
  const [first] = parts;
  if (parts.length === 1 && first) return first;
  return scope(() => ({
    x: toChannelsLast(ops.cat(parts.map(({ x }) => x))),
    y: ops.cat(parts.map(({ y }) => y)),
    size: parts.reduce((sum, { size }) => sum + size, 0),
  }));
}

/** How many images of a batch are extra ones. */
function extraCount(batchSize: number, extra: Extra | undefined): number {
  if (extra === undefined) return 0;
  whole("split", "batchSize with extra images", batchSize, 2);
  return Math.min(batchSize - 1, Math.max(1, Math.round(extra.ratio * batchSize)));
}

/** Batches of the images at `indices` of a data set. */
export function split<D extends Dataset>(dataset: D, indices: Int32Array, options: SplitOptions = {}): Split<D> {
  const { augment = false, flip = true, cutout, mixup, extra } = options;
  const batchSize = whole("split", "batchSize", options.batchSize ?? 128, 1);
  if (cutout !== undefined) whole("split", "cutout", cutout, 1);
  if (mixup !== undefined && !(mixup > 0)) throw new UsageError(expected("split", "mixup above 0", mixup));
  const steps = Math.ceil(indices.length / batchSize);
  const fromExtra = extraCount(batchSize, extra);
  const epochOrder = shuffled(indices.length);
  const [own, others] = [endless(indices.length), endless(extra?.dataset.length ?? 0)];
  const imagesAt = (positions: Int32Array) => positions.map((at) => indices[at] as number);

  /** The images of a batch. With extra ones both kinds are endless, so that an epoch has as many steps as without. */
  function partsOf(epoch: number, index: number, keyed: Rng): Part[] {
    if (extra === undefined) {
      const order = epochOrder(keyed.at("order", epoch)).slice(index * batchSize, (index + 1) * batchSize);
      return [{ dataset, images: imagesAt(order), round: epoch, keyed, flip }];
    }
    const round = epoch * steps + index;
    const [key, extraKey] = [keyed.at("with extra"), keyed.at("extra")];
    return [
      { dataset, images: imagesAt(own(round, batchSize - fromExtra, key)), round, keyed: key, flip },
      { dataset: extra.dataset, images: others(round, fromExtra, extraKey), round, keyed: extraKey, flip },
    ];
  }

  /** The batch itself first, then those that training is likely to ask for next. */
  function askAhead(epoch: number, index: number, keyed: Rng): void {
    for (let ahead = 0; ahead <= (dataset.decoded?.ahead ?? -1); ahead++) {
      const at = index + ahead;
      askFor(partsOf(epoch + Math.floor(at / steps), at % steps, keyed), augment);
    }
  }

  return {
    dataset,
    indices,
    length: indices.length,
    batchSize,
    augment,
    flip,
    cutout,
    mixup,
    extra,
    steps,
    batch(epoch, index, keyed) {
      whole("split.batch", "index", index, 0, steps - 1);
      askAhead(epoch, index, keyed);
      return scope(() => {
        const batch = joined(partsOf(epoch, index, keyed).map((part) => gatherPart(part, options)));
        return mixup === undefined ? batch : mix(batch, dataset.numClasses, mixup, keyed.at("mixup", epoch, index));
      });
    },
    ordered(start, count) {
      whole("split.ordered", "start", start, 0, indices.length - 1);
      whole("split.ordered", "count", count, 1);
      return gather(dataset, orderedImages(dataset, indices, start, count));
    },
  };
}

/** Options that every data set has. */
export const splitsFields = {
  batchSize: z.int().min(1).default(128).describe("images a batch; default 128"),
  augment: z
    .boolean()
    .default(true)
    .describe("zero-pad by 4, crop at random and mirror half of the training images, see flip; default true"),
  flip: z
    .boolean()
    .default(true)
    .describe("whether augment mirrors; false where a mirror image is another class; default true"),
  selection: z.int().min(0).default(1000).describe("training images held out to choose checkpoints; default 1000"),
  examples: z.int().min(1).optional().describe("training images to use, besides those held out; default all"),
  cutout: z
    .int()
    .min(1)
    .optional()
    .describe("side in pixels of a square of zeros somewhere in each training image; default none"),
  mixup: z
    .number()
    .gt(0)
    .optional()
    .describe("alpha of the Beta distribution by which training images and labels are mixed in pairs; default none"),
};

const splitsSchema = z.object(splitsFields);
export type SplitsOptions = Omit<z.output<typeof splitsSchema>, "flip"> & Pick<SplitOptions, "flip">;

/** Checks how many of `total` training images are held out and used, which can be done before any is loaded. */
export function checkSplits(where: string, total: number, options: SplitsOptions): void {
  const held = whole(where, "selection", options.selection, 0, total - 1);
  whole(where, "examples", options.examples ?? total - held, 1, total - held);
}

/**
 * Divides a data set. Which images are held out, and which are used with `examples`, depends on the size of the training set alone,
 * not on the seed of a run: runs that differ in seed choose checkpoints on the same images, and a smaller `examples` is a subset.
 */
export function splits<D extends Dataset>(
  where: string,
  data: { train: D; test: D },
  options: SplitsOptions,
): Splits<D> {
  const { batchSize, augment, flip, selection, cutout, mixup } = options;
  const total = data.train.length;
  checkSplits(where, total, options);
  const order = rng(0, "held-out images").permutation(total);
  const used = order.slice(selection, selection + (options.examples ?? total));
  return {
    train: split(data.train, used.sort(), { batchSize, augment, flip, cutout, mixup }),
    selection: split(data.train, order.slice(0, selection).sort(), { batchSize }),
    test: split(
      data.test,
      Int32Array.from({ length: data.test.length }, (_, i) => i),
      { batchSize },
    ),
  };
}

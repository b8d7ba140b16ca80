import type { Tensor } from "../torch/index.js";
import type { Rng } from "../util/index.js";

/** Where the bytes came from; `sha256` names the content, whatever the source. */
export interface DataSource {
  /** `cache`, `folder`, `archive`, `npm`, `safetensors` or `generated`. */
  readonly kind: string;
  /** Path, package or parameters. */
  readonly location: string;
  readonly sha256: string;
}

/** What an augmentation is drawn by: the same images drawn by the same are the same bits. */
export interface DrawnBy {
  readonly round: number;
  readonly keyed: Rng;
  /** Whether half of the images are mirrored; default true. */
  readonly flip?: boolean | undefined;
}

/** Images that are decoded as they are asked for, each of the same shape. */
export interface DecodedImages {
  /** [C,H,W]. */
  readonly shape: readonly number[];
  /** How many calls of `ask` may be ahead of `take`. */
  readonly ahead: number;
  /** Begins to decode the images at some positions of the set, so that `take` of the same arguments need not wait. */
  ask(images: Int32Array, drawn?: DrawnBy): void;
  /** uint8 [B,C,H,W], channels_last: augmented where `drawn`, else as a test image. DataError names a file that is damaged. */
  take(images: Int32Array, drawn?: DrawnBy): Tensor;
}

/** What the labels of a set mean, which is written to the run that learns from it. */
export interface ClassIndex {
  /** By label. */
  readonly classes: readonly string[];
  /** Damaged images that are not in the set, as they were asked to be left out. */
  readonly leftOut: readonly { readonly file: string; readonly reason: string }[];
}

/** Labelled images, resident in memory or decoded as they are asked for. */
export interface Dataset {
  readonly name: string;
  /**
   * Where they are resident: uint8 [N,C,H,W], a pixel is value / 255; or, of sets that are only evaluated, float32 in [0,1]. Who
   * wants images of any set takes them from `Split.batch`, `Split.ordered` or `pixelsOf`.
   */
  readonly images?: Tensor | undefined;
  /** Where they are not. */
  readonly decoded?: DecodedImages | undefined;
  /** int64 [N]. */
  readonly labels: Tensor;
  /** N. */
  readonly length: number;
  readonly numClasses: number;
  readonly classNames: readonly string[];
  /** Where classes come from the disk: a network must be used with the list that it learned. */
  readonly classIndex?: ClassIndex | undefined;
  readonly source: DataSource;
}

/** A set whose images are resident. */
export interface ResidentDataset extends Dataset {
  readonly images: Tensor;
}

/** Some images: x float32 [B,C,H,W] in [0,1], channels_last; y int64 [B]. */
export interface Batch {
  readonly x: Tensor;
  readonly y: Tensor;
  /** Of mixed images: the share of each class, float32 [B,K]; y is then the class of the larger share. */
  readonly targets?: Tensor | undefined;
  /** B. */
  readonly size: number;
}

/** Images of another set, of the same shape and classes. */
export interface Extra {
  readonly dataset: Dataset;
  /** Share of each batch in (0,1), rounded to whole images, at least one of each kind. */
  readonly ratio: number;
}

/** Which images of a data set, and how they are batched. */
export interface Split<D extends Dataset = Dataset> {
  readonly dataset: D;
  /** Positions in the data set, ascending. */
  readonly indices: Int32Array;
  readonly length: number;
  readonly batchSize: number;
  /** Whether `batch` crops and flips. */
  readonly augment: boolean;
  /** Whether that flips; default true. */
  readonly flip?: boolean | undefined;
  /** Side in pixels of the square that `batch` cuts out of each image; default none. */
  readonly cutout?: number | undefined;
  /** Alpha of the Beta distribution by which `batch` mixes pairs of images and labels; default none. */
  readonly mixup?: number | undefined;
  /** Further images that each batch has a share of; default none. */
  readonly extra?: Extra | undefined;
  /** Batches an epoch; the last one may be short, unless there are extra images. */
  readonly steps: number;
  /**
   * Batch `index` of an epoch in training order: a permutation keyed by (rng, epoch), then a random crop and flip, and a square
   * cut out, keyed by (rng, epoch, image), then mixing keyed by (rng, epoch, index). The same arguments give the same bits,
   * in any order of calls.
   */
  batch(epoch: number, index: number, rng: Rng): Batch;
  /** Images `start` to `start + count` (cut at the end) of the split, neither shuffled nor augmented. */
  ordered(start: number, count: number): Batch;
}

/** What training uses: `train` to learn, `selection` (held out of the training images) to choose checkpoints, `test` to report. */
export interface Splits<D extends Dataset = Dataset> {
  readonly train: Split<D>;
  readonly selection: Split<D>;
  readonly test: Split<D>;
}

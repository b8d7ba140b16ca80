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

/** Labelled images, resident in memory as bytes. */
export interface Dataset {
  readonly name: string;
  /** uint8 [N,C,H,W], a pixel is value / 255; or, of sets that are only evaluated, float32 in [0,1]. */
  readonly images: Tensor;
  /** int64 [N]. */
  readonly labels: Tensor;
  /** N. */
  readonly length: number;
  readonly numClasses: number;
  readonly classNames: readonly string[];
  readonly source: DataSource;
}

/** Some images: x float32 [B,C,H,W] in [0,1], channels_last; y int64 [B]. */
export interface Batch {
  readonly x: Tensor;
  readonly y: Tensor;
  /** B. */
  readonly size: number;
}

/** Which images of a data set, and how they are batched. */
export interface Split {
  readonly dataset: Dataset;
  /** Positions in the data set, ascending. */
  readonly indices: Int32Array;
  readonly length: number;
  readonly batchSize: number;
  /** Whether `batch` crops and flips. */
  readonly augment: boolean;
  /** Batches an epoch; the last one may be short. */
  readonly steps: number;
  /**
   * Batch `index` of an epoch in training order: a permutation keyed by (rng, epoch), then a random crop and flip keyed by
   * (rng, epoch, image). The same arguments give the same bits, in any order of calls.
   */
  batch(epoch: number, index: number, rng: Rng): Batch;
  /** Images `start` to `start + count` (cut at the end) of the split, neither shuffled nor augmented. */
  ordered(start: number, count: number): Batch;
}

/** What training uses: `train` to learn, `selection` (held out of the training images) to choose checkpoints, `test` to report. */
export interface Splits {
  readonly train: Split;
  readonly selection: Split;
  readonly test: Split;
}

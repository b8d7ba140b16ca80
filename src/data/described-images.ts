// Images and labels of one safetensors file: `images` uint8 [N,C,H,W] (a pixel is value / 255) or float in [0,1], and
// `labels` [N], whole numbers.
import { readFileSync } from "node:fs";
import { loadTensors } from "../nn/index.js";
import { type DType, keep, ops, scope, type Tensor } from "../torch/index.js";
import { DataError, diskError, expected, sha256 } from "../util/index.js";
import type { Dataset, Split } from "./dataset.js";
import { split } from "./loader.js";

/** What the network takes. */
export interface DescribedImagesOptions {
  /** [C,H,W]. */
  readonly inputShape: readonly number[];
  readonly numClasses: number;
  /** Images a batch. Default 128. */
  readonly batchSize?: number | undefined;
  /** Of images that are floats; default float32, which networks take. */
  readonly dtype?: "float32" | "float64" | undefined;
}

const FLOATS: readonly DType[] = ["float32", "float64", "float16", "bfloat16"];
const WHOLE: readonly DType[] = ["int64", "int32", "int16", "uint8", "int8"];

function wrong(where: string, what: string, got: unknown): DataError {
  return new DataError(expected(where, what, got), { code: "data/images" });
}

function take(path: string, tensors: ReadonlyMap<string, Tensor>, name: string): Tensor {
  const found = tensors.get(name);
  if (found !== undefined) return found;
  throw wrong(path, `tensors named images and labels`, [...tensors.keys()].join(", "));
}

/** Least and greatest value. */
const range = (t: Tensor): [number, number] =>
  scope(() => [
    Number(ops.amin(ops.flatten(t), { dim: [0] }).item()),
    Number(ops.amax(ops.flatten(t), { dim: [0] }).item()),
  ]);

function checkImages(path: string, images: Tensor, { inputShape }: DescribedImagesOptions): void {
  const { shape, dtype } = images;
  if (shape.length !== 4 || (shape[0] ?? 0) < 1 || String(shape.slice(1)) !== String(inputShape)) {
    throw wrong(`${path}: images`, `shape [N,${inputShape}], as the network takes them`, `[${shape}]`);
  }
  if (dtype === "uint8") checkBytes(path, images);
  else checkFloats(path, images);
}

function checkFloats(path: string, images: Tensor): void {
  const { dtype } = images;
  if (!FLOATS.includes(dtype)) throw wrong(`${path}: images`, "uint8, or floats in [0,1]", dtype);
  if (!scope(() => ops.all(ops.isfinite(images)).item())) {
    throw wrong(`${path}: images`, "finite values in [0,1]", "NaN or infinity");
  }
  const [low, high] = range(images);
  if (low >= 0 && high <= 1) return;
  const what =
    "floats in [0,1] (values of 0..255 must be divided by 255, or stored as uint8; normalisation belongs into the network)";
  throw wrong(`${path}: images`, what, `values from ${low} to ${high}`);
}

/** Floats in [0,1] that were cast to bytes are nearly black images, whose accuracy is a number all the same. */
function checkBytes(path: string, images: Tensor): void {
  const [low, high] = range(images);
  if (high !== 1) return;
  const what = "uint8 in 0..255, a pixel is value / 255 (floats in [0,1] must stay floats)";
  throw wrong(`${path}: images`, what, `values from ${low} to ${high}`);
}

function checkLabels(path: string, labels: Tensor, count: number, { numClasses }: DescribedImagesOptions): void {
  const where = `${path}: labels`;
  if (!WHOLE.includes(labels.dtype)) throw wrong(where, "whole numbers (int64)", labels.dtype);
  if (labels.shape.length !== 1 || labels.shape[0] !== count) {
    throw wrong(where, `shape [${count}], one for each image`, `[${labels.shape}]`);
  }
  const [low, high] = range(labels);
  if (low < 0 || high >= numClasses) {
    throw wrong(where, `classes from 0 to ${numClasses - 1}`, `labels from ${low} to ${high}`);
  }
}

/** A test set from a file; DataError that names what was found where the images or labels cannot be right. */
export function describedImages(path: string, options: DescribedImagesOptions): Split {
  const { tensors } = loadTensors(path);
  const images = take(path, tensors, "images");
  const labels = take(path, tensors, "labels");
  checkImages(path, images, options);
  const length = images.shape[0] as number;
  checkLabels(path, labels, length, options);
  const isBytes = images.dtype === "uint8";
  const kept = keep(
    scope(() => ({
      images: isBytes ? ops.clone(images) : ops.to(images, options.dtype ?? "float32"),
      labels: ops.to(labels, "int64"),
    })),
    { forever: true },
  );
  const dataset: Dataset = {
    name: path.split(/[\\/]/).at(-1) as string,
    ...kept,
    length,
    numClasses: options.numClasses,
    classNames: Array.from({ length: options.numClasses }, (_, k) => `class ${k}`),
    source: { kind: "safetensors", location: path, sha256: sha256(bytesOf(path)) },
  };
  const all = Int32Array.from({ length }, (_, i) => i);
  return split(dataset, all, options.batchSize === undefined ? {} : { batchSize: options.batchSize });
}

function bytesOf(path: string): Uint8Array {
  try {
    return readFileSync(path);
  } catch (error) {
    throw diskError(path, error, "read");
  }
}

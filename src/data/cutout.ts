// Cutout (DeVries, Taylor, "Improved Regularization of Convolutional Neural Networks with Cutout", arXiv 1708.04552): a square
// of zeros whose centre is any pixel of the image, each equally likely, cut at the image's edges; after crop and flip.
import { ops, type Tensor, tensor } from "../torch/index.js";
import type { Rng } from "../util/index.js";

/** A square's first and last row and column, the last not included. */
interface Square {
  readonly top: number;
  readonly bottom: number;
  readonly left: number;
  readonly right: number;
}

function square(uniform: number, length: number, height: number, width: number): Square {
  const centre = Math.floor(uniform * height * width);
  const [row, column] = [Math.floor(centre / width), centre % width];
  const before = Math.floor(length / 2);
  const clip = (at: number, most: number) => Math.min(Math.max(at, 0), most);
  return {
    top: clip(row - before, height),
    bottom: clip(row - before + length, height),
    left: clip(column - before, width),
    right: clip(column - before + length, width),
  };
}

/** Writes zeros into a square of each image, in place: x float32 [B,C,H,W]. `images` key the draws, one an image. */
export function cutOut(x: Tensor, images: Int32Array, length: number, epoch: number, rng: Rng): void {
  const [batch = 0, , height = 0, width = 0] = x.shape;
  const stream = rng.at("cutout", epoch);
  const keep = new Float32Array(batch * height * width).fill(1);
  for (const [at, image] of images.entries()) {
    const { top, bottom, left, right } = square(stream.at(image).uniform(), length, height, width);
    for (let row = top; row < bottom; row++) {
      const line = (at * height + row) * width;
      keep.fill(0, line + left, line + right);
    }
  }
  ops.mul_(x, tensor(keep, [batch, 1, height, width]));
}

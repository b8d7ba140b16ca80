import { ops, type Tensor, tensor } from "../torch/index.js";
import type { Rng } from "../util/index.js";

/** Zero padding on each side before a random crop back to the image's own size. */
export const CROP_PADDING = 4;

const SHIFTS = 2 * CROP_PADDING + 1;
const VARIANTS = SHIFTS * SHIFTS * 2;

/**
 * Each image's draw: crop offsets y and x in 0..8 and whether it is mirrored, all 162 equally likely; without `flip` the same offsets
 * and never mirrored.
 */
export function augmentation(images: Int32Array, epoch: number, rng: Rng, flip = true): Uint8Array {
  const stream = rng.at("augment", epoch);
  // One draw an image, keyed by the image, so that the batch size does not change what happens to it.
  const drawn = Uint8Array.from(images, (image) => Math.floor(stream.at(image).uniform() * VARIANTS));
  return flip ? drawn : drawn.map((variant) => variant - (variant % 2));
}

/**
 * Crops and flips a whole batch with one gather: pixels as rows [B*(H+8)*(W+8), C] of the padded batch, and a table of which row goes
 * where. x [B,C,H,W] of any dtype -> the same shape and dtype, channels_last.
 */
export function cropAndFlip(x: Tensor, variants: Uint8Array): Tensor {
  const [batch = 0, channels = 0, height = 0, width = 0] = x.shape;
  const padded = ops.constantPad(x, [CROP_PADDING, CROP_PADDING, CROP_PADDING, CROP_PADDING]);
  const pixels = ops.reshape(ops.permute(padded, [0, 2, 3, 1]), [-1, channels]);
  const table = tensor(pixelTable(variants, height, width));
  const cropped = ops.reshape(ops.indexSelect(pixels, 0, table), [batch, height, width, channels]);
  return ops.permute(cropped, [0, 3, 1, 2]);
}

/** For each pixel of each cropped image, its row in the padded batch. */
function pixelTable(variants: Uint8Array, height: number, width: number): Int32Array {
  const stride = width + 2 * CROP_PADDING;
  const table = new Int32Array(variants.length * height * width);
  let to = 0;
  for (const [image, variant] of variants.entries()) {
    const flip = variant % 2 === 1;
    const left = Math.floor(variant / 2) % SHIFTS;
    const top = Math.floor(variant / (2 * SHIFTS));
    const step = flip ? -1 : 1;
    for (let row = 0; row < height; row++) {
      const line = (image * (height + 2 * CROP_PADDING) + top + row) * stride + left;
      let from = flip ? line + width - 1 : line;
      for (let column = 0; column < width; column++, from += step) table[to++] = from;
    }
  }
  return table;
}

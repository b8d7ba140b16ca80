import { labelsOf, type Split } from "../data/index.js";
import { ops, scope, type Tensor } from "../torch/index.js";
import { DataError, expected, rng } from "../util/index.js";
import type { Picture } from "./contact-sheet.js";

/** Which images stand on a contact sheet. */
export interface ChosenOptions {
  /** Rows: the first so many classes. */
  readonly classes: number;
  /** Images of each class. */
  readonly examples: number;
  readonly seed: number;
  /** Asked before each image or batch is read; throws to stop. */
  readonly poll?: (() => void) | undefined;
}

/** Images x [B,C,H,W] in [0,1] as pictures; grey ones get three equal channels. */
function pictures(x: Tensor): Picture[] {
  const [size = 0, channels = 0, height = 0, width = 0] = x.shape;
  if (channels !== 1 && channels !== 3) {
    throw new DataError(expected("data show", "images of 1 or 3 channels", channels), { code: "data/channels" });
  }
  const pixels = scope(() => {
    const rgb = channels === 3 ? x : ops.cat([x, x, x], { dim: 1 });
    const bytes = ops.to(ops.round(ops.mul(ops.clamp(rgb, { min: 0, max: 1 }), 255)), "uint8");
    return ops.contiguous(ops.permute(bytes, [0, 2, 3, 1])).toArray() as Uint8Array;
  });
  const each = 3 * height * width;
  return Array.from({ length: size }, (_, i) => ({ width, height, pixels: pixels.slice(i * each, (i + 1) * each) }));
}

/**
 * For each class a function that reads its images: `examples` of the split, drawn by (seed, class), in the order of the split,
 * neither shuffled nor augmented.
 */
export function plainImages(split: Split, { classes, examples, seed, poll }: ChosenOptions): (() => Picture[])[] {
  const places = Array.from({ length: classes }, (): number[] => []);
  for (const [place, label] of labelsOf(split).entries()) places[label]?.push(place);
  return places.map((own, label) => () => {
    const order = rng(seed, "contact sheet", label).permutation(own.length).slice(0, examples).sort();
    return Array.from(order, (at) => {
      poll?.();
      return scope(() => pictures(split.ordered(own[at] as number, 1).x));
    }).flat();
  });
}

/**
 * For each class its first `examples` images as a network is given them: those of the first epoch of pretraining with this seed,
 * cropped, mirrored, cut and mixed as the options of the data set say. Mixed images stand with the class of their larger share.
 */
export function augmentedImages(split: Split, { classes, examples, seed, poll }: ChosenOptions): (() => Picture[])[] {
  const found = Array.from({ length: classes }, (): Picture[] => []);
  const keyed = rng(seed, "pretrain").at("data");
  for (let index = 0; index < split.steps && found.some((row) => row.length < examples); index++) {
    poll?.();
    scope(() => {
      const { x, y } = split.batch(0, index, keyed);
      const labels = y.toNumbers();
      const wanted = labels.map((label) => (found[label]?.length ?? examples) < examples);
      for (const [i, label] of labels.entries()) {
        if (wanted[i] === true) found[label]?.push(...pictures(ops.narrow(x, 0, i, 1)));
      }
    });
  }
  return found.map((row) => () => row.slice(0, examples));
}

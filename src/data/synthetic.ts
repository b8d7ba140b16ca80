/**
 * Images that a small network learns in seconds: each class is a smooth coloured pattern (a few cosine waves a channel), seen with
 * random contrast, a random shift and noise. For tests and first trials; nothing is downloaded.
 */
import { xoroshiro128plusFromState } from "pure-rand/generator/xoroshiro128plus";
import { z } from "zod";
import { keep, tensor } from "../torch/index.js";
import { parseOptions, type Rng, rng, sha256 } from "../util/index.js";
import type { ResidentDataset, Splits } from "./dataset.js";
import { splits, splitsFields } from "./loader.js";

export const syntheticOptions = z.strictObject({
  ...splitsFields,
  selection: splitsFields.selection.default(128).describe("images held out to choose checkpoints; default 128"),
  examples: z.int().min(1).default(512).describe("training images, besides those held out; default 512"),
  testExamples: z.int().min(1).default(256).describe("test images; default 256"),
  numClasses: z.int().min(2).max(256).default(10).describe("classes, equally frequent; default 10"),
  size: z.int().min(4).max(512).default(32).describe("height and width in pixels; default 32"),
  seed: z.int().min(0).default(0).describe("of the patterns and the images, not of the run; default 0"),
});
export type SyntheticOptions = z.input<typeof syntheticOptions>;

const CHANNELS = 3;
const WAVES = 3;
/** Of one wave: four times 8/255, so that a robust network has something to hold on to. */
const AMPLITUDE = 0.12;
const NOISE = 0.06;

/** The pattern of one class, [C,size,size], around 0. */
function pattern(size: number, keyed: Rng): Float32Array {
  const values = new Float32Array(CHANNELS * size * size);
  for (let c = 0; c < CHANNELS; c++) {
    for (let wave = 0; wave < WAVES; wave++) {
      const draw = (what: string) => keyed.at(c, wave, what).uniform();
      const fx = Math.floor(draw("fx") * 3);
      const fy = Math.floor(draw("fy") * 3);
      const phase = draw("phase") * 2 * Math.PI;
      for (let y = 0, at = c * size * size; y < size; y++) {
        for (let x = 0; x < size; x++, at++) {
          const angle = (2 * Math.PI * (fx * x + fy * y)) / size + phase;
          values[at] = (values[at] as number) + AMPLITUDE * Math.cos(angle);
        }
      }
    }
  }
  return values;
}

/** Words of 32 random bits: a stream of its own for each image, so that more images leave the first ones as they are. */
function wordsOf(keyed: Rng): () => number {
  const [low, high] = [keyed.at("low").key, keyed.at("high").key | 1n];
  const state = [low >> 32n, low, high >> 32n, high].map((word) => Number(BigInt.asIntN(32, word)));
  const generator = xoroshiro128plusFromState(state);
  return () => generator.next();
}

/** The sum of a word's four bytes, scaled to mean 0 and variance 1: close to a normal variable, and cheap. */
function noise(word: number): number {
  const sum = (word & 255) + ((word >>> 8) & 255) + ((word >>> 16) & 255) + (word >>> 24);
  return (sum - 510) / 147.8;
}

function render(image: Uint8Array, shape: Float32Array, size: number, next: () => number): void {
  const first = next();
  const contrast = 0.75 + (first & 255) / 510;
  const most = size >> 4; // an eighth of the shortest wave
  const shift = (bits: number) => (bits % (2 * most + 1)) + size - most;
  const [down, right] = [shift((first >>> 8) & 255), shift((first >>> 16) & 255)];
  let to = 0;
  for (let c = 0; c < CHANNELS; c++) {
    for (let y = 0; y < size; y++) {
      const line = (c * size + ((y + down) % size)) * size;
      for (let x = 0; x < size; x++) {
        const value = 0.5 + contrast * (shape[line + ((x + right) % size)] as number) + NOISE * noise(next());
        image[to++] = Math.round(255 * Math.min(1, Math.max(0, value)));
      }
    }
  }
}

type Settings = z.output<typeof syntheticOptions>;

function dataset(
  part: "train" | "test",
  length: number,
  patterns: readonly Float32Array[],
  settings: Settings,
): ResidentDataset {
  const { size, numClasses, seed } = settings;
  const pixels = CHANNELS * size * size;
  const images = new Uint8Array(length * pixels);
  const labels = BigInt64Array.from({ length }, (_, i) => BigInt(i % numClasses));
  const keyed = rng(seed, "synthetic", part);
  for (let i = 0; i < length; i++) {
    const shape = patterns[i % numClasses] as Float32Array;
    render(images.subarray(i * pixels, (i + 1) * pixels), shape, size, wordsOf(keyed.at(i)));
  }
  return {
    name: part === "train" ? "synthetic" : "synthetic test",
    images: keep(tensor(images, [length, CHANNELS, size, size]), { forever: true }),
    labels: keep(tensor(labels), { forever: true }),
    length,
    numClasses,
    classNames: patterns.map((_, k) => `class ${k}`),
    source: { kind: "generated", location: `seed ${seed}`, sha256: sha256([images, new Uint8Array(labels.buffer)]) },
  };
}

/** Generated images x [N,3,size,size] in [0,1] of classes that are easy to tell apart; the same options give the same bits. */
export function synthetic(options: SyntheticOptions = {}): Splits<ResidentDataset> {
  const settings = parseOptions("synthetic", syntheticOptions, options);
  const { examples, selection, testExamples, numClasses, size, seed } = settings;
  const patterns = Array.from({ length: numClasses }, (_, k) => pattern(size, rng(seed, "synthetic", "class", k)));
  const train = dataset("train", examples + selection, patterns, settings);
  const test = dataset("test", testExamples, patterns, settings);
  return splits("synthetic", { train, test }, settings);
}

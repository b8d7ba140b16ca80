import { manualSeed, ops, scope } from "../torch/index.js";
import type { Rng } from "../util/index.js";
import type { SearchContext } from "./search.js";

/** Uniform numbers in [0,1); those of several images one after the other. */
export type Uniforms = ArrayLike<number>;

/** What Square draws for its start. */
export interface StartShape {
  /** Fields that are filled one after the other. */
  readonly tiles: number;
  /** Whether a coin is thrown for each. */
  readonly coin: boolean;
  /** Signs an image and tile. */
  readonly signs: number;
}

/** What Square draws for a query: numbers for places (and a coin), and signs, for an image. */
export interface QueryShape {
  readonly places: number;
  readonly signs: number;
}

/** Where Square's random numbers come from. What is the same for all images may be given once. */
export interface SquareDraws {
  /** For each tile: a coin for each image or for all (none: empty), and the signs of each image. */
  start(context: SearchContext, shape: StartShape): readonly { readonly coins: Uniforms; readonly signs: Uniforms }[];
  /** For the images in `rows`: places and signs, of each or for all. */
  query(
    context: SearchContext,
    step: number,
    rows: readonly number[],
    shape: QueryShape,
  ): { readonly places: Uniforms; readonly signs: Uniforms };
}

/** Queries whose numbers are drawn at once. */
const CHUNK = 250;

function drawn(rng: Rng, count: number): Float32Array {
  return scope(() => {
    manualSeed(rng);
    return ops.uniform_(ops.empty([count], { dtype: "float32" })).toArray() as Float32Array;
  });
}

/**
 * Numbers of each image by itself, keyed by its position in the set and the query: they depend neither on the batch nor
 * on what became of other images. A chunk is drawn anew from its key where it is missing, so nothing needs to be saved.
 */
export function keyedDraws(): SquareDraws {
  let chunk = -1;
  const chunks = new Map<string, Float32Array>();
  const chunkOf = (rng: Rng, image: number, count: number): Float32Array => {
    const name = `${rng.key} ${image} ${count}`;
    const found = chunks.get(name) ?? drawn(rng.at("image", image, "queries", chunk), count);
    chunks.set(name, found);
    return found;
  };
  return {
    start({ rng, indices }, { tiles, coin, signs }) {
      chunks.clear();
      const coins = coin ? 1 : 0;
      const each = Array.from(indices, (image) => drawn(rng.at("image", image, "start"), tiles * (coins + signs)));
      return Array.from({ length: tiles }, (_, tile) => {
        const from = tile * (coins + signs);
        return {
          coins: each.flatMap((numbers) => [...numbers.subarray(from, from + coins)]),
          signs: each.flatMap((numbers) => [...numbers.subarray(from + coins, from + coins + signs)]),
        };
      });
    },
    query({ rng, indices }, step, rows, { places, signs }) {
      const now = Math.floor(step / CHUNK);
      if (now !== chunk) chunks.clear();
      chunk = now;
      const length = places + signs;
      const found = { places: new Float32Array(rows.length * places), signs: new Float32Array(rows.length * signs) };
      const from = (step % CHUNK) * length;
      for (const [i, row] of rows.entries()) {
        const numbers = chunkOf(rng, indices[row] as number, CHUNK * length);
        found.places.set(numbers.subarray(from, from + places), i * places);
        found.signs.set(numbers.subarray(from + places, from + length), i * signs);
      }
      return found;
    },
  };
}

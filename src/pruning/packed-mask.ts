// Masks at one bit a weight, and counts on them. Entries are in row-major order, eight to a byte, the first in the highest bit, as numpy's
// `packbits` has them; what is left over of the last byte is zero. Nothing here calls libtorch.
import { DataError, expected } from "../util/index.js";

/** The mask of a layer. */
export interface PackedMask {
  /** Of its weights. */
  readonly shape: readonly number[];
  /** The bytes in fours; those behind the last entry are zero. */
  readonly words: Uint32Array;
}

/** By parameter name. */
export type PackedMasks = ReadonlyMap<string, PackedMask>;

/** Number of entries of a mask. */
export const entries = ({ shape }: Pick<PackedMask, "shape">): number => shape.reduce((n, extent) => n * extent, 1);

const bytesFor = (numel: number) => Math.ceil(numel / 8);

/** A mask from its bytes, which are copied. DataError, which `where` begins, unless they are as many as the shape needs. */
export function packed(shape: readonly number[], bytes: Uint8Array, where: string): PackedMask {
  const numel = entries({ shape });
  const size = bytesFor(numel);
  const rest = 8 * size - numel;
  if (bytes.length !== size || ((bytes[size - 1] ?? 0) & ((1 << rest) - 1)) !== 0) {
    const got = bytes.length === size ? "ones behind the last entry" : `${bytes.length} bytes`;
    throw new DataError(expected(where, `${size} bytes for a mask [${shape}], the rest of the last zero`, got), {
      code: "data/packed-mask",
    });
  }
  const words = new Uint32Array(Math.ceil(size / 4));
  new Uint8Array(words.buffer).set(bytes);
  return { shape, words };
}

/** The bytes of a mask, a view. */
export function bytesOf(mask: PackedMask): Uint8Array {
  return new Uint8Array(mask.words.buffer, mask.words.byteOffset, bytesFor(entries(mask)));
}

/** Ones among 32 bits: in pairs, in fours, in bytes, then the sum of the bytes. */
function onesIn(word: number): number {
  const pairs = word - ((word >>> 1) & 0x55555555);
  const fours = (pairs & 0x33333333) + ((pairs >>> 2) & 0x33333333);
  return Math.imul((fours + (fours >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}

/** How many weights a mask keeps. */
export function countKept({ words }: PackedMask): number {
  let count = 0;
  for (let i = 0; i < words.length; i++) count += onesIn(words[i] as number);
  return count;
}

/** How many weights two masks of one shape both keep. */
export function countBoth({ words: a }: PackedMask, { words: b }: PackedMask): number {
  let count = 0;
  for (let i = 0; i < a.length; i++) count += onesIn((a[i] as number) & (b[i] as number));
  return count;
}

/** How many weights changed sides n times from mask to mask, at index n; as many entries as are needed. */
export function countChanges(series: readonly PackedMask[]): number[] {
  const [first] = series;
  if (first === undefined) return [];
  const changes = new Uint32Array(32 * first.words.length);
  for (let e = 1; e < series.length; e++) {
    const [before, now] = [(series[e - 1] as PackedMask).words, (series[e] as PackedMask).words];
    for (let i = 0; i < now.length; i++) {
      for (let left = (before[i] as number) ^ (now[i] as number); left !== 0; left &= left - 1) {
        const at = 32 * i + Math.clz32(left & -left);
        changes[at] = (changes[at] as number) + 1;
      }
    }
  }
  const times: number[] = [];
  for (const n of changes) times[n] = (times[n] ?? 0) + 1;
  // Bits behind the last entry never change.
  const padding = changes.length - entries(first);
  return Array.from(times, (count = 0, n) => (n === 0 ? count - padding : count));
}

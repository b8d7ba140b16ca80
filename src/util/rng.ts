import { uniformInt } from "pure-rand/distribution/uniformInt";
import { xoroshiro128plusFromState } from "pure-rand/generator/xoroshiro128plus";
import { expected, UsageError } from "./errors.js";

/**
 * Randomness as a function of a key: nothing is stored or advanced, so resume replays it exactly.
 * `rng(seed, "search", 3).at("batch")` is the same key as `rng(seed, "search", 3, "batch")`.
 */
export interface Rng {
  /** 64 bits; also what seeds libtorch. */
  readonly key: bigint;
  /** The key of a sub-purpose; parts are typed and delimited, so ("a", "b") differs from ("ab") and 1 from "1". */
  at(...parts: readonly (string | number)[]): Rng;
  /** A uniformly random order of 0..n-1. */
  permutation(n: number): Int32Array;
  /** The first draw of this key, uniform in [0, 1). */
  uniform(): number;
}

const MASK = 0xffff_ffff_ffff_ffffn;
const FNV_OFFSET = 0xcbf2_9ce4_8422_2325n;
const FNV_PRIME = 0x100_0000_01b3n;
const GOLDEN = 0x9e37_79b9_7f4a_7c15n;
const utf8 = new TextEncoder();

/** FNV-1a, 64 bits (Fowler, Noll, Vo). */
function fnv1a(bytes: Uint8Array): bigint {
  let hash = FNV_OFFSET;
  for (const byte of bytes) hash = ((hash ^ BigInt(byte)) * FNV_PRIME) & MASK;
  return hash;
}

/** The finaliser of splitmix64 (Steele, Lea, Flood 2014): every input bit reaches every output bit. */
function mix(value: bigint): bigint {
  let z = (value + GOLDEN) & MASK;
  z = ((z ^ (z >> 30n)) * 0xbf58_476d_1ce4_e5b9n) & MASK;
  z = ((z ^ (z >> 27n)) * 0x94d0_49bb_1331_11ebn) & MASK;
  return z ^ (z >> 31n);
}

/** Key (8 bytes), type tag, length, payload: no two part lists share an encoding. */
function encode(key: bigint, part: string | number): Uint8Array {
  const payload = typeof part === "string" ? utf8.encode(part) : numberBytes(part);
  const bytes = new Uint8Array(13 + payload.length);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, key, true);
  view.setUint8(8, typeof part === "string" ? 0x73 : 0x6e);
  view.setUint32(9, payload.length, true);
  bytes.set(payload, 13);
  return bytes;
}

function numberBytes(part: number): Uint8Array {
  if (!Number.isFinite(part)) throw new UsageError(expected("rng", "finite numbers in a key", part));
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, part === 0 ? 0 : part, true);
  return new Uint8Array(view.buffer);
}

function generatorOf(key: bigint) {
  const low = mix(key ^ 1n);
  const high = mix(key ^ 2n) | 1n; // the all-zero state would stay zero for ever
  const words = [low >> 32n, low, high >> 32n, high].map((word) => Number(BigInt.asIntN(32, word)));
  return xoroshiro128plusFromState(words);
}

function permute(key: bigint, n: number): Int32Array {
  if (!Number.isInteger(n) || n < 0) throw new UsageError(expected("rng.permutation", "a whole number >= 0", n));
  const generator = generatorOf(key);
  const order = Int32Array.from({ length: n }, (_, i) => i);
  for (let i = n - 1; i > 0; i--) {
    const j = uniformInt(generator, 0, i);
    const swapped = order[i] as number;
    order[i] = order[j] as number;
    order[j] = swapped;
  }
  return order;
}

function make(key: bigint): Rng {
  return {
    key,
    at: (...parts) => make(parts.reduce<bigint>((k, part) => mix(fnv1a(encode(k, part))), key)),
    permutation: (n) => permute(key, n),
    uniform: () => Number(mix(key) >> 11n) / 2 ** 53,
  };
}

/** The key of (seed, parts...), e.g. `rng(1234, "search", epoch, step, "attack")`. */
export function rng(seed: number, ...parts: (string | number)[]): Rng {
  return make(0n).at(seed, ...parts);
}

/** Uniform whole numbers in 0..n-1, one a call; the same key gives the same ones. For many draws of one purpose. */
export function draws({ key }: Rng, n: number): () => number {
  if (!Number.isInteger(n) || n < 1) throw new UsageError(expected("draws", "a whole number >= 1", n));
  const generator = generatorOf(key);
  return () => uniformInt(generator, 0, n - 1);
}

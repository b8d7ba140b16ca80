import type { Rng } from "../util/index.js";

/** Random orders of 0..length-1 by key; the last two are remembered, since a batch may lie in two. */
export function shuffled(length: number): (keyed: Rng) => Int32Array {
  const known = new Map<bigint, Int32Array>();
  return (keyed) => {
    const found = known.get(keyed.key) ?? keyed.permutation(length);
    known.set(keyed.key, found);
    const [oldest] = known.keys();
    if (known.size > 2 && oldest !== undefined) known.delete(oldest);
    return found;
  };
}

/** An endless stream of 0..length-1, one random order after another, in portions: that of a number, `count` long. */
export function endless(length: number): (portion: number, count: number, keyed: Rng) => Int32Array {
  const order = shuffled(length);
  return (portion, count, keyed) =>
    Int32Array.from({ length: count }, (_, i) => {
      const at = portion * count + i;
      return order(keyed.at("pass", Math.floor(at / length)))[at % length] as number;
    });
}

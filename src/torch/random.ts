import type { Rng } from "../util/rng.js";
import { native } from "./native.js";

/**
 * Starts libtorch's default generator anew from a key, so that what is drawn next is a function of the key: of its low
 * 32 bits, which are all that libtorch's Mersenne twister takes.
 */
export function manualSeed(rng: Rng): void {
  native.manualSeed(rng.key);
}

import { keptCount } from "../../src/pruning/index.js";
import type { Tensor } from "../../src/torch/index.js";

interface LayerCount {
  readonly numel: number;
  readonly zeroed: number;
}

/**
 * The keep ratio whose count leaves out `zeroed` weights in every layer. 1 - sparsity is it, or a neighbour: below one
 * half, 1 - (1 - sparsity) is not the sparsity to the last bit.
 */
export function keepRatioFor(sparsity: number, layers: Readonly<Record<string, LayerCount>>): number {
  const ratio = 1 - sparsity;
  const candidates = [ratio, ratio - Number.EPSILON / 2, ratio + Number.EPSILON / 2];
  const fits = (k: number) => Object.values(layers).every((l) => keptCount(l.numel, k) === l.numel - l.zeroed);
  const found = candidates.find((k) => k > 0 && k <= 1 && fits(k));
  if (found !== undefined) return found;
  const counts = Object.entries(layers).map(([name, l]) => `${name} ${keptCount(l.numel, ratio)} of ${l.numel}`);
  throw new Error(`kept counts: expected the reference's at sparsity ${sparsity}, got ${counts.join(", ")}`);
}

/** A 0/1 tensor as bits, most significant first over the row-major entries, padded with 0. */
export function packBits(mask: Tensor): number[] {
  const bits = mask.toNumbers();
  const bytes = new Array<number>(Math.ceil(bits.length / 8)).fill(0);
  for (const [i, bit] of bits.entries()) {
    if (bit !== 0 && bit !== 1) throw new Error(`mask: expected 0 or 1, got ${bit}`);
    bytes[i >> 3] = (bytes[i >> 3] as number) | (bit << (7 - (i & 7)));
  }
  return bytes;
}

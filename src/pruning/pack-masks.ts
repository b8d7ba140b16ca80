// Between masks as tensors and masks at one bit a weight.
import { ops, scope, tensor, toBytes } from "../torch/index.js";
import type { Masks } from "./mask.js";
import { bytesOf, entries, type PackedMasks, packed } from "./packed-mask.js";

/** What the bits of a byte are worth, from the first entry on. */
const PLACES = Float32Array.of(128, 64, 32, 16, 8, 4, 2, 1);

/** Masks at one bit a weight: 1 where an entry is not zero. */
export function packMasks(masks: Masks): PackedMasks {
  return scope(() => {
    const places = tensor(PLACES);
    const layers = Array.from(masks, ([name, mask]) => {
      const bytes = scope(() => {
        const bits = ops.reshape(ops.asType(ops.ne(mask, 0), { dtype: "float32" }), [-1]);
        const rest = -mask.numel & 7;
        const whole = rest === 0 ? bits : ops.constantPad(bits, [0, rest]);
        // Sums of different powers of two below 256 are exact in any order.
        return toBytes(ops.to(ops.matmul(ops.view(whole, [-1, 8]), places), "uint8"));
      });
      return [name, packed(mask.shape, bytes, name)] as const;
    });
    return new Map(layers);
  });
}

/** The masks as 0/1 tensors in uint8, in the innermost scope. */
export function unpackMasks(masks: PackedMasks): Masks {
  return new Map(
    Array.from(masks, ([name, mask]) => {
      const bytes = bytesOf(mask);
      const bits = new Uint8Array(entries(mask));
      for (let i = 0; i < bits.length; i++) bits[i] = ((bytes[i >> 3] as number) >> (7 - (i & 7))) & 1;
      return [name, tensor(bits, mask.shape)] as const;
    }),
  );
}

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { liveTensors, ops, scope, tensor } from "../torch/index.js";
import { packMasks, unpackMasks } from "./pack-masks.js";
import { bytesOf, countBoth, countChanges, countKept, entries, type PackedMask, packed } from "./packed-mask.js";

/** Eight to a byte, one bit after the other. */
function obvious(bits: readonly boolean[]): number[] {
  const text = bits.map(Number).join("");
  return (text.match(/.{1,8}/g) ?? []).map((eight) => Number.parseInt(eight.padEnd(8, "0"), 2));
}

const bitsOf = (n: number) => fc.array(fc.boolean(), { minLength: n, maxLength: n });
const shapes = fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 4 });
const size = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);
const shaped = shapes.chain((shape) => fc.tuple(fc.constant(shape), bitsOf(size(shape))));

const packedOf = (bits: readonly boolean[]): PackedMask =>
  packed([bits.length], Uint8Array.from(obvious(bits)), "mask");
const several = fc.integer({ min: 1, max: 200 }).chain((n) => fc.array(bitsOf(n), { minLength: 1, maxLength: 6 }));

describe("packing", () => {
  test("puts the first entry of a layer in the highest bit of its first byte, as numpy.packbits", () => {
    scope(() => {
      const mask = tensor([1, 0, 0, 0, 0, 0, 1, 1, 0, 1]);
      expect([...bytesOf(packMasks(new Map([["w", mask]])).get("w") as PackedMask)]).toEqual([0b10000011, 0b01000000]);
    });
  });

  test.each(["float32", "uint8", "bool"] as const)(
    "of %s is that of one bit after the other, and unpacks again",
    (dtype) => {
      fc.assert(
        fc.property(shaped, fc.boolean(), ([shape, bits], channelsLast) => {
          scope(() => {
            const plain = ops.to(tensor(Float32Array.from(bits, Number), shape), dtype);
            const last = channelsLast && shape.length === 4;
            const mask = last ? ops.contiguous(plain, { memoryFormat: "channels_last" }) : plain;
            const all = packMasks(new Map([["w", mask]]));
            const found = all.get("w") as PackedMask;
            expect([found.shape, [...bytesOf(found)]]).toEqual([shape, obvious(bits)]);
            const back = unpackMasks(all).get("w");
            expect([back?.shape, back?.dtype, back?.toNumbers()]).toEqual([shape, "uint8", bits.map(Number)]);
          });
        }),
        { numRuns: 60 },
      );
    },
  );

  test("leaves no tensor", () => {
    scope(() => {
      const masks = new Map([["w", tensor([1, 0, 1])]]);
      const before = liveTensors();
      packMasks(masks);
      expect(liveTensors()).toBe(before);
    });
  });

  test("of other bytes than the shape needs is refused", () => {
    expect(() => packed([3, 3], Uint8Array.of(1), "file: w")).toThrow(
      'file: w: expected 2 bytes for a mask [3,3], the rest of the last zero, got "1 bytes"',
    );
    expect(() => packed([3, 3], Uint8Array.of(1, 0b11000000), "file: w")).toThrow(/got "ones behind the last entry"/);
    expect(entries(packed([3, 3], Uint8Array.of(1, 0b10000000), "file: w"))).toBe(9);
  });
});

test("counts are those of one weight after the other", () => {
  fc.assert(
    fc.property(several, (all) => {
      const [first = [], last = []] = [all[0], all.at(-1)];
      const masks = all.map(packedOf);
      const [a, b] = [masks[0], masks.at(-1)] as [PackedMask, PackedMask];
      expect(countKept(a)).toBe(first.filter(Boolean).length);
      expect(countBoth(a, b)).toBe(first.filter((bit, i) => bit && last[i]).length);
      const changes = first.map((_, i) => all.slice(1).filter((mask, e) => mask[i] !== all[e]?.[i]).length);
      const most = Math.max(...changes);
      const times = Array.from({ length: most + 1 }, (_, n) => changes.filter((count) => count === n).length);
      expect(countChanges(masks)).toEqual(times);
    }),
    { numRuns: 200 },
  );
});

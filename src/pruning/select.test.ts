import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ops, type Tensor, tensor } from "../torch/index.js";
import { rng } from "../util/index.js";
import { keepLargest } from "./select.js";

/** The definition: sort by value, equal values by index, and keep the last. */
function bySorting(values: ArrayLike<number>): (kept: number) => number[] {
  const order = Array.from(values, (_, i) => i).sort((a, b) => (values[a] as number) - (values[b] as number) || a - b);
  return (kept) => {
    const mask = new Array<number>(values.length).fill(0);
    for (const i of order.slice(values.length - kept)) mask[i] = 1;
    return mask;
  };
}

type DType = "float32" | "float64";
const make = (values: readonly number[], dtype: DType, shape: readonly number[] = [values.length]) =>
  tensor(dtype === "float32" ? Float32Array.from(values) : Float64Array.from(values), shape);

const dtype = fc.constantFrom<DType>("float32", "float64");
/** Few distinct values, so that most are equal to others; zeros of both signs. */
const tied = fc.constantFrom(-0, 0, 0.25, 0.5, 1);
const any = fc.float({ noNaN: true, noDefaultInfinity: true });

describe("keepLargest agrees with sorting", () => {
  test.each([
    ["distinct and equal values", fc.oneof(any, tied)],
    ["mostly equal values", tied],
  ])("on %s", (_, value) => {
    const property = fc.property(
      fc.array(value, { minLength: 1, maxLength: 80 }),
      fc.nat(),
      dtype,
      (values, n, type) => {
        const kept = n % (values.length + 1);
        expect(keepLargest(make(values, type), kept).toNumbers()).toEqual(bySorting(values)(kept));
      },
    );
    fc.assert(property, { numRuns: 300 });
  });

  test("in channels-last memory, ties by the index that the shape says", () => {
    const extents = fc.tuple(...[1, 2, 3, 4].map(() => fc.integer({ min: 1, max: 4 })));
    const property = fc.property(extents, fc.infiniteStream(tied), fc.nat(), dtype, (shape, stream, n, type) => {
      const values = [...stream.take(shape.reduce((a, b) => a * b, 1))];
      const kept = n % (values.length + 1);
      const given = ops.contiguous(make(values, type, shape), { memoryFormat: "channels_last" });
      const mask = keepLargest(given, kept);
      expect(mask.toNumbers()).toEqual(bySorting(values)(kept));
      expect([mask.shape, mask.dtype, mask.isChannelsLast]).toEqual([shape, type, given.isChannelsLast]);
    });
    fc.assert(property, { numRuns: 200 });
  });
});

/** More entries than are searched without a sample; a size no stride divides. */
const MANY = 16 * 8192 + 1003;
const uniform = Array.from({ length: MANY }, (_, i) => rng(3, i % 4096).uniform() + i / MANY / 4096);

describe("keepLargest of a large layer agrees with sorting", () => {
  const layers: Readonly<Record<string, (i: number) => number>> = {
    "random values": (i) => uniform[i] as number,
    "rising values": (i) => i,
    "falling values": (i) => MANY - i,
    "few distinct values": (i) => Math.floor((uniform[i] as number) * 8),
    "zeros but for a few": (i) => (i % 1000 === 7 ? (uniform[i] as number) : 0),
    "equal values": () => 0.5,
    "values that every sample misses": (i) => (i % 16 === 0 ? 0 : 1 + (uniform[i] as number)),
    "values that every sample hits": (i) => (i % 16 === 0 ? 2 : (uniform[i] as number)),
    "values of both signs and zeros of both": (i) =>
      i % 3 === 0 ? -0 : i % 3 === 1 ? 0 : (uniform[i] as number) - 0.5,
  };

  test.each(Object.keys(layers))("%s", (name) => {
    const values = Array.from({ length: MANY }, (_, i) => Math.fround((layers[name] as (i: number) => number)(i)));
    const sorted = bySorting(values);
    for (const kept of [1, Math.round(MANY / 100), Math.round(MANY / 10), Math.round(MANY / 2), MANY - 1]) {
      const mask = keepLargest(make(values, kept % 2 === 0 ? "float32" : "float64"), kept);
      const differing = difference(mask, sorted(kept));
      expect({ kept, differing }).toEqual({ kept, differing: 0 });
    }
  });

  test("random values in channels-last memory", () => {
    const shape = [64, 128, 4, 4 + 1];
    const values = Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) =>
      Math.fround(Math.round(rng(5, i).uniform() * 1e4)),
    );
    const given = ops.contiguous(make(values, "float32", shape), { memoryFormat: "channels_last" });
    expect(difference(keepLargest(given, 16384), bySorting(values)(16384))).toBe(0);
  });
});

function difference(mask: Tensor, wanted: readonly number[]): number {
  return mask.toNumbers().filter((value, i) => value !== wanted[i]).length;
}

describe("keepLargest", () => {
  test("drops the first of equal values", () => {
    expect(keepLargest(tensor([1, 1, 2, 1]), 2).toNumbers()).toEqual([0, 0, 1, 1]);
  });

  test("does not change what it is given", () => {
    const given = tensor([3, 1, 2]);
    keepLargest(given, 1);
    expect(given.toNumbers()).toEqual([3, 1, 2]);
  });
});

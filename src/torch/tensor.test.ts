import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { UsageError, UseAfterFreeError } from "../util/index.js";
import {
  type DType,
  fromBytes,
  liveBytes,
  ops,
  scope,
  type TypedArray,
  takeBytes,
  tensor,
  tensorMemory,
  toBytes,
} from "./index.js";

const samples: readonly (readonly [DType, TypedArray])[] = [
  ["float32", Float32Array.of(0, -1.5, 3.25e-20, Number.POSITIVE_INFINITY, Number.NaN)],
  ["float64", Float64Array.of(Math.PI, -0, Number.MIN_VALUE, Number.NEGATIVE_INFINITY)],
  ["uint8", Uint8Array.of(0, 1, 255)],
  ["int8", Int8Array.of(-128, 0, 127)],
  ["int16", Int16Array.of(-32768, 7, 32767)],
  ["int32", Int32Array.of(-(2 ** 31), 0, 2 ** 31 - 1)],
  ["int64", BigInt64Array.of(-(2n ** 63n), 0n, 2n ** 63n - 1n)],
  ["bool", Uint8Array.of(1, 0, 1)],
  ["bfloat16", Uint16Array.of(0x3f80, 0xc000, 0x7f80)],
  ["float16", Uint16Array.of(0x3c00, 0xc000, 0x0001)],
];

describe("typed arrays", () => {
  test.each(samples)("%s goes in and comes out bit for bit", (dtype, data) => {
    using made = tensor(data, [data.length], { dtype });
    expect(made.dtype).toBe(dtype);
    expect(made.shape).toEqual([data.length]);
    expect(made.toArray()).toEqual(data);
    expect(made.toArray().constructor).toBe(data.constructor);
    using again = fromBytes(toBytes(made), [data.length, 1], dtype);
    expect(toBytes(again)).toEqual(new Uint8Array(data.buffer));
  });

  test.each([
    ["plain numbers are float32", () => tensor([1, 2]), "float32"],
    ["plain numbers take a dtype", () => tensor([1, 2], [2], { dtype: "int64" }), "int64"],
    ["bytes are uint8", () => tensor(Uint8Array.of(1)), "uint8"],
    ["a number alone has no dimensions", () => tensor(3), "float32"],
  ] as const)("%s", (_, make, dtype) => {
    scope(() => expect(make().dtype).toBe(dtype));
  });

  test("the data is copied in and copied out", () => {
    scope(() => {
      const data = Float32Array.of(1, 2);
      const made = tensor(data);
      data[0] = 9;
      (made.toArray() as Float32Array)[1] = 9;
      expect(made.toArray()).toEqual(Float32Array.of(1, 2));
    });
  });

  test("views of larger buffers, shared ones and those that are clamped are read where they are", () => {
    scope(() => {
      const whole = Float32Array.of(0, 1, 2, 3);
      expect(tensor(whole.subarray(1, 3)).toArray()).toEqual(Float32Array.of(1, 2));
      const shared = new Float32Array(new SharedArrayBuffer(8));
      shared[1] = 5;
      expect(tensor(shared).toArray()).toEqual(Float32Array.of(0, 5));
      const clamped = Uint8ClampedArray.of(1, 2) as unknown as Uint8Array;
      expect(tensor(clamped, [2], { dtype: "uint8" }).toArray()).toEqual(Uint8Array.of(1, 2));
    });
  });

  test("any shape keeps row-major order, whatever the memory holds", () => {
    const shapes = fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 4, maxLength: 4 });
    fc.assert(
      fc.property(shapes, (shape) => {
        scope(() => {
          const count = shape.reduce((a, b) => a * b, 1);
          const data = Float32Array.from({ length: count }, (_, i) => i);
          const made = tensor(data, shape);
          expect(made.numel).toBe(count);
          expect(ops.contiguous(made, { memoryFormat: "channels_last" }).toArray()).toEqual(data);
          expect(ops.reshape(ops.transpose(made, 1, 3), [-1]).numel).toBe(count);
        });
      }),
      { numRuns: 50 },
    );
  });

  test.each([
    ["too few elements", () => tensor(Float32Array.of(1), [2]), /2 elements of float32, got 4 bytes/],
    ["too many elements", () => tensor([1, 2, 3], [2]), /2 elements of float32, got 12 bytes/],
    [
      "another width",
      () => tensor(Float32Array.of(1), [1], { dtype: "float64" }),
      /1 elements of float64, got 4 bytes/,
    ],
    ["a negative extent", () => tensor([1, 1, 1, 1], [-2, -2]), /non-negative extents/],
    ["a fractional extent", () => tensor([1], [1.5]), /shape to be an integer, got 1\.5/],
    ["an extent that is no number", () => tensor([1], [Number.NaN]), /shape to be an integer, got/],
    ["an infinite extent", () => tensor([1], [Number.POSITIVE_INFINITY]), /shape to be an integer, got inf/],
    ["a shape that is no array", () => tensor([1], 1 as unknown as number[]), /shape to be an array, got a number/],
    ["an unknown dtype", () => tensor([1], [1], { dtype: "float8" as DType }), /float8/],
    ["bits without a dtype", () => tensor(Uint16Array.of(1)), /Uint16Array without one/],
    ["numbers for bits", () => tensor([1], [1], { dtype: "bfloat16" }), /raw bits in a Uint16Array/],
    ["no data", () => tensor(undefined as unknown as number), /numbers or a typed array, got nothing/],
    ["text", () => tensor("1" as unknown as number), /numbers or a typed array, got "1"/],
    ["a data view", () => fromBytes(new DataView(new ArrayBuffer(4)) as never, [1], "float32"), /typed array/],
    ["a huge shape", () => tensor([1], [2 ** 40, 2 ** 40]), /got 4 bytes/],
  ])("%s is a usage error", (_, make, message) => {
    expect(make).toThrow(UsageError);
    expect(make).toThrow(message);
  });

  test("a transferred buffer has no elements left", () => {
    const data = Float32Array.of(1, 2);
    structuredClone(data.buffer, { transfer: [data.buffer] });
    expect(() => tensor(data, [2])).toThrow(UsageError);
  });
});

describe("item", () => {
  test.each([
    [1.5, "float64"],
    [7, "int64"],
    [1, "bool"],
    [255, "uint8"],
  ] as const)("gives %s of %s", (value, dtype) => {
    scope(() => expect(tensor(value, [1, 1], { dtype }).item()).toBe(value));
  });

  test.each([0, 2])("refuses a tensor of %i elements", (count) => {
    scope(() => expect(() => ops.zeros([count]).item()).toThrow(`one element, got ${count}`));
  });
});

describe("memory format", () => {
  test("channels_last is a layout, not a shape", () => {
    scope(() => {
      const plain = tensor(
        Float32Array.from({ length: 48 }, (_, i) => i),
        [2, 3, 2, 4],
      );
      const last = ops.contiguous(plain, { memoryFormat: "channels_last" });
      expect([plain.isChannelsLast, last.isChannelsLast]).toEqual([false, true]);
      expect(last.shape).toEqual(plain.shape);
      expect(last.toArray()).toEqual(plain.toArray());
      expect(ops.emptyLike(last).isChannelsLast).toBe(true);
      expect(ops.emptyLike(last, { memoryFormat: "contiguous" }).isChannelsLast).toBe(false);
      expect(ops.relu(last).isChannelsLast).toBe(true);
      expect(ops.conv2d(last, ops.ones([5, 3, 1, 1])).isChannelsLast).toBe(true);
    });
  });

  test("an unknown one lists those there are", () => {
    scope(() => {
      const format = "channels_first" as "contiguous";
      expect(() => ops.contiguous(ops.ones([2]), { memoryFormat: format })).toThrow(
        'memoryFormat: expected contiguous, preserve, channels_last, got "channels_first"',
      );
    });
  });
});

describe("a disposed tensor", () => {
  test("answers nothing any more, and disposing again is harmless", () => {
    const gone = tensor([1]);
    gone.dispose();
    gone.dispose();
    expect(gone.isDisposed).toBe(true);
    expect(String(gone)).toBe("Tensor(disposed)");
    const uses = [
      () => gone.shape,
      () => gone.dtype,
      () => gone.device,
      () => gone.numel,
      () => gone.requiresGrad,
      () => gone.setRequiresGrad(true),
      () => gone.isChannelsLast,
      () => gone.item(),
      () => gone.toArray(),
      () => ops.neg(gone),
      () => ops.add(tensor([1]), gone),
      () => ops.cat([gone]),
    ];
    for (const use of uses) expect(use).toThrow(UseAfterFreeError);
  });

  test("`using` disposes", () => {
    let outside: ReturnType<typeof tensor>;
    {
      using inside = tensor([1]);
      outside = inside;
    }
    expect(outside.isDisposed).toBe(true);
  });

  test("a slot that is used again does not bring it back", () => {
    const gone = tensor([1]);
    const { handle } = gone;
    gone.dispose();
    using fresh = tensor([2]);
    gone.handle = handle;
    expect(fresh.handle).not.toBe(handle);
    expect(() => gone.item()).toThrow(UseAfterFreeError);
    expect(fresh.item()).toBe(2);
  });
});

describe("memory that becomes a tensor", () => {
  const COUNT = 1 << 20;
  const ramp = () => {
    const buffer = tensorMemory(4 * COUNT);
    new Float32Array(buffer).forEach((_, i, all) => {
      all[i] = i;
    });
    return new Uint8Array(buffer);
  };

  test("moves: the array is empty afterwards, the numbers are there, and disposing frees them", () => {
    const before = liveBytes();
    const bytes = ramp();
    const moved = takeBytes(bytes, [2, COUNT / 2], "float32");
    expect(bytes.length).toBe(0);
    expect(moved.shape).toEqual([2, COUNT / 2]);
    expect(moved.toArray()[COUNT - 1]).toBe(COUNT - 1);
    expect(liveBytes() - before).toBe(4 * COUNT);
    moved.dispose();
    expect(liveBytes()).toBe(before);
    expect(() => takeBytes(bytes, [COUNT], "float32")).toThrow(/got 0 bytes/);
  });

  test("a part of it, little memory and any other array are copied and stay", () => {
    const bytes = ramp();
    for (const some of [bytes.subarray(0, 8), bytes.subarray(8), new Uint8Array(tensorMemory(8)), new Uint8Array(8)]) {
      const { length } = some;
      using made = takeBytes(some, [length / 4], "float32");
      expect(some.length).toBe(length);
      expect(toBytes(made).subarray(0, 8)).toEqual(some.slice(0, 8));
    }
    expect(() => takeBytes(bytes, [3], "float32")).toThrow(/expected 3 elements/);
    expect(bytes.length).toBe(4 * COUNT);
  });
});

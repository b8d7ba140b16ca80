import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { rng, TorchError, UsageError, UseAfterFreeError } from "../util/index.js";
import { call } from "./dispatch.js";
import {
  type DType,
  hasBfloat16,
  manualSeed,
  ops,
  scope,
  setThreads,
  type Tensor,
  tensor,
  threads,
  torchVersion,
} from "./index.js";
import { native } from "./native.js";

const allowed = readFileSync(new URL("ops.allow.txt", import.meta.url), "utf8")
  .split("\n")
  .filter((line) => line !== "" && !line.startsWith("#"))
  .map((line) => line.trim().split(/\s+/) as [string, ...string[]]);

describe("the allow list", () => {
  test("has a function for each line, and no function is without one", () => {
    expect(Object.keys(ops).sort()).toEqual(allowed.map(([name]) => name).sort());
  });

  test.each(allowed.flatMap(([, ...names]) => names))("%s exists in this libtorch", (name) => {
    expect(native.resolve(`aten::${name}`)).toBeGreaterThanOrEqual(0);
    expect(native.schema(`aten::${name}`)).toMatch(new RegExp(`^aten::${name.replace(".", "\\.")}\\(`));
  });

  test.each(["aten::nothing", "aten::add", "aten::add.Nothing", "", "add"])("'%s' does not", (name) => {
    expect(() => native.resolve(name)).toThrow(`resolve: this libtorch has no operator '${name}'`);
  });
});

/** Calls that libtorch itself refuses, with the name the error must carry. */
const refused: readonly (readonly [string, () => unknown, RegExp])[] = [
  ["mm", () => ops.mm(ops.ones([2, 3]), ops.ones([2, 3])), /mat1 and mat2/],
  ["add", () => ops.add(ops.ones([2]), ops.ones([3])), /size of tensor/],
  ["add_", () => ops.add_(ops.ones([2], { dtype: "int32" }), { float: 0.5 }), /can't be cast/],
  ["view", () => ops.view(ops.transpose(ops.ones([2, 3]), 0, 1), [6]), /view/],
  ["reshape", () => ops.reshape(ops.ones([2]), [-1, -1]), /only one dimension/],
  ["permute", () => ops.permute(ops.ones([2, 3]), [0, 0]), /duplicate dims/],
  ["index_select", () => ops.indexSelect(ops.ones([2]), 0, tensor([5], [1], { dtype: "int64" })), /out of range/],
  ["gather", () => ops.gather(ops.ones([2]), 0, tensor([-1], [1], { dtype: "int64" })), /out of bounds/],
  ["conv2d", () => ops.conv2d(ops.ones([1, 2, 3, 3]), ops.ones([1, 3, 1, 1])), /to have 3 channels/],
  ["conv2d", () => ops.conv2d(ops.ones([1, 2, 3, 3]), ops.ones([2, 2, 1, 1]), { groups: 0 }), /groups/],
  ["max_pool2d", () => ops.maxPool2d(ops.ones([1, 1, 2, 2]), 0), /should not be zero/],
  ["kthvalue", () => ops.kthvalue(ops.ones([2]), 3), /out of range/],
  [
    "cross_entropy_loss",
    () => ops.crossEntropyLoss(ops.ones([1, 2]), tensor([2], [1], { dtype: "int64" })),
    /out of bounds/,
  ],
  [
    "batch_norm",
    () => ops.batchNorm(ops.ones([2, 3]), ops.ones([2]), undefined, undefined, undefined, true, 0.1, 1e-5, false),
    /3/,
  ],
  ["cat", () => ops.cat([]), /non-empty/],
  ["cat", () => ops.cat([ops.ones([2, 2]), ops.ones([3, 3])]), /must match/],
  ["zeros", () => ops.zeros([-1]), /negative/],
  ["zeros", () => ops.zeros([2 ** 40, 2 ** 10]), /allocate memory/],
  ["zeros", () => ops.zeros([2 ** 40, 2 ** 40]), /overflow/],
  ["zeros", () => ops.zeros([1], { device: "cuda" }), /CUDA/],
  ["zeros", () => ops.zeros([1], { device: "nowhere" }), /device/],
  ["repeat", () => ops.repeat(ops.ones([1]), [2 ** 52, 2 ** 52]), /overflow/],
  ["arange", () => ops.arange(Number.NaN, 1), /nan/],
  ["sum", () => ops.sumDim(ops.ones(Array(70).fill(1)), [0]), /64 dims/],
  ["setRequiresGrad", () => tensor([1], [1], { dtype: "int32" }).setRequiresGrad(true), /floating point/],
  ["toArray", () => ops.zeros([1], { device: "meta" }).toArray(), /meta/],
];

describe("libtorch's refusals", () => {
  test.each(refused)("%s", (operator, run, message) => {
    scope(() => {
      const caught = errorOf(run);
      expect(caught).toBeInstanceOf(TorchError);
      expect((caught as TorchError).operator).toBe(operator);
      expect((caught as TorchError).code).toBe("torch");
      expect(caught.message).toMatch(message);
      expect(caught.message.startsWith(`${operator}: `)).toBe(true);
      expect(caught.message).not.toMatch(/frame #|Exception raised from/);
    });
  });
});

function errorOf(run: () => unknown): Error {
  try {
    run();
  } catch (error) {
    return error as Error;
  }
  throw new Error("expected an error");
}

/** What a program without types may pass. */
const wild = ops as unknown as Readonly<Record<string, (...values: unknown[]) => unknown>>;
const wrong: readonly (readonly [string, string, unknown[], RegExp])[] = [
  ["a number for a tensor", "neg", [1], /expected a tensor, got 1/],
  ["text for a tensor", "mm", [tensorOf, "x"], /expected a tensor, got "x"/],
  ["nothing for a tensor", "mm", [tensorOf], /expected a tensor, got nothing/],
  ["no arguments", "cat", [], /expected an array of tensors/],
  ["a tensor for a list", "cat", [tensorOf], /expected an array of tensors/],
  ["a tensor for indices", "index", [tensorOf, tensorOf], /expected an array of tensors/],
  ["a list of numbers for tensors", "cat", [[1, 2]], /expected a tensor, got 1/],
  ["a missing number", "transpose", [tensorOf, 0], /transpose: expected argument 'dim1', got undefined/],
  ["text for a number", "unsqueeze", [tensorOf, "0"], /unsqueeze: expected dim to be a number, got a string/],
  ["a fraction for an integer", "unsqueeze", [tensorOf, 0.5], /expected dim to be an integer, got 0\.5/],
  ["NaN for an integer", "unsqueeze", [tensorOf, Number.NaN], /expected dim to be an integer, got/],
  ["an integer that is none in a double", "unsqueeze", [tensorOf, 2 ** 60], /expected dim to be an integer/],
  ["a bigint for a number", "unsqueeze", [tensorOf, 1n], /expected dim to be a number, got a bigint/],
  ["NaN in a size", "zeros", [[Number.NaN]], /zeros: expected size to be an integer/],
  ["infinity in a size", "zeros", [[Number.POSITIVE_INFINITY]], /expected size to be an integer/],
  ["a number for a size", "zeros", [3], /expected size to be an array, got a number/],
  ["a typed array for a size", "zeros", [Int32Array.of(2)], /expected size to be an array, got an object/],
  ["a hole in a size", "zeros", [[1, undefined]], /expected size to be a number, got undefined/],
  ["text for a scalar", "fill_", [tensorOf, "1"], /fill_: expected value to be a number, a boolean or/],
  ["a marker without a number", "fill_", [tensorOf, { float: "1" }], /expected value to be a number, got a string/],
  [
    "a number for a boolean",
    "sort",
    [tensorOf, { descending: 1 }],
    /expected descending to be a boolean, got a number/,
  ],
  ["a number for text", "toDevice", [tensorOf, 3, "float32"], /expected device to be a string, got a number/],
  ["an unknown dtype", "zeros", [[1], { dtype: "float8" }], /dtype: expected uint8, .*, got "float8"/],
  ["a dtype that every object has", "zeros", [[1], { dtype: "toString" }], /dtype: expected/],
  ["a symbol for a dtype", "zeros", [[1], { dtype: Symbol("x") }], /dtype: expected/],
  ["an array that never ends", "zeros", [new Array(2 ** 32 - 1)], /zeros: /],
];
function tensorOf(): Tensor {
  return tensor([1, 2]);
}

describe("wrong kinds", () => {
  test.each(wrong)("%s", (_, name, values, message) => {
    scope(() => {
      const given = values.map((value) => (value === tensorOf ? tensorOf() : value));
      expect(() => wild[name]?.(...given)).toThrow(message);
      const huge = message.source === "zeros: ";
      expect(() => wild[name]?.(...given)).toThrow(huge ? TorchError : UsageError);
    });
  });

  test("too many arguments, and calls of operators that there are not", () => {
    const neg = native.resolve("aten::neg");
    scope(() => {
      expect(() => call(neg, tensor([1]).handle, 1)).toThrow("neg: expected at most 1 arguments, got 2");
      expect(() => call(neg, ...Array(100).fill(1))).toThrow("neg: expected at most 1 arguments, got 23");
      for (const plan of [-1, 1e9, Number.NaN, 0.5 + 1e9]) expect(() => call(plan)).toThrow("call: unknown operator");
      expect(() => (call as () => unknown)()).toThrow("call: expected 1 arguments, got 0");
    });
  });

  test.each([0, -1, 1.5, 2 ** 40, Number.NaN, 123456789])("%d is no tensor's number", (handle) => {
    expect(() => native.call(native.resolve("aten::neg"), handle)).toThrow(UseAfterFreeError);
    expect(native.release(handle)).toBe(false);
  });

  test("an error thrown while an argument is read is the caller's own", () => {
    const size = [1, 2];
    Object.defineProperty(size, 1, {
      get() {
        throw new RangeError("mine");
      },
    });
    expect(() => ops.zeros(size)).toThrow(new RangeError("mine"));
  });

  test("arguments may call operators while they are read", () => {
    scope(() => {
      const size = [1, 2];
      // Operators that nothing resolved before, so that the table of operators grows under the call.
      const fresh = ["acos", "asin", "atan", "cosh", "sinh", "tan", "trunc", "frac", "expm1", "exp2", "log2", "log10"];
      Object.defineProperty(size, 1, {
        get: () => fresh.map((name) => native.resolve(`aten::${name}`)).length,
      });
      expect(ops.zeros(size).shape).toEqual([1, 12]);
    });
  });
});

describe("scalars", () => {
  test("a marked number is floating, a bare one an integer", () => {
    scope(() => {
      const counts = tensor([1, 2], [2], { dtype: "int64" });
      expect(ops.mul(counts, 2).dtype).toBe("int64");
      expect(ops.mul(counts, { float: 2 }).dtype).toBe("float32");
      expect(ops.mul(counts, 0.5).dtype).toBe("float32");
      expect(ops.mul(tensor([1]), -0).toArray()).toEqual(Float32Array.of(-0));
    });
  });

  test("one number stands for all entries where the schema says how many", () => {
    scope(() => {
      const x = ops.ones([1, 1, 4, 4]);
      expect(ops.maxPool2d(x, 2, { stride: 2 }).shape).toEqual([1, 1, 2, 2]);
      expect(ops.maxPool2d(x, [2, 1], { stride: [2, 1] }).shape).toEqual([1, 1, 2, 4]);
    });
  });

  test("several results come as an array", () => {
    scope(() => {
      const [values, indices] = ops.sort(tensor([3, 1, 2]));
      expect(values.toNumbers()).toEqual([1, 2, 3]);
      expect(indices.toArray()).toEqual(BigInt64Array.of(1n, 2n, 0n));
      expect(ops.equal(values, values)).toBe(true);
    });
  });
});

describe("randomness", () => {
  const draw = (count = 1000) => scope(() => ops.uniform_(ops.empty([count])).toArray());

  test("is a function of the key", () => {
    manualSeed(rng(1, "a"));
    const first = draw();
    expect(draw()).not.toEqual(first);
    manualSeed(rng(1, "a"));
    expect(draw()).toEqual(first);
    manualSeed(rng(1, "b"));
    expect(draw()).not.toEqual(first);
  });

  test("tells keys apart that differ in their lowest 32 bits", () => {
    const withKey = (key: bigint) => {
      native.manualSeed(key);
      return draw(4);
    };
    expect(withKey(1n)).not.toEqual(withKey(1n + 2n ** 31n));
    expect(() => native.manualSeed(1 as unknown as bigint)).toThrow("manualSeed: expected the seed to be a bigint");
  });

  test("does not depend on the number of threads", () => {
    const usual = threads();
    const all = [1, 2].map((count) => {
      setThreads(count);
      manualSeed(rng(3, "threads"));
      return draw(100_000);
    });
    setThreads(usual);
    expect(all[0]).toEqual(all[1]);
  });
});

describe("threads", () => {
  test("are what was set", () => {
    const usual = threads();
    try {
      setThreads(1);
      expect(threads()).toBe(1);
      scope(() => expect(ops.sum(ops.ones([100_000])).item()).toBe(100_000));
    } finally {
      setThreads(usual);
    }
    expect(threads()).toBe(usual);
  });

  test.each([0, -1, 1.5, 5000, Number.NaN])("%d is refused", (count) => {
    expect(() => setThreads(count)).toThrow(/^setThreads: expected threads/);
  });
});

test("the engine says what it is", () => {
  expect(torchVersion()).toMatch(/^\d+\.\d+\.\d+/);
  expect(typeof hasBfloat16()).toBe("boolean");
});

test("every dtype that a tensor can have converts to every other", () => {
  const dtypes: DType[] = [
    "float32",
    "float64",
    "bfloat16",
    "float16",
    "uint8",
    "int8",
    "int16",
    "int32",
    "int64",
    "bool",
  ];
  scope(() => {
    for (const from of dtypes) {
      for (const to of dtypes) {
        const made = ops.to(ops.to(tensor([0, 1]), from), to);
        expect(made.dtype).toBe(to);
        expect(ops.to(made, "float32").toArray()).toEqual(Float32Array.of(0, 1));
      }
    }
  });
});

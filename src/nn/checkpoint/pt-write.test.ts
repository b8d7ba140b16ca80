import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import type { DType } from "../../torch/index.js";
import { UsageError } from "../../util/errors.js";
import { decodePt } from "./pt.js";
import type { PtValue } from "./pt-values.js";
import { encodePt } from "./pt-write.js";
import type { RawTensor } from "./safetensors.js";
import { ELEMENT_SIZE } from "./safetensors-header.js";

const dtypes = Object.keys(ELEMENT_SIZE) as DType[];

const rawTensor: fc.Arbitrary<RawTensor> = fc
  .record({ dtype: fc.constantFrom(...dtypes), shape: fc.array(fc.nat(4), { maxLength: 5 }) })
  .chain(({ dtype, shape }) => {
    const size = shape.reduce((a, b) => a * b, ELEMENT_SIZE[dtype]);
    const data = fc.uint8Array({ minLength: size, maxLength: size, max: dtype === "bool" ? 1 : 255 });
    return data.map((bytes) => ({ dtype, shape, data: bytes }));
  });

test("what is written is read again, in order", () => {
  const rows = fc.uniqueArray(fc.tuple(fc.string({ unit: "grapheme" }), rawTensor), {
    selector: ([key]) => key,
    maxLength: 5,
  });
  fc.assert(
    fc.property(rows, (pairs) => {
      const { value } = decodePt(Buffer.concat(encodePt(new Map(pairs))), "memory");
      const bare = [...(value as Map<string, PtValue>)].map(([key, t]) => [
        key,
        { ...(t as RawTensor), data: [...(t as RawTensor).data] },
      ]);
      expect(bare).toEqual(pairs.map(([key, t]) => [key, { ...t, data: [...t.data] }]));
    }),
    { numRuns: 50 },
  );
});

test("bytes that do not fit the shape are the caller's mistake", () => {
  const wrong = new Map<string, RawTensor>([["w", { dtype: "float32", shape: [2], data: new Uint8Array(7) }]]);
  expect(() => encodePt(wrong)).toThrow(UsageError);
});

test("Python's torch.load(weights_only=True) reads every dtype and shape", ({ skip }) => {
  const python = "/usr/bin/python3";
  skip(!existsSync(python), "/usr/bin/python3 is not installed");
  const tensors = new Map<string, RawTensor>(
    dtypes.map((dtype, k) => [
      `größe.${dtype}`,
      { dtype, shape: [2, k], data: new Uint8Array(2 * k * ELEMENT_SIZE[dtype]).fill(1) },
    ]),
  );
  tensors.set("scalar", { dtype: "float32", shape: [], data: new Uint8Array(new Float32Array([2.5]).buffer) });
  tensors.set("cube", {
    dtype: "float32",
    shape: [1, 2, 1, 3],
    data: new Uint8Array(new Float32Array([1, 2, 3, 4, 5, 6]).buffer),
  });
  const folder = mkdtempSync(join(tmpdir(), "s2ap-pt-"));
  const path = join(folder, "weights.pt");
  const program = [
    "import json, sys",
    "try: import torch",
    "except ImportError: print('null'); sys.exit()",
    "s = torch.load(sys.argv[1], weights_only=True)",
    "row = lambda t: [str(t.dtype)[6:], list(t.shape), t.is_contiguous(), t.reshape(-1).contiguous().view(torch.uint8).tolist() if t.dim() and t.dtype != torch.bool else t.reshape(-1).tolist()]",
    "print(json.dumps([type(s).__name__, [[k, row(t)] for k, t in s.items()]]))",
  ].join("\n");
  try {
    writeFileSync(path, Buffer.concat(encodePt(tensors)));
    const output: unknown = JSON.parse(
      execFileSync(python, ["-W", "ignore", "-c", program, path], { encoding: "utf8" }),
    );
    skip(output === null, "PyTorch for /usr/bin/python3 (python3-torch) is not installed");
    const values = (name: string, { dtype, data }: RawTensor) =>
      name === "scalar" ? [2.5] : [...data].map((byte) => (dtype === "bool" ? byte === 1 : byte));
    expect(output).toEqual([
      "OrderedDict",
      [...tensors].map(([name, t]) => [name, [t.dtype, t.shape, true, values(name, t)]]),
    ]);
  } finally {
    rmSync(folder, { recursive: true });
  }
}, 180_000);

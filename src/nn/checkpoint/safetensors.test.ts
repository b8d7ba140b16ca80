import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import type { DType } from "../../torch/index.js";
import { DataError, UsageError } from "../../util/errors.js";
import {
  decodeSafetensors,
  encodeSafetensors,
  type RawTensor,
  readSafetensors,
  readSafetensorsRows,
} from "./safetensors.js";
import { ELEMENT_SIZE } from "./safetensors-header.js";

const folder = mkdtempSync(join(tmpdir(), "s2ap-safetensors-"));
afterAll(() => rmSync(folder, { recursive: true }));

const dtypes = Object.keys(ELEMENT_SIZE) as DType[];

const rawTensor: fc.Arbitrary<RawTensor> = fc
  .record({ dtype: fc.constantFrom(...dtypes), shape: fc.array(fc.nat(4), { maxLength: 4 }) })
  .chain(({ dtype, shape }) => {
    const size = shape.reduce((a, b) => a * b, ELEMENT_SIZE[dtype]);
    return fc
      .uint8Array({ minLength: size, maxLength: size, max: dtype === "bool" ? 1 : 255 })
      .map((data) => ({ dtype, shape, data }));
  });
const text = fc.oneof(
  fc.string({ unit: "grapheme" }),
  fc.constantFrom("__proto__", "0", "17", "constructor", 'a"b\\c'),
);
const name = text.filter((key) => key !== "__metadata__");
const file = fc.record({
  tensors: fc
    .uniqueArray(fc.tuple(name, rawTensor), { selector: ([key]) => key, maxLength: 6 })
    .map((rows) => new Map(rows)),
  metadata: fc.array(fc.tuple(text, text), { maxLength: 4 }).map((rows) => Object.fromEntries(rows)),
});

/** A file with this header text and so many bytes of zeros. */
function craft(header: string, dataLength = 0, headerLength?: number): Uint8Array {
  const encoded = Buffer.from(header);
  const bytes = Buffer.alloc(8 + encoded.length + dataLength);
  bytes.writeBigUInt64LE(BigInt(headerLength ?? encoded.length));
  bytes.set(encoded, 8);
  return bytes;
}

function refusal(bytes: Uint8Array): string {
  try {
    decodeSafetensors(bytes, "model.safetensors");
  } catch (error) {
    expect(error).toBeInstanceOf(DataError);
    return (error as DataError).message;
  }
  throw new Error("accepted");
}

describe("round trip", () => {
  test("tensors, their order and the metadata come back", () => {
    fc.assert(
      fc.property(file, ({ tensors, metadata }) => {
        const back = decodeSafetensors(Buffer.concat(encodeSafetensors({ tensors, metadata })), "memory");
        expect([...back.tensors.keys()]).toEqual([...tensors.keys()]);
        for (const [key, tensor] of tensors) {
          const read = back.tensors.get(key);
          expect({ ...read, data: [...(read?.data ?? [])] }).toEqual({ ...tensor, data: [...tensor.data] });
        }
        expect(Object.entries(back.metadata).sort()).toEqual(Object.entries(metadata).sort());
      }),
    );
  });

  test("every tensor is aligned to its element and the bytes do not depend on the order of metadata", () => {
    fc.assert(
      fc.property(file, ({ tensors, metadata }) => {
        const chunks = encodeSafetensors({ tensors, metadata });
        const turned = Object.fromEntries(Object.entries(metadata).reverse());
        expect(Buffer.concat(encodeSafetensors({ tensors, metadata: turned }))).toEqual(Buffer.concat(chunks));
        const bytes = new Uint8Array(Buffer.concat(chunks));
        for (const { dtype, data } of decodeSafetensors(bytes, "memory").tensors.values()) {
          expect(data.byteOffset % ELEMENT_SIZE[dtype]).toBe(0);
        }
      }),
    );
  });

  test("a file on disk reads like the same bytes in memory", () => {
    const path = join(folder, "small.safetensors");
    const tensors = new Map<string, RawTensor>([
      ["w", { dtype: "float32", shape: [2], data: new Uint8Array(8).fill(7) }],
    ]);
    writeFileSync(path, Buffer.concat(encodeSafetensors({ tensors, metadata: { seed: "1" } })));
    expect(readSafetensors(path)).toEqual({ tensors, metadata: { seed: "1" } });
  });

  test("five lines of Python read what we write", ({ skip }) => {
    const data = new Uint8Array(new Float32Array([1.5, -2, 0.25, 3, 4, 5]).buffer);
    const labels = new Uint8Array(new BigInt64Array([7n, -1n]).buffer);
    const tensors = new Map<string, RawTensor>([
      ["layer1.0.conv1.weight", { dtype: "float32", shape: [2, 3], data }],
      ["labels", { dtype: "int64", shape: [2], data: labels }],
    ]);
    const path = join(folder, "python.safetensors");
    writeFileSync(path, Buffer.concat(encodeSafetensors({ tensors, metadata: { name: "Größe" } })));
    const program = [
      "import json, struct, sys",
      "b = open(sys.argv[1], 'rb').read(); n, = struct.unpack('<Q', b[:8]); h = json.loads(b[8:8+n])",
      "m = h.pop('__metadata__'); code = {'F32': 'f', 'I64': 'q'}",
      "get = lambda t: struct.unpack('<%d%s' % ((t['data_offsets'][1] - t['data_offsets'][0]) // struct.calcsize('<' + code[t['dtype']]), code[t['dtype']]), b[8+n:][slice(*t['data_offsets'])])",
      "print(json.dumps({'order': list(h), 'meta': m, 'n': n % 8, 'values': {k: get(t) for k, t in h.items()}}))",
    ].join("\n");
    let output: string;
    try {
      output = execFileSync("python3", ["-c", program, path], { encoding: "utf8" });
    } catch (error) {
      skip((error as NodeJS.ErrnoException).code === "ENOENT", "python3 is not installed");
      throw error;
    }
    expect(JSON.parse(output)).toEqual({
      order: ["layer1.0.conv1.weight", "labels"],
      meta: { name: "Größe" },
      n: 0,
      values: { "layer1.0.conv1.weight": [1.5, -2, 0.25, 3, 4, 5], labels: [7, -1] },
    });
  });

  test("the exact bytes of a small file", () => {
    const tensors = new Map<string, RawTensor>([["a", { dtype: "uint8", shape: [], data: Uint8Array.of(9) }]]);
    const bytes = Buffer.concat(encodeSafetensors({ tensors, metadata: { b: "2", a: "1" } }));
    const header = '{"__metadata__":{"a":"1","b":"2"},"a":{"dtype":"U8","shape":[],"data_offsets":[0,1]}}'.padEnd(88);
    expect(bytes.toString("latin1")).toBe(`\x58\0\0\0\0\0\0\0${header}\x09`);
  });
});

describe("hostile bytes", () => {
  const tensor = (fields: string) => `{"w":{${fields}}}`;
  const good = '"dtype":"F32","shape":[2],"data_offsets":[0,8]';
  const rows: [what: string, bytes: Uint8Array, message: RegExp][] = [
    ["empty", new Uint8Array(0), /at least 8 bytes, got "0 bytes"/],
    ["shorter than its prefix", new Uint8Array(7), /at least 8 bytes/],
    ["header longer than the file", craft("{}", 0, 3), /a header of at most 2 bytes, got "3 bytes"/],
    ["header of 2^64 - 1 bytes", Buffer.from("ffffffffffffffff7b7d", "hex"), /at most 2 bytes/],
    ["header over 100 MB", craft("{}", 100_000_001, 100_000_002), /at most 100000000 bytes/],
    ["no header", craft(""), /expected "\{", got the end|expected "\{", got "the end/],
    ["not JSON", craft("hello!!!"), /expected "\{", got "hello!!!"/],
    ["a space first", craft(" {}"), /expected "\{"/],
    ["byte order mark", craft("\ufeff{}"), /expected "\{"/],
    ["not UTF-8", Buffer.concat([craft("", 0, 4), Buffer.from('{"\xff"', "latin1")]), /a header in UTF-8/],
    ["an array", craft("[1]"), /expected "\{"/],
    ["deep nesting", craft(`{"w":${"[".repeat(1_000_000)}`), /expected "\{"/],
    ["deep nesting in a field", craft(tensor(`"shape":${"[".repeat(1_000_000)}`)), /a whole number/],
    ["text after the object", craft("{} x"), /nothing but spaces/],
    ["trailing comma", craft(tensor(`${good},`), 8), /a string/],
    ["tensor twice", craft(`{"w":{${good}},"w":{${good}}}`, 8), /each key once, got "\\"w\\":/],
    ["tensor twice, once escaped", craft(`{"w":{${good}},"\\u0077":{${good}}}`, 8), /each key once/],
    ["field twice", craft(tensor(`${good},"dtype":"F32"`), 8), /each key once/],
    ["metadata twice", craft('{"__metadata__":{},"__metadata__":{}}'), /each key once/],
    ["metadata of numbers", craft('{"__metadata__":{"a":1}}'), /a string, got "1/],
    ["metadata that is a list", craft('{"__metadata__":[]}'), /expected "\{"/],
    [
      "unknown dtype",
      craft(tensor('"dtype":"F31","shape":[],"data_offsets":[0,4]'), 4),
      /a dtype out of F64, .*got "F31"/,
    ],
    ["unknown field", craft(tensor(`${good},"stride":[1]`), 8), /only dtype, shape and data_offsets, got "stride"/],
    ["missing field", craft(tensor('"dtype":"F32","shape":[2]'), 8), /two data_offsets/],
    ["one offset", craft(tensor('"dtype":"F32","shape":[2],"data_offsets":[8]'), 8), /two data_offsets/],
    ["three offsets", craft(tensor('"dtype":"F32","shape":[2],"data_offsets":[0,8,8]'), 8), /at most 2 numbers/],
    ["negative side", craft(tensor('"dtype":"F32","shape":[-2],"data_offsets":[0,8]'), 8), /a whole number.*got "-2/],
    ["fractional side", craft(tensor('"dtype":"F32","shape":[2.0],"data_offsets":[0,8]'), 8), /a whole number/],
    ["side in exponent form", craft(tensor('"dtype":"F32","shape":[2e0],"data_offsets":[0,8]'), 8), /a whole number/],
    ["side over 2^53", craft(tensor('"dtype":"U8","shape":[9007199254740993],"data_offsets":[0,8]'), 8), /2\^53/],
    [
      "product that overflows",
      craft(tensor(`"dtype":"U8","shape":[${"4294967296,".repeat(2)}0],"data_offsets":[0,0]`)),
      /NaN/,
    ],
    [
      "65 dimensions",
      craft(tensor(`"dtype":"U8","shape":[${"1,".repeat(64)}1],"data_offsets":[0,1]`), 1),
      /at most 64/,
    ],
    [
      "wrong byte length",
      craft(tensor('"dtype":"F32","shape":[3],"data_offsets":[0,8]'), 8),
      /12 bytes for float32 \[3\]/,
    ],
    ["offsets backwards", craft(tensor('"dtype":"F32","shape":[2],"data_offsets":[8,0]'), 8), /8 bytes for float32/],
    ["past the end", craft(tensor(good), 4), /begin at 0 and end by 4, got "\[0, 8\]"/],
    ["data left over", craft(tensor(good), 9), /8 bytes of data after the header, got 9/],
    ["hole before", craft(tensor('"dtype":"U8","shape":[1],"data_offsets":[1,2]'), 2), /begin at 0/],
    [
      "overlap",
      craft(
        '{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}}',
        3,
      ),
      /tensor "b": expected its bytes to begin at 2/,
    ],
    ["half a surrogate pair", craft('{"\\ud800":{}}'), /valid text/],
    ["unclosed string", craft('{"w'), /valid text/],
    [
      "bool of 2",
      Buffer.concat([craft(tensor('"dtype":"BOOL","shape":[1],"data_offsets":[0,1]')), Uint8Array.of(2)]),
      /bytes 0 and 1/,
    ],
  ];

  test.each(rows)("%s", (_, bytes, message) => {
    const said = refusal(bytes);
    expect(said).toMatch(message);
    expect(said.startsWith("model.safetensors: ")).toBe(true);
    expect(said.length).toBeLessThan(400);
  });

  test("the same header with the right data is accepted", () => {
    expect(decodeSafetensors(craft(tensor(good), 8), "x").tensors.get("w")?.shape).toEqual([2]);
    expect(
      decodeSafetensors(
        craft('{ "a" :{"shape":[0],"data_offsets":[ 0 , 0 ],"dtype":"F32"}, "__metadata__":{} }  '),
        "x",
      ).tensors.size,
    ).toBe(1);
  });

  test("changed bytes give a valid file or a DataError, never anything else", () => {
    const change = fc.record({ at: fc.nat(), to: fc.integer({ min: 0, max: 255 }) });
    const cut = fc.option(fc.nat(), { freq: 4 });
    fc.assert(
      fc.property(
        file,
        fc.array(change, { minLength: 1, maxLength: 4 }),
        cut,
        ({ tensors, metadata }, changes, keep) => {
          let bytes: Uint8Array = Buffer.concat(encodeSafetensors({ tensors, metadata }));
          for (const { at, to } of changes) bytes[at % bytes.length] = to;
          if (keep !== null) bytes = bytes.subarray(0, keep % bytes.length);
          try {
            for (const [, { dtype, shape, data }] of decodeSafetensors(bytes, "fuzzed").tensors) {
              expect(data.length).toBe(shape.reduce((a, b) => a * b, ELEMENT_SIZE[dtype]));
            }
          } catch (error) {
            if (!(error instanceof DataError)) throw error;
          }
        },
      ),
      { numRuns: 1000 },
    );
  });

  test("any JSON as a header gives a valid file or a DataError", () => {
    const field = fc.oneof(fc.jsonValue(), fc.array(fc.nat(9), { maxLength: 3 }), fc.constantFrom("F32", "U8"));
    const entry = fc.record({ dtype: field, shape: field, data_offsets: field }, { requiredKeys: [] });
    const header = fc.dictionary(fc.string(), fc.oneof(entry, fc.jsonValue()));
    fc.assert(
      fc.property(header, fc.nat(16), (value, length) => {
        try {
          decodeSafetensors(craft(JSON.stringify(value), length), "fuzzed");
        } catch (error) {
          if (!(error instanceof DataError)) throw error;
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe("files and arguments", () => {
  test("a missing file and a folder are DataErrors that name the path", () => {
    const missing = join(folder, "none.safetensors");
    expect(() => readSafetensors(missing)).toThrow(DataError);
    expect(() => readSafetensors(missing)).toThrow(missing);
    expect(() => readSafetensors(folder)).toThrow(`${folder}: expected a file, got "a folder"`);
  });

  test("a truncated file is a DataError", () => {
    const path = join(folder, "cut.safetensors");
    const tensors = new Map<string, RawTensor>([["w", { dtype: "int64", shape: [4], data: new Uint8Array(32) }]]);
    const bytes = Buffer.concat(encodeSafetensors({ tensors }));
    for (const length of [0, 5, 8, 40, bytes.length - 1]) {
      writeFileSync(path, bytes.subarray(0, length));
      expect(() => readSafetensors(path)).toThrow(DataError);
    }
  });

  test("the writer refuses what no reader could read", () => {
    const data = new Uint8Array(4);
    const encode = (key: string, tensor: RawTensor) => () => encodeSafetensors({ tensors: new Map([[key, tensor]]) });
    expect(encode("w", { dtype: "float32", shape: [2], data })).toThrow(/8 bytes for float32 \[2\], got 4/);
    expect(encode("w", { dtype: "float32", shape: [-1], data })).toThrow(UsageError);
    expect(encode("__metadata__", { dtype: "float32", shape: [1], data })).toThrow(UsageError);
    expect(encode("\ud800", { dtype: "float32", shape: [1], data })).toThrow(UsageError);
  });
});

describe("readSafetensorsRows", () => {
  test("reads rows of one tensor as the whole file has them, and refuses others", () => {
    const path = join(folder, "rows.safetensors");
    const data = Uint8Array.from({ length: 24 }, (_, i) => i);
    const wide: RawTensor = { dtype: "float32", shape: [2, 3], data };
    const narrow: RawTensor = { dtype: "uint8", shape: [4, 2], data: data.subarray(8, 16) };
    writeFileSync(
      path,
      Buffer.concat(
        encodeSafetensors({
          tensors: new Map([
            ["n", narrow],
            ["w", wide],
          ]),
        }),
      ),
    );
    expect(readSafetensorsRows(path, "w", { first: 1, count: 1 })).toEqual({
      ...wide,
      shape: [1, 3],
      data: data.slice(12),
    });
    expect(readSafetensorsRows(path, "n", { first: 1, count: 2 }).data).toEqual(data.slice(10, 14));
    expect(readSafetensorsRows(path, "n")).toEqual({ ...narrow, data: data.slice(8, 16) });
    expect(readSafetensorsRows(path, "n", { first: 4 }).data).toHaveLength(0);
    for (const [name, first, count] of [
      ["w", 1, 2],
      ["w", -1, 1],
      ["x", 0, 1],
      ["w", 0, Number.NaN],
    ] as const) {
      expect(() => readSafetensorsRows(path, name, { first, count })).toThrow(DataError);
    }
  });
});

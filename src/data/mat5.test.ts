// MATLAB files: what SciPy wrote is read, in every class, and what is damaged or means harm is refused.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { deflateSync } from "node:zlib";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { type MatArray, matElement, matFileBytes, matFileHeader } from "../../test/support/mat5.js";
import { DataError } from "../util/index.js";
import { type MatHeader, matNumbers, readMat } from "./mat5.js";

const folder = mkdtempSync(join(tmpdir(), "s2ap-mat-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const golden = (name: string) => fileURLToPath(new URL(`../../test/golden/data/mat/${name}`, import.meta.url));

function file(bytes: Uint8Array): string {
  const path = join(folder, "file.mat");
  writeFileSync(path, bytes);
  return path;
}

/** The named arrays of a file. */
async function read(path: string, ...names: string[]) {
  const found: Record<string, { header: MatHeader; numbers: number[] }> = {};
  const bytes: Record<string, Buffer> = {};
  const headers: Record<string, MatHeader> = {};
  const wanted = names.map((name) => [
    name,
    (header: MatHeader) => {
      headers[name] = header;
      const all = Buffer.alloc(header.count * header.stored.bytes);
      bytes[name] = all;
      return (piece: Buffer, at: number) => void all.set(piece, at);
    },
  ]);
  await readMat(path, Object.fromEntries(wanted));
  for (const name of names) {
    const header = headers[name] as MatHeader;
    found[name] = { header, numbers: matNumbers(bytes[name] as Buffer, header.stored) };
  }
  return found;
}

/** What the error says, without its quotation marks. */
async function refusal(path: string, ...names: string[]): Promise<string> {
  const error = await read(path, ...names).catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(DataError);
  return (error as DataError).message.replaceAll('"', "");
}

const SIGNED = ["float64", "float32", "int8", "int16", "int32", "int64"];
const UNSIGNED = ["uint8", "uint16", "uint32", "uint64"];
const classNameOf = (name: string) => ({ float64: "double", float32: "single" })[name] ?? name;

describe.each(["classes.mat", "classes-compressed.mat"])("%s, which SciPy wrote", (name) => {
  test("has all numeric classes", async () => {
    const found = await read(golden(name), ...SIGNED, ...UNSIGNED);
    for (const array of [...SIGNED, ...UNSIGNED]) {
      const lowest = SIGNED.includes(array) ? -4 : 0;
      expect(found[array]?.header, array).toMatchObject({ className: classNameOf(array), shape: [2, 3], count: 6 });
      expect(found[array]?.numbers, array).toEqual([0, 3, 6, 9, 12, 15].map((value) => value + lowest));
    }
  });

  test("has small and empty arrays, and logical ones as bytes", async () => {
    const { small, empty, bools } = await read(golden(name), "small", "empty", "bools");
    expect(small?.numbers).toEqual([1, 2, 3]);
    expect(empty).toMatchObject({ header: { shape: [0, 3] }, numbers: [] });
    expect(bools).toMatchObject({ header: { className: "uint8" }, numbers: [1, 0] });
  });

  test.each([
    ["complex", "complex numbers"],
    ["text", "class char"],
    ["struct", "class struct"],
    ["cell", "class cell"],
  ])("has %s, which is refused when it is asked for", async (array, got) => {
    expect(await refusal(golden(name), array)).toContain(`${array}: expected an array of real numbers, got ${got}`);
  });

  test("does not have others", async () => {
    expect(await refusal(golden(name), "X", "small")).toContain("expected the arrays X and small, got float64,");
  });
});

const ramp: MatArray = { name: "ramp", classOf: 6, shape: [5, 1], type: 2, values: Uint8Array.of(1, 2, 3, 4, 250) };

describe.each([
  { bigEndian: false, compressed: false },
  { bigEndian: false, compressed: true },
  { bigEndian: true, compressed: false },
  { bigEndian: true, compressed: true },
])("a file with %o", (form) => {
  test("may store a double array as bytes, and has small elements", async () => {
    const arrays: MatArray[] = [
      ramp,
      { name: "s", classOf: 11, shape: [1, 1], type: 4, values: form.bigEndian ? [1, 2] : [2, 1] },
    ].map((array) => ({ ...array, values: Uint8Array.from(array.values) }));
    const found = await read(file(matFileBytes(arrays, form)), "ramp", "s");
    expect(found.ramp).toMatchObject({ header: { className: "double" }, numbers: [1, 2, 3, 4, 250] });
    expect(found.s).toMatchObject({ header: { className: "uint16" }, numbers: [258] });
  });

  test.each([
    ["16 bytes more than it has", [ramp], { more: 16 }, "as long as it says, got 19 bytes left over"],
    ["the same array twice", [ramp, ramp], {}, "each array once, got"],
    ["a shape of other values", [{ ...ramp, shape: [5, 2] }], {}, "expected 10 values of 1 bytes, got 5 bytes"],
    ["one extent", [{ ...ramp, shape: [5] }], {}, "expected two or more extents"],
    ["a negative extent", [{ ...ramp, shape: [-5, 1] }], {}, "expected two or more extents"],
    ["values of no numeric type", [{ ...ramp, type: 16 }], {}, "expected values of a numeric type, got type 16"],
    ["a class of its own", [{ ...ramp, classOf: 17 }], {}, "expected the arrays ramp, got"],
  ] as const)("is refused with %s", async (_, arrays, lies, message) => {
    const path = file(matFileBytes(arrays, { ...form, ...lies }));
    expect(await refusal(path, "ramp")).toContain(message);
  });
});

describe("refused", () => {
  const ofHeader = (change: (header: Buffer) => void) => {
    const header = matFileHeader();
    change(header);
    return header;
  };
  test.each([
    ["a short file", Buffer.from("MATLAB 5.0"), "which has 128 bytes at least, got 10 bytes"],
    ["a page of the web", Buffer.alloc(500, "<html>Not found</html>"), "a file without its byte order mark"],
    ["version 7.3", ofHeader((header) => header.writeUInt16LE(0x0200, 124)), "save it anew in MATLAB with -v7"],
    ["an unknown version", ofHeader((header) => header.writeUInt16LE(0x0300, 124)), "got version 0x300"],
    ["no arrays", matFileHeader(), "expected the arrays ramp, got none"],
    [
      "an element that is no array",
      Buffer.concat([matFileHeader(), matElement(9, new Uint8Array(8))]),
      "expected an array at 128, got an element of type 9",
    ],
    [
      "compressed bytes that are none",
      Buffer.concat([matFileHeader(), Buffer.of(15, 0, 0, 0, 9, 0, 0, 0), Buffer.alloc(9, 7)]),
      "expected a whole compressed array",
    ],
    [
      "a thousand and one arrays",
      Buffer.concat([
        matFileHeader(),
        ...Array.from({ length: 1001 }, () => Buffer.of(14, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)),
      ]),
      "expected at most 1000 arrays, got more",
    ],
  ])("%s", async (_, bytes, message) => {
    expect(await refusal(file(bytes), "ramp")).toContain(message);
  });

  test("an array that claims to unpack to more than 20 times the file", async () => {
    const bomb = { ...ramp, classOf: 9, shape: [1 << 22, 1], values: new Uint8Array(1 << 22) };
    const message = await refusal(file(matFileBytes([bomb], { compressed: true })), "ramp");
    expect(message).toContain("expected values of at most 1048576 bytes, 20 times the file, got 4194304 bytes");
  });

  test("bytes that unpack for ever behind the array", async () => {
    const whole = matFileBytes([ramp]).subarray(128);
    const packed = deflateSync(Buffer.concat([whole, Buffer.alloc(1 << 26)]));
    const tag = Buffer.of(15, 0, 0, 0, 0, 0, 0, 0);
    tag.writeUInt32LE(packed.length, 4);
    const path = file(Buffer.concat([matFileHeader(), tag, packed]));
    expect(await refusal(path, "ramp")).toContain("as long as it says, got more bytes");
  });

  test("a wrong checksum", async () => {
    const bytes = matFileBytes([ramp], { compressed: true });
    bytes[bytes.length - 1] = (bytes.at(-1) as number) ^ 1;
    expect(await refusal(file(bytes), "ramp")).toContain("a whole compressed array, got incorrect data check");
  });

  test.each(["classes.mat", "classes-compressed.mat"])("%s, cut anywhere", async (name) => {
    const bytes = readFileSync(golden(name));
    for (let length = 0; length < bytes.length; length += 37) {
      await expect(read(file(bytes.subarray(0, length)), "bools"), `${length}`).rejects.toThrow(DataError);
    }
  });
});

test.each(["classes.mat", "classes-compressed.mat"])("%s with changed bytes is read or refused", async (name) => {
  const original = readFileSync(golden(name));
  const changes = fc.array(fc.tuple(fc.nat(original.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 });
  await fc.assert(
    fc.asyncProperty(changes, async (changed) => {
      const bytes = Buffer.from(original);
      for (const [at, value] of changed) bytes[at] = value;
      try {
        const found = await read(file(bytes), ...SIGNED, ...UNSIGNED);
        for (const { header, numbers } of Object.values(found)) expect(numbers).toHaveLength(header.count);
      } catch (error) {
        if (!(error instanceof DataError)) throw error;
      }
    }),
    { numRuns: 300 },
  );
});

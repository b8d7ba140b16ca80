import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { idxFile } from "../../test/support/fake-idx.js";
import { DataError } from "../util/index.js";
import { idxHeaderLength, readIdx } from "./idx.js";

const root = mkdtempSync(join(tmpdir(), "s2ap-idx-"));
afterAll(() => rmSync(root, { recursive: true }));
const path = join(root, "file");

const shape = [3, 4, 5];
const values = Uint8Array.from({ length: 60 }, (_, i) => (i * 37) & 255);
const whole = idxFile(shape, values);

async function refusal(bytes: Uint8Array, of: readonly number[] = shape): Promise<string> {
  writeFileSync(path, bytes);
  const error: unknown = await readIdx(path, of).then(
    () => new Error("accepted"),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(DataError);
  expect((error as DataError).code).toBe("data/idx");
  return (error as DataError).message;
}

function changed(at: number, ...bytes: number[]): Buffer {
  const copy = Buffer.from(whole);
  copy.set(bytes, at);
  return copy;
}

describe("readIdx", () => {
  test("gives the file's bytes, plain or unpacked, the values behind the header", async () => {
    for (const bytes of [whole, gzipSync(whole), gzipSync(whole, { level: 0 })]) {
      writeFileSync(path, bytes);
      const read = await readIdx(path, shape);
      expect(Buffer.from(read)).toEqual(whole);
      expect(read.subarray(idxHeaderLength(3))).toEqual(values);
    }
  });

  test("reads arrays of more than one piece", async () => {
    const large = Uint8Array.from({ length: 300_000 }, (_, i) => i ** 2 % 251);
    for (const pack of [(bytes: Buffer) => bytes, (bytes: Buffer) => gzipSync(bytes)]) {
      writeFileSync(path, pack(idxFile([300, 1000], large)));
      expect(Buffer.compare((await readIdx(path, [300, 1000])).subarray(12), large)).toBe(0);
    }
  });

  test.each([
    ["no idx file", changed(0, 0x1f), 'expected an idx file, which begins with two zero bytes, got "bytes 31 and 0"'],
    ["another type", changed(2, 0x0d), "expected values that are unsigned bytes (type 8), got 13"],
    ["other dimensions", changed(3, 1), "expected 3 dimensions, got 1"],
    ["another shape", changed(4, 0, 0, 0, 4), 'expected the shape [3,4,5], got "[4,4,5]"'],
    ["a hostile size", changed(4, 255, 255, 255, 255), 'expected the shape [3,4,5], got "[4294967295,4,5]"'],
    ["a cut header", whole.subarray(0, 9), "expected 76 bytes for the shape [3,4,5], got 9"],
    ["cut values", whole.subarray(0, 75), "expected 76 bytes for the shape [3,4,5], got 75"],
    ["nothing", Buffer.alloc(0), "expected 76 bytes for the shape [3,4,5], got 0"],
    ["trailing bytes", Buffer.concat([whole, Buffer.alloc(1)]), 'expected 76 bytes, as its header says, got "more"'],
  ])("%s is refused, plain and in gzip", async (_, bytes, message) => {
    expect(await refusal(bytes)).toBe(`${path}: ${message}; get the file again`);
    expect(await refusal(gzipSync(bytes))).toBe(`${path}: ${message}; get the file again`);
  });

  test("gzip that is cut or has a wrong bit is refused", async () => {
    const packed = gzipSync(whole);
    expect(await refusal(packed.subarray(0, 30))).toMatch(/expected a whole gzip file, got unexpected end of file/);
    const spoilt = Buffer.from(packed);
    spoilt[packed.length - 6] = (spoilt[packed.length - 6] as number) ^ 1;
    expect(await refusal(spoilt)).toMatch(/expected a whole gzip file, got incorrect data check/);
  });

  test("what unpacks to far more than its header says is not unpacked", async () => {
    const bomb = gzipSync(Buffer.concat([whole, Buffer.alloc(1 << 27)]));
    const before = process.memoryUsage().rss;
    expect(await refusal(bomb)).toMatch(/expected 76 bytes, as its header says, got "more"/);
    expect(process.memoryUsage().rss - before).toBeLessThan(1 << 26);
  });

  test("a missing file is named", async () => {
    await expect(readIdx(join(root, "none"), shape)).rejects.toThrow(`${join(root, "none")}: cannot read`);
  });

  test("mutated files give the same shape or our error", async () => {
    const mutation = fc.record({
      gzip: fc.boolean(),
      inside: fc.boolean(),
      cut: fc.nat(90),
      changes: fc.array(fc.tuple(fc.nat(90), fc.nat(255)), { maxLength: 4 }),
      tail: fc.uint8Array({ maxLength: 8 }),
    });
    const spoil = (
      bytes: Buffer,
      { cut, changes, tail }: { cut: number; changes: [number, number][]; tail: Uint8Array },
    ) => {
      const copy = Buffer.concat([bytes.subarray(0, bytes.length - (cut % 5 === 0 ? cut : 0)), tail]);
      for (const [at, value] of changes) if (at < copy.length) copy[at] = value;
      return copy;
    };
    await fc.assert(
      fc.asyncProperty(mutation, async ({ gzip, inside, ...how }) => {
        const bytes = gzip ? (inside ? gzipSync(spoil(whole, how)) : spoil(gzipSync(whole), how)) : spoil(whole, how);
        writeFileSync(path, bytes);
        try {
          const read = await readIdx(path, shape);
          expect(read.length).toBe(76);
          expect(Buffer.from(read.subarray(0, 16))).toEqual(whole.subarray(0, 16));
          if (!gzip) expect(Buffer.from(read)).toEqual(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(DataError);
        }
      }),
      { numRuns: 200 },
    );
  });
});

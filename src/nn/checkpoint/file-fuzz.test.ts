import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { afterAll, expect, test } from "vitest";
import { edit, edited } from "../../../test/support/edits.js";
import { deflatedZip, legacyPt, vector, zipPt } from "../../../test/support/pt-files.js";
import { scope, tensorMemory } from "../../torch/index.js";
import { DataError } from "../../util/errors.js";
import { readPt } from "./pt.js";
import { isPtTensor } from "./pt-values.js";
import { encodePt } from "./pt-write.js";
import { encodeSafetensors, type RawTensor, readSafetensors } from "./safetensors.js";
import { takeTensors } from "./tensors.js";

// The readers as commands use them: from a file, into memory that becomes tensors.
const MB = 2 ** 20;
const folder = mkdtempSync(join(tmpdir(), "s2ap-fuzz-"));
afterAll(() => rmSync(folder, { recursive: true }));
const path = join(folder, "file");

/** Every tensor of a value. */
function tensorsIn(value: unknown): RawTensor[] {
  if (isPtTensor(value)) return [value];
  if (value instanceof Map) return [...value.values()].flatMap(tensorsIn);
  return Array.isArray(value) || value instanceof Set ? [...value].flatMap(tensorsIn) : [];
}

/** Reads the file into tensors or is refused with our error, soon, and holds no more than the bound. */
function survives(bytes: Uint8Array, read: () => readonly RawTensor[]): void {
  writeFileSync(path, bytes);
  const start = performance.now();
  try {
    const raw = read();
    const held = new Set(raw.map(({ data }) => data.buffer));
    const total = [...held].reduce((sum, buffer) => sum + buffer.byteLength, 0);
    // What a file may declare at most is 20 times its size.
    expect(total).toBeLessThanOrEqual(2 * 20 * bytes.length + 64 * MB);
    scope(() => takeTensors(new Map(raw.entries())));
  } catch (error) {
    if (!(error instanceof DataError)) throw error;
    expect(error.message.length).toBeLessThan(1500);
  }
  expect(performance.now() - start).toBeLessThan(5000);
}

const survivesPt = (bytes: Uint8Array) =>
  survives(bytes, () => tensorsIn(readPt(path, { memory: tensorMemory }).value));
const survivesSafetensors = (bytes: Uint8Array) =>
  survives(bytes, () => [...readSafetensors(path, { memory: tensorMemory }).tensors.values()]);

const golden = fileURLToPath(new URL("../../../test/golden/data/pt/", import.meta.url));
const tensors = new Map<string, RawTensor>([
  ["w", { dtype: "float32", shape: [2, 300], data: new Uint8Array(2400) }],
  ["mask", { dtype: "bool", shape: [2, 3], data: new Uint8Array(6) }],
]);
const pickle = `\x80\x02](${vector(0, 600)}${vector(1, 4)}${vector(0, 600, { length: 300, stride: 2 })}e.`;
const storages = [new Uint8Array(2400), new Uint8Array(16)];
const files = [
  ...readdirSync(golden)
    .filter((name) => name.endsWith(".pt"))
    .map((name) => readFileSync(golden + name)),
  Buffer.concat(encodePt(tensors)),
  zipPt(pickle, storages, deflatedZip),
  legacyPt(pickle, storages),
];
const edits = fc.array(edit, { minLength: 1, maxLength: 4 });

test("the files that are changed can be read", () => {
  for (const bytes of files.slice(-3)) {
    writeFileSync(path, bytes);
    expect(tensorsIn(readPt(path).value).length).toBeGreaterThan(1);
  }
});

test("changed files of PyTorch, deflated and legacy ones", () => {
  fc.assert(
    fc.property(fc.constantFrom(...files), edits, fc.option(fc.nat()), (bytes, changes, cut) => {
      const changed = edited(bytes, changes);
      survivesPt(cut === null ? changed : changed.subarray(0, cut % changed.length));
    }),
    { numRuns: 600 },
  );
});

test("changed safetensors", () => {
  const sound = Buffer.concat(encodeSafetensors({ tensors, metadata: { a: "b" } }));
  fc.assert(
    fc.property(edits, (changes) => survivesSafetensors(edited(sound, changes))),
    { numRuns: 400 },
  );
});

test("any bytes behind the beginning of a format", () => {
  const starts = [0, 4, 15, 60].map((length) => files.map((bytes) => bytes.subarray(0, length)));
  fc.assert(
    fc.property(fc.constantFrom(...starts.flat()), fc.uint8Array({ maxLength: 200 }), (start, rest) => {
      const bytes = Buffer.concat([start, rest]);
      survivesPt(bytes);
      survivesSafetensors(bytes);
    }),
    { numRuns: 400 },
  );
});

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { encodePt, encodeSafetensors, type RawTensor } from "../../src/nn/index.js";
import { runScript } from "../support/child.js";
import { deflatedZip, int32, latin1, legacyPt, storage, vector, zipPt } from "../support/pt-files.js";

// Reading a checkpoint takes at most twice the size that it declares for its contents (and no less than the file's own) plus 64 MB.
const MB = 2 ** 20;
const folder = mkdtempSync(join(tmpdir(), "s2ap-memory-"));
afterAll(() => rmSync(folder, { recursive: true }));

function read(name: string, bytes: Buffer): { refused: string | null; grown: number } {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  const { stdout, stderr } = runScript("read-checkpoint.js", { args: [path] });
  rmSync(path);
  expect(stderr).toBe("");
  return JSON.parse(stdout) as { refused: string | null; grown: number };
}

const weights = (megabytes: number): Uint8Array => {
  // 12 of 32 bits are noise, as in weights that compress to a third.
  const numbers = new Uint32Array((megabytes * MB) / 4).map((_, i) => 0x3f000000 | (Math.imul(i, 0x9e3779b1) >>> 20));
  return new Uint8Array(numbers.buffer);
};
const tensors = (): Map<string, RawTensor> =>
  new Map(
    Array.from({ length: 12 }, (_, k) => [
      `layer${k}.weight`,
      { dtype: "float32", shape: [512, 64, 8, 5], data: weights(5) },
    ]),
  );
const COUNT = MB / 4;
const list = (items: readonly string[]) => `\x80\x02](${items.join("")}e.`;
const repeated = (unit: string, bytes: number) => unit.repeat(Math.floor(bytes / unit.length));

/** Files that are read: their bytes and the size of what they hold. */
const sound: readonly (readonly [string, () => Buffer, number])[] = [
  ["60 MB of weights.pt", () => Buffer.concat(encodePt(tensors())), 60 * MB],
  ["60 MB, deflated.pt", () => zipPt(list(sixty), twelve(), deflatedZip), 60 * MB],
  ["60 MB, legacy.pt", () => legacyPt(list(sixty), twelve()), 60 * MB],
  ["10,000 views of one storage.pt", () => zipPt(list(Array(10_000).fill(vector(0, COUNT))), [weights(1)]), 2 * MB],
  [
    "30 MB of text.pt",
    () => zipPt(`\x80\x02(${repeated(`X${int32(1000)}${"\xc3\xa9".repeat(500)}`, 30 * MB)}l.`),
    30 * MB,
  ],
  ["60 MB of weights.safetensors", () => Buffer.concat(encodeSafetensors({ tensors: tensors() })), 60 * MB],
];
const sixty = Array.from({ length: 12 }, (_, k) => vector(k, 5 * COUNT));
const twelve = () => Array.from({ length: 12 }, () => weights(5));

const memos = (bytes: number) => Array.from({ length: Math.floor(bytes / 6) }, (_, k) => `]r${int32(k)}`).join("");
const doubled = Array.from(
  { length: 200 },
  (_, k) => `](h${String.fromCharCode(k)}h${String.fromCharCode(k)}eq${String.fromCharCode(k + 1)}`,
);

/** Files that are refused, and why. */
const hostile: readonly (readonly [string, () => Buffer, RegExp])[] = [
  ["zip bomb.pt", () => zipPt("\x80\x02N.", [Buffer.alloc(100 * MB)], deflatedZip), /at most 20 times/],
  [
    "zip bomb that lies.pt",
    () => zipPt(list([vector(0, 25)]), [Buffer.alloc(100 * MB)], (files) => deflatedZip(files, { "a/data/0": 100 })),
    /deflated bytes|at most/,
  ],
  [
    "huge storage.pt",
    () => zipPt(list([vector(0, 0x7fffffff)]), [weights(1)]),
    /bytes, as its 2147483647 elements need/,
  ],
  ["huge storage, legacy.pt", () => legacyPt(list([storage(0, 0x7fffffff)])), /storages within its/],
  [
    "views that are copies.pt",
    () => zipPt(list(Array(2000).fill(vector(0, COUNT, { length: COUNT / 2, stride: 2 }))), [weights(1)]),
    /values that need at most/,
  ],
  [
    "an expanded element.pt",
    () => zipPt(list([vector(0, COUNT, { length: 0x7fffffff, stride: 0 })]), [weights(1)]),
    /values that need at most/,
  ],
  [
    "nested lists.pt",
    () => zipPt(`\x80\x02${repeated("]", 8 * MB)}${repeated("a", 8 * MB - 1)}.`),
    /need at most|deep/,
  ],
  ["open marks.pt", () => zipPt(`\x80\x02${repeated("(", 8 * MB)}.`), /open marks/],
  ["lists in the memo.pt", () => zipPt(`\x80\x02${memos(12 * MB)}.`), /values that need at most/],
  ["lists that hold each other.pt", () => zipPt(`\x80\x02]q\0${doubled.join("")}.`), /one value|deep|written out/],
  ["dicts, legacy.pt", () => legacyPt(`\x80\x02${repeated("}", 16 * MB)}.`), /values that need at most/],
  [
    "a header of tensors of nothing.safetensors",
    () => header((k) => `"${k}":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}`, 16 * MB),
    /values that need at most/,
  ],
  [
    "a header of long shapes.safetensors",
    () => header((k) => `"${k}":{"dtype":"F32","shape":[${"0,".repeat(63)}0],"data_offsets":[0,0]}`, 16 * MB),
    /values that need at most/,
  ],
  [
    "a header of metadata.safetensors",
    () => header((k) => `"${k}":""`, 16 * MB, '{"__metadata__":{', "}}"),
    /values that need at most/,
  ],
  [
    "a header that says terabytes.safetensors",
    () => header(() => '"a":{"dtype":"F32","shape":[1099511627776],"data_offsets":[0,4398046511104]}', 60),
    /whole number|begin at|end by/,
  ],
];

function header(field: (k: number) => string, bytes: number, open = "{", close = "}"): Buffer {
  const fields: string[] = [];
  for (let size = 0, k = 0; size < bytes; k++) {
    fields.push(field(k));
    size += (fields[k] as string).length + 1;
  }
  const text = latin1(`${open}${fields.join(",")}${close}`);
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([prefix, text]);
}

describe("memory while a checkpoint is read", () => {
  test.each(sound)("%s is read within the bound", (name, make, declared) => {
    const { refused, grown } = read(name, make());
    expect(refused).toBe(null);
    expect(grown).toBeLessThan(2 * declared + 64 * MB);
    if (declared === 60 * MB) expect(grown).toBeGreaterThan(50 * MB);
  });

  test.each(hostile)("%s stays within the bound", (name, make, reason) => {
    const bytes = make();
    const { refused, grown } = read(name, bytes);
    expect(grown).toBeLessThan(2 * bytes.length + 64 * MB);
    expect(refused ?? "read").toMatch(reason);
  });
});

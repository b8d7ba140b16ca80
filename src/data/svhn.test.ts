// SVHN from MATLAB files that SciPy wrote; pixels and labels are formulas of the index (test/golden/data/mat/make.py).
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { afterAll, afterEach, beforeEach, describe, expect, test } from "vitest";
import { type MatArray, matFileBytes } from "../../test/support/mat5.js";
import { liveTensors } from "../torch/index.js";
import { DataError, sha256 } from "../util/index.js";
import type { ResidentDataset, Splits } from "./dataset.js";
import { datasets } from "./registry.js";
import { type SvhnEnvironment, svhn } from "./svhn.js";

const root = mkdtempSync(join(tmpdir(), "s2ap-svhn-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const golden = fileURLToPath(new URL("../../test/golden/data/mat/svhn", import.meta.url));
const names = ["train_32x32.mat", "test_32x32.mat", "extra_32x32.mat"];
const published = Object.fromEntries(names.map((name) => [name, sha256(readFileSync(join(golden, name)))]));
const few = { selection: 10, batchSize: 16 };
let live = 0;
beforeEach(() => {
  live = liveTensors();
});
afterEach(() => expect(liveTensors()).toBe(live));

function free({ train, test: held }: Splits): void {
  for (const { images, labels } of [train.dataset, held.dataset]) {
    images?.dispose();
    labels.dispose();
  }
}

/** A folder with copies of some of the files. */
function folderWith(name: string, files: readonly string[]): string {
  const folder = join(root, name);
  mkdirSync(folder, { recursive: true });
  for (const file of files) copyFileSync(join(golden, file), join(folder, file));
  return folder;
}

/** The pixels of `count` images as make.py has them, [N,3,32,32]. */
function pixels(count: number): Uint8Array {
  const all = new Uint8Array(count * 3072);
  for (let i = 0; i < all.length; i++) {
    const [n, channel, row, column] = [Math.floor(i / 3072), Math.floor(i / 1024) % 3, Math.floor(i / 32) % 32, i % 32];
    all[i] = (7 * n + 5 * row + 3 * column + 50 * channel) % 256;
  }
  return all;
}

const digits = (count: number) => Array.from({ length: count }, (_, n) => n % 10);

function expectImages({ images, labels }: ResidentDataset, ...counts: number[]): void {
  const wanted = Buffer.concat(counts.map(pixels));
  const length = counts.reduce((sum, count) => sum + count, 0);
  expect(images.shape).toEqual([length, 3, 32, 32]);
  expect(images.dtype).toBe("uint8");
  expect(Buffer.from(images.toArray() as Uint8Array).equals(wanted)).toBe(true);
  expect(Array.from(labels.toArray() as BigInt64Array, Number)).toEqual(counts.flatMap(digits));
}

const environment = (cache: string): SvhnEnvironment => ({ cache, published });

describe("svhn", () => {
  test("is read from a folder as it was written, 10 being the digit 0", async () => {
    const told: string[] = [];
    const splits = await svhn({ source: golden, ...few, onProgress: (line) => told.push(line) }, environment("none"));
    expectImages(splits.train.dataset, 80);
    expectImages(splits.test.dataset, 30);
    expect([splits.train.length, splits.selection.length, splits.test.length]).toEqual([70, 10, 30]);
    expect(splits.train.dataset).toMatchObject({ numClasses: 10, source: { kind: "folder", location: golden } });
    expect(splits.train.dataset.classNames[0]).toBe("0");
    expect(told).toEqual([`svhn: 80 training and 30 test images from ${golden}`]);
    free(splits);
  });

  test("has the images of extra behind the others, when it is asked to", async () => {
    const splits = await svhn({ source: golden, ...few, includeExtra: true }, environment("none"));
    expectImages(splits.train.dataset, 80, 20);
    expectImages(splits.test.dataset, 30);
    free(splits);
  });

  test("is read from the cache folder, where it must be the published one", async () => {
    const cache = folderWith("cache", names.slice(0, 2));
    const splits = await svhn(few, environment(cache));
    expect(splits.train.dataset.source).toMatchObject({ kind: "cache", location: cache });
    free(splits);
    copyFileSync(join(golden, "extra_32x32.mat"), join(cache, "test_32x32.mat"));
    const wrong = svhn(few, environment(cache));
    await expect(wrong).rejects.toThrow(
      /test_32x32.mat: expected the published file \(SHA-256 .*get it again from http/,
    );
  });

  test("tells of files that are not the published ones", async () => {
    const told: string[] = [];
    const splits = await svhn({ source: golden, ...few, onProgress: (line) => told.push(line) });
    expect(told[0]).toBe(`svhn: ${join(golden, "train_32x32.mat")} is not the published file; it is used as it is`);
    expect(told).toHaveLength(3);
    free(splits);
  });

  test("says what to put where", async () => {
    const cache = join(root, "nothing");
    const message = `svhn: ${cache}: expected train_32x32.mat and test_32x32.mat, got "none of them"; get train_32x32.mat and test_32x32.mat from http://ufldl.stanford.edu/housenumbers/ and put them there, or name their folder with the option source`;
    await expect(svhn({}, environment(cache))).rejects.toThrow(message);
    const source = folderWith("half", names.slice(0, 1));
    const half = `svhn: ${source}: expected train_32x32.mat and test_32x32.mat, got "no test_32x32.mat"; get them from http`;
    await expect(svhn({ source }, environment(cache))).rejects.toThrow(half);
  });

  test("is a data set of recipes", async () => {
    const row = datasets.get("svhn");
    const options = row.options.parse({ source: golden, ...few });
    const splits = await row.create(options, { offline: true });
    expect(splits.train.length).toBe(70);
    free(splits);
  });

  test("refuses to hold out more than there is, before it makes a tensor", async () => {
    await expect(svhn({ source: golden, selection: 80 })).rejects.toThrow("selection to be a whole number in [0, 79]");
  });
});

const images: MatArray = { name: "X", classOf: 9, shape: [32, 32, 3, 2], type: 2, values: pixels(2) };
const labels: MatArray = { name: "y", classOf: 9, shape: [2, 1], type: 2, values: Uint8Array.of(10, 1) };

test.each([
  ["images of floats", { ...images, classOf: 6 }, labels, "X: expected uint8 [32,32,3,N] with N > 0, got double"],
  ["other extents", { ...images, shape: [32, 3, 32, 2] }, labels, "X: expected uint8 [32,32,3,N]"],
  [
    "fewer labels",
    images,
    { ...labels, shape: [1, 1], values: Uint8Array.of(1) },
    "y: expected 2 labels, one an image",
  ],
  ["a label 0", images, { ...labels, values: Uint8Array.of(1, 0) }, "y: expected whole numbers from 1 to 10"],
  ["a label 11", images, { ...labels, values: Uint8Array.of(11, 1) }, "y: expected whole numbers from 1 to 10"],
  ["a table of labels", images, { ...labels, shape: [2, 1, 1] }, "y: expected labels [N,1]"],
  ["no labels", images, { ...labels, name: "z" }, "expected the arrays X and y"],
])("a file with %s is refused", async (_, x, y, message) => {
  const source = folderWith("wrong", names);
  writeFileSync(join(source, "train_32x32.mat"), matFileBytes([x, y]));
  const error = await svhn({ source, ...few }).catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(DataError);
  expect((error as DataError).message.replaceAll('"', "")).toContain(message);
});

test("a file with a single image, whose last extent MATLAB leaves out", async () => {
  const source = folderWith("single", names);
  const one = [
    { ...images, shape: [32, 32, 3], values: new Uint8Array(3072) },
    { ...labels, shape: [1, 1], values: Uint8Array.of(10) },
  ];
  writeFileSync(join(source, "test_32x32.mat"), matFileBytes(one));
  const splits = await svhn({ source, ...few });
  expect(splits.test.length).toBe(1);
  free(splits);
});

test("a file with changed bytes is read or refused", async () => {
  const original = readFileSync(join(golden, "test_32x32.mat"));
  const source = folderWith("fuzzed", names);
  const changes = fc.array(fc.tuple(fc.nat(original.length - 1), fc.nat(255)), { minLength: 1, maxLength: 3 });
  await fc.assert(
    fc.asyncProperty(changes, async (changed) => {
      const bytes = Buffer.from(original);
      for (const [at, value] of changed) bytes[at] = value;
      writeFileSync(join(source, "test_32x32.mat"), bytes);
      try {
        const splits = await svhn({ source, ...few });
        // What passes zlib's checksum is the original.
        expectImages(splits.test.dataset, 30);
        free(splits);
      } catch (error) {
        if (!(error instanceof DataError)) throw error;
      }
    }),
    { numRuns: 100 },
  );
});

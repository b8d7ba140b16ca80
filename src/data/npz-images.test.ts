// Images of one's own from .npz and .npy files: names, orders of extents and test sets as they are found, never guessed in silence.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeEach, describe, expect, test } from "vitest";
import { npy, zip } from "../../test/support/npz.js";
import { liveTensors } from "../torch/index.js";
import { DataError, UsageError } from "../util/index.js";
import type { ResidentDataset, Splits } from "./dataset.js";
import { npzImages } from "./npz-images.js";
import { datasets } from "./registry.js";

const root = mkdtempSync(join(tmpdir(), "s2ap-npz-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let live = 0;
beforeEach(() => {
  live = liveTensors();
});
afterEach(() => expect(liveTensors()).toBe(live));

const few = { selection: 2, batchSize: 4 };

/** Pixels whose value tells image, channel, row and column: of shape [count,4,5,3] or, channels first, [count,3,4,5]. */
const value = (n: number, c: number, y: number, x: number) => (61 * n + 20 * c + 5 * y + x) % 256;
function pixels(count: number, order: "NHWC" | "NCHW", from = 0): Uint8Array {
  const all: number[] = [];
  const each = (length: number, use: (at: number) => void) => Array.from({ length }, (_, at) => use(at));
  each(count, (n) => {
    if (order === "NCHW") each(3, (c) => each(4, (y) => each(5, (x) => all.push(value(n + from, c, y, x)))));
    else each(4, (y) => each(5, (x) => each(3, (c) => all.push(value(n + from, c, y, x)))));
  });
  return Uint8Array.from(all);
}

const images = (count: number, from = 0) => npy("|u1", [count, 4, 5, 3], pixels(count, "NHWC", from));
const labels = (...values: number[]) => npy("|u1", [values.length], Uint8Array.from(values));
const six = labels(0, 1, 2, 0, 1, 2);
const keras = {
  "x_train.npy": images(6),
  "y_train.npy": six,
  "x_test.npy": images(3, 6),
  "y_test.npy": labels(2, 1, 0),
};

function archive(files: Readonly<Record<string, Buffer>>, called = "file.npz"): string {
  const path = join(root, called);
  writeFileSync(path, zip(files, true));
  return path;
}

function folderOf(files: Readonly<Record<string, Buffer>>): string {
  const path = mkdtempSync(join(root, "folder-"));
  for (const [name, bytes] of Object.entries(files)) writeFileSync(join(path, name), bytes);
  return path;
}

function free({ train, test: held }: Splits): void {
  for (const dataset of [train.dataset, held.dataset]) {
    dataset.images?.dispose();
    dataset.labels.dispose();
  }
}

/** Loads, hands to `look`, frees. */
async function load(
  options: Parameters<typeof npzImages>[0],
  look: (splits: Splits<ResidentDataset>) => void,
): Promise<void> {
  const splits = await npzImages({ ...few, ...options });
  try {
    look(splits);
  } finally {
    free(splits);
  }
}

/** The images are those of the numbers `at`. */
function expectImages(
  { dataset }: Splits<ResidentDataset>["train"],
  at: readonly number[],
  classes: readonly number[],
): void {
  const wanted = at.flatMap((n) => [...pixels(1, "NCHW", n)]);
  expect(dataset.images.shape).toEqual([at.length, 3, 4, 5]);
  expect(dataset.images.dtype).toBe("uint8");
  expect(dataset.images.toNumbers()).toEqual(wanted);
  expect(dataset.labels.toNumbers()).toEqual(classes);
}

describe.each([
  ["an archive", archive],
  ["a folder", folderOf],
] as const)("%s", (_, write) => {
  test("with the names of Keras has its own test set", async () => {
    const told: string[] = [];
    const path = write(keras);
    await load({ path, onProgress: (line) => told.push(line) }, (splits) => {
      expectImages(splits.train, [0, 1, 2, 3, 4, 5], [0, 1, 2, 0, 1, 2]);
      expectImages(splits.test, [6, 7, 8], [2, 1, 0]);
      expect([splits.train.length, splits.selection.length, splits.test.length]).toEqual([4, 2, 3]);
      expect(splits.train.dataset).toMatchObject({ numClasses: 3, source: { kind: "npz", location: path } });
    });
    expect(told).toEqual([`npz: 6 training and 3 test images of [3,4,5] from ${path}; of each class 2, 2, 2`]);
  });

  test("with channels first, columns of labels of 8 bytes and other names", async () => {
    const column = npy("<i8", [6, 1], new Uint8Array(BigInt64Array.of(0n, 1n, 2n, 0n, 1n, 3n).buffer));
    const first = npy("|u1", [6, 3, 4, 5], pixels(6, "NCHW"));
    const path = write({ "a.npy": first, "b.npy": column, "c.npy": images(3, 6), "d.npy": labels(2, 1, 0) });
    const names = { images: "a", labels: "b", testImages: "c", testLabels: "d" };
    await load({ path, ...names }, (splits) => {
      expectImages(splits.train, [0, 1, 2, 3, 4, 5], [0, 1, 2, 0, 1, 3]);
      expectImages(splits.test, [6, 7, 8], [2, 1, 0]);
      expect(splits.test.dataset.numClasses).toBe(4);
    });
  });

  test("and another for the test set", async () => {
    const path = write({ "image.npy": images(6), "label.npy": six });
    const testPath = folderOf({ "images.npy": images(2, 6), "labels.npy": labels(1, 1) });
    await load({ path, testPath }, (splits) => {
      expectImages(splits.test, [6, 7], [1, 1]);
      expect(splits.test.dataset.source.location).toBe(`${path} and ${testPath}`);
    });
  });
});

test("a share is held out when it is asked for: the same images each time, none of them in training", async () => {
  const path = archive({ "image.npy": images(6), "label.npy": six });
  const told: string[] = [];
  const seen: number[][] = [];
  for (let time = 0; time < 2; time++) {
    await load(
      { path, testShare: 0.34, selection: 1, onProgress: (line) => told.push(line) },
      ({ train, test: held }) => {
        const firsts = [train, held].map(({ dataset }) => {
          const bytes = dataset.images.toNumbers();
          return Array.from({ length: dataset.length }, (_, n) => bytes[n * 60] as number);
        });
        expect(firsts.map(({ length }) => length)).toEqual([4, 2]);
        expect(firsts.flat().sort()).toEqual([0, 1, 2, 3, 4, 5].map((n) => value(n, 0, 0, 0)).sort());
        for (const [k, { dataset }] of [train, held].entries()) {
          const wanted = firsts[k]?.map(
            (pixel) => [0, 1, 2, 3, 4, 5].findIndex((n) => value(n, 0, 0, 0) === pixel) % 3,
          );
          expect(dataset.labels.toNumbers()).toEqual(wanted);
        }
        seen.push(firsts.flat());
      },
    );
  }
  expect(seen[0]).toEqual(seen[1]);
  expect(told[0]).toContain("npz: 4 training and 2 test images (held out) of [3,4,5]");
});

test("grey images without a channel get one", async () => {
  const path = archive({
    "x_train.npy": npy(
      "|u1",
      [2, 4, 4],
      Uint8Array.from({ length: 32 }, (_, i) => i),
    ),
    "y_train.npy": labels(0, 1),
    "x_test.npy": npy("|u1", [1, 4, 4, 1], new Uint8Array(16)),
    "y_test.npy": labels(1),
  });
  await load({ path, selection: 0 }, ({ train, test: held }) => {
    expect(train.dataset.images.shape).toEqual([2, 1, 4, 4]);
    expect(train.dataset.images.toNumbers()).toEqual(Array.from({ length: 32 }, (_, i) => i));
    expect(held.dataset.images.shape).toEqual([1, 1, 4, 4]);
  });
});

test("an order that the shape does not tell is told by an option", async () => {
  const path = archive({ "image.npy": npy("|u1", [2, 3, 4, 3], new Uint8Array(72)), "label.npy": labels(0, 1) });
  const options = { path, testShare: 0.5, selection: 0, augment: false };
  await expect(npzImages(options)).rejects.toThrow("say which with the option layout");
  await load({ ...options, layout: "NHWC" }, ({ train }) => expect(train.dataset.images.shape).toEqual([1, 3, 3, 4]));
  await load({ ...options, layout: "NCHW" }, ({ train }) => expect(train.dataset.images.shape).toEqual([1, 3, 4, 3]));
});

test("a file that NumPy wrote is a data set of recipes", async () => {
  const path = fileURLToPath(new URL("../../test/golden/data/extra-deflated.npz", import.meta.url));
  const row = datasets.get("npz");
  const splits = await row.create(row.options.parse({ path, testShare: 0.5, selection: 1, batchSize: 2 }), {});
  expect([splits.train.length, splits.selection.length, splits.test.length]).toEqual([2, 1, 3]);
  free(splits);
});

const { "x_test.npy": _, "y_test.npy": __, ...noTest } = keras;
const wrong: readonly (readonly [
  string,
  Readonly<Record<string, Buffer>>,
  object,
  typeof DataError | typeof UsageError,
  string,
])[] = [
  [
    "no test set",
    noTest,
    {},
    DataError,
    "expected a test set (x_test and y_test), got x_train, y_train; name its arrays",
  ],
  ["two test sets", keras, { testShare: 0.1 }, UsageError, "npz: expected no testShare, as the file has a test set"],
  [
    "a share and names",
    keras,
    { testShare: 0.1, testImages: "a", testLabels: "b" },
    UsageError,
    "npz: expected one test set",
  ],
  ["half a pair of names", keras, { images: "x_train" }, UsageError, "npz: expected images and labels together"],
  ["names that are not there", keras, { images: "p", labels: "q" }, DataError, "expected arrays p and q, got x_train,"],
  ["no images", { "a.npy": six }, {}, DataError, "name the arrays with the options images and labels"],
  [
    "more labels than images",
    { ...keras, "y_test.npy": six },
    {},
    DataError,
    "y_test: expected 3 labels, one an image, got 6",
  ],
  [
    "a test set of another shape",
    { ...keras, "x_test.npy": npy("|u1", [3, 4, 4, 3], new Uint8Array(144)) },
    {},
    DataError,
    "x_test: expected images [C,H,W] of [3,4,5], got [3,4,4]",
  ],
  ["a label that is no class", keras, { numClasses: 2 }, DataError, "y_train: expected classes in [0, 1], got 2 at 2"],
  [
    "labels that are no classes",
    { ...keras, "y_train.npy": npy("<u2", [6], new Uint8Array(12).fill(255)) },
    {},
    DataError,
    "y_train: expected classes below 10000, got 65535",
  ],
  [
    "floats",
    { ...keras, "x_train.npy": npy("<f4", [6, 4, 5, 3], new Uint8Array(1440)) },
    {},
    DataError,
    "x_train: expected whole numbers",
  ],
  [
    "wide pixels",
    { ...keras, "x_train.npy": npy("<i2", [6, 4, 5, 3], new Uint8Array(720)) },
    {},
    DataError,
    "got int16 [6,4,5,3]",
  ],
  [
    "fewer images than are held out",
    keras,
    { selection: 6 },
    UsageError,
    "npz: expected selection to be a whole number in [0, 5]",
  ],
  [
    "one image to share",
    { "image.npy": images(1), "label.npy": labels(0) },
    { testShare: 0.5, selection: 0 },
    DataError,
    "two or more labels",
  ],
];

test.each(wrong)("refused: %s", async (_what, files, options, kind, message) => {
  const error = await npzImages({ ...few, path: archive(files), ...options }).catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(kind);
  expect((error as Error).message.replaceAll('"', "")).toContain(message);
});

test("refused: no file, an empty folder, an array cut short", async () => {
  await expect(npzImages({ path: join(root, "none.npz") })).rejects.toMatchObject({ code: "data/missing" });
  const empty = join(root, "empty");
  mkdirSync(empty);
  await expect(npzImages({ path: empty })).rejects.toThrow('got "none"');
  const cut = folderOf({ ...keras, "x_train.npy": images(6).subarray(0, 300) });
  await expect(npzImages({ path: cut, ...few })).rejects.toThrow("x_train.npy: expected 360 bytes of values");
});

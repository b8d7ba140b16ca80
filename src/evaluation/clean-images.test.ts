import { mkdtempSync, rmSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { type Dataset, describedImages } from "../data/index.js";
import { loadTensors, saveTensors } from "../nn/index.js";
import { liveTensors, ops, scope, type Tensor, tensor } from "../torch/index.js";
import { DataError } from "../util/index.js";
import { changedCleanImages, cleanPath, saveCleanImages } from "./clean-images.js";

const folder = mkdtempSync(join(tmpdir(), "s2ap-clean-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
beforeEach(() => rmSync(cleanPath(folder), { force: true }));

const shape = [2, 2, 3] as const;
const size = 12;
const pixel = (image: number, at: number) => (image * 31 + at * 5) % 256;
const bytes = Uint8Array.from({ length: 300 * size }, (_, i) => pixel(Math.floor(i / size), i % size));
const labels = tensor(BigInt64Array.from({ length: 300 }, (_, i) => BigInt(i % 7)));

function dataset(images: Tensor): Dataset {
  return {
    ...{ name: "made", images, labels, length: 300, numClasses: 7, classNames: [] },
    source: { kind: "folder", location: "made", sha256: "ab" },
  };
}
const byBytes = dataset(tensor(bytes, [300, ...shape]));
/** As data sets that are decoded give their images. */
const channelsLast: Dataset = {
  ...dataset(byBytes.images as Tensor),
  images: undefined,
  decoded: {
    shape,
    ahead: 0,
    ask: () => undefined,
    take: (at) =>
      scope(() =>
        ops.contiguous(ops.indexSelect(byBytes.images as Tensor, 0, tensor(at)), { memoryFormat: "channels_last" }),
      ),
  },
};
const byFloats = dataset(ops.div(byBytes.images as Tensor, 255));

/** Every second image, backwards: no order that the data set has. */
const claims = Array.from({ length: 140 }, (_, i) => ({ index: 299 - 2 * i, label: (299 - 2 * i) % 7 }));

function kept() {
  const { tensors, metadata } = loadTensors(cleanPath(folder));
  const [images, indices, labels] = ["images", "indices", "labels"].map((name) => tensors.get(name) as Tensor);
  if (images === undefined) throw new Error("no images");
  return { images, indices: indices?.toNumbers(), labels: labels?.toNumbers(), metadata };
}

describe("clean images of a record", () => {
  test.each([
    ["bytes", byBytes],
    ["decoded", channelsLast],
    ["floats", byFloats],
  ])("are those of the data set, in the order of the evaluation: %s", (_, data) => {
    const before = liveTensors();
    saveCleanImages(folder, data, claims);
    expect(liveTensors()).toBe(before);
    const { images, indices, labels, metadata } = kept();
    expect([images.shape, images.dtype]).toEqual([[140, ...shape], data === byFloats ? "float32" : "uint8"]);
    expect(indices).toEqual(claims.map(({ index }) => index));
    expect(labels).toEqual(claims.map(({ label }) => label));
    expect(metadata.data).toBe("ab");
    const scale = data === byFloats ? 255 : 1;
    const wanted = claims.flatMap(({ index }) => Array.from({ length: size }, (_, at) => pixel(index, at)));
    expect(images.toNumbers().map((value) => Math.round(value * scale))).toEqual(wanted);
    expect(changedCleanImages(folder, data)).toEqual([]);
  });

  test("are as many as fit, none included, and the file can be attacked again", () => {
    saveCleanImages(folder, byBytes, claims, 5 * size + size - 1);
    expect(kept().indices).toEqual([299, 297, 295, 293, 291]);
    const again = describedImages(cleanPath(folder), { inputShape: shape, numClasses: 7 });
    expect(again.dataset.labels.toNumbers()).toEqual(claims.slice(0, 5).map(({ label }) => label));
    saveCleanImages(folder, byBytes, claims, size - 1);
    expect(kept().images.shape).toEqual([0, ...shape]);
    expect(changedCleanImages(folder, byBytes)).toEqual([]);
  });

  test("that are not the data set's are found, and nothing where none are kept", () => {
    expect(changedCleanImages(folder, byBytes)).toEqual([]);
    saveCleanImages(folder, byBytes, claims);
    const images = ops.clone(byBytes.images as Tensor);
    for (const image of [295, 23, 24]) ops.add_(ops.select(ops.select(images, 0, image), 0, 1), 1);
    // Image 24 is none of the record's.
    expect(changedCleanImages(folder, dataset(images))).toEqual([295, 23]);
    expect(changedCleanImages(folder, byFloats)).toEqual(claims.map(({ index }) => index));
  });

  test("of a damaged file, or of positions that the data set has not, are an error", () => {
    saveCleanImages(folder, byBytes, claims);
    const { images } = kept();
    const indices = tensor(BigInt64Array.from({ length: 140 }, (_, i) => BigInt(i + 200)));
    saveTensors(
      cleanPath(folder),
      new Map([
        ["images", images],
        ["indices", indices],
      ]),
    );
    expect(() => changedCleanImages(folder, byBytes)).toThrow("expected images and their indices");
    truncateSync(cleanPath(folder), 200);
    expect(() => changedCleanImages(folder, byBytes)).toThrow(DataError);
  });
});

import { afterEach, describe, expect, test } from "vitest";
import { lazySplit } from "../../test/support/lazy-split.js";
import { liveTensors, type Tensor, tensor } from "../torch/index.js";
import { classCounts, labelsOf } from "./class-counts.js";
import type { Dataset } from "./dataset.js";
import { checkImages } from "./image-checks.js";
import { split } from "./loader.js";

const made: Tensor[] = [];
afterEach(() => {
  for (const each of made.splice(0)) each.dispose();
});

/** Images of 1 x 2 x 2 from their four bytes. */
function dataset(images: readonly (readonly number[])[], labels: readonly number[], numClasses = 3): Dataset {
  const pixels = tensor(Uint8Array.from(images.flat()), [images.length, 1, 2, 2]);
  const classes = tensor(BigInt64Array.from(labels, BigInt));
  made.push(pixels, classes);
  return {
    name: "few",
    images: pixels,
    labels: classes,
    length: images.length,
    numClasses,
    classNames: ["a", "b", "c"],
    source: { kind: "generated", location: "", sha256: "" },
  };
}

const at = (...positions: readonly number[]) => Int32Array.from(positions);

describe("class counts", () => {
  test("are those of the split, not of the whole data set", () => {
    const all = dataset(new Array(5).fill([0, 1, 2, 3]), [0, 2, 2, 0, 1]);
    const part = split(all, at(0, 1, 2));
    expect(labelsOf(part)).toEqual([0, 2, 2]);
    expect(classCounts(part)).toEqual({ counts: [1, 0, 2], strays: [] });
    expect(classCounts(lazySplit(part))).toEqual({ counts: [1, 0, 2], strays: [] });
  });

  test("name labels that are no class by their place in the data set", () => {
    const all = dataset(new Array(4).fill([0, 1, 2, 3]), [0, 3, -1, 2]);
    expect(classCounts(split(all, at(1, 2, 3)))).toEqual({
      counts: [0, 0, 1],
      strays: [
        { position: 1, label: 3 },
        { position: 2, label: -1 },
      ],
    });
  });
});

describe("a look at every image", () => {
  const [a, b, c, flat] = [
    [1, 2, 3, 4],
    [1, 2, 3, 5],
    [9, 2, 3, 5],
    [7, 7, 7, 7],
  ] as const;

  test("finds images of one value, and test images that are in train or selection", () => {
    const train = dataset([a, flat, b, c], [0, 1, 2, 0]);
    const test = dataset([[1, 2, 4, 3], c, b, flat, [0, 0, 0, 0]], [0, 0, 2, 1, 1]);
    const parts = {
      train: lazySplit(split(train, at(1, 2))),
      selection: lazySplit(split(train, at(0, 3))),
      test: lazySplit(split(test, at(0, 1, 2, 3, 4))),
    };
    const told: number[][] = [];
    const before = liveTensors();
    const found = checkImages(parts, { onProgress: (...numbers) => told.push(numbers) });
    expect(liveTensors()).toBe(before);
    expect(found).toEqual({
      images: 9,
      flat: { train: [1], selection: [], test: [3, 4] },
      leaked: [
        { test: 1, train: 3 },
        { test: 2, train: 2 },
        { test: 3, train: 1 },
      ],
    });
    expect(told).toEqual([
      [2, 9],
      [4, 9],
      [9, 9],
    ]);
  });

  test("goes by in batches and takes an empty selection", () => {
    const images = Array.from({ length: 150 }, (_, i) => [i, 0, 0, 1]);
    const train = dataset(
      images,
      images.map(() => 0),
    );
    const test = dataset([[149, 0, 0, 1]], [0]);
    const range = Int32Array.from({ length: 150 }, (_, i) => i);
    const parts = { train: split(train, range), selection: split(train, at()), test: split(test, at(0)) };
    const told: number[] = [];
    const found = checkImages(parts, { onProgress: (done) => told.push(done) });
    expect(found.leaked).toEqual([{ test: 0, train: 149 }]);
    expect(told).toEqual([64, 128, 150, 151]);
  });
});

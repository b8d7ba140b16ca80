import { expect, test } from "vitest";
import { dataWarnings } from "./data-warnings.js";

const classNames = ["cat", "dog"];
const good = { counts: [3, 2], strays: [] };
const counts = { train: good, selection: good, test: good };

test("a sound data set gets none", () => {
  const findings = { images: 15, flat: { train: [], selection: [], test: [] }, leaked: [] };
  expect(dataWarnings({ classNames, counts, findings })).toEqual([]);
  expect(dataWarnings({ classNames, counts })).toEqual([]);
});

test("empty classes, of training and test images only", () => {
  const none = { counts: [0, 4], strays: [] };
  const few = { train: none, selection: none, test: { counts: [0, 0, 0], strays: [] } };
  expect(dataWarnings({ classNames, counts: few })).toEqual([
    "train: no image of cat",
    "test: no image of cat, dog, 2",
  ]);
});

test("labels that are no class, images of one value, and test images that were trained on", () => {
  const strays = Array.from({ length: 7 }, (_, position) => ({ position, label: 9 }));
  const findings = {
    images: 15,
    flat: { train: [4], selection: [], test: [1, 2] },
    leaked: [{ test: 5, train: 80 }],
  };
  expect(dataWarnings({ classNames, counts: { ...counts, test: { counts: [3, 2], strays } }, findings })).toEqual([
    "test: 7 images with a label that is no class in [0, 1]: 9 at 0, 9 at 1, 9 at 2, 9 at 3, 9 at 4 and 2 more",
    "train: 1 image all of one value, at 4",
    "test: 2 images all of one value, at 1, 2",
    "test: 1 image equal, byte for byte, to training images (test = training): 5 = 80; accuracy on them is not on unseen images",
  ]);
});

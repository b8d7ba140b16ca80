import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { saveTensors } from "../nn/index.js";
import { type DType, ops, type Tensor, tensor } from "../torch/index.js";
import { describedImages } from "./described-images.js";
import { split as cut } from "./loader.js";

const folder = mkdtempSync(join(tmpdir(), "s2ap-images-"));
afterAll(() => rmSync(folder, { recursive: true }));

const network = { inputShape: [1, 2, 2], numClasses: 3 };
const images = (values: readonly number[], dtype: DType) => tensor(values, [2, 1, 2, 2], { dtype });
const bytes = images([0, 51, 102, 255, 1, 2, 3, 4], "uint8");
const labels = tensor([0, 2], [2], { dtype: "int64" });

function file(tensors: Readonly<Record<string, Tensor>>): string {
  const path = join(folder, "inputs.safetensors");
  saveTensors(path, new Map(Object.entries(tensors)));
  return path;
}

test("bytes are divided by 255, floats are taken as they are", () => {
  const split = describedImages(file({ images: bytes, labels }), network);
  const { x, y, size } = split.ordered(0, 5);
  expect([size, split.dataset.name, split.dataset.source.sha256.length]).toEqual([2, "inputs.safetensors", 64]);
  expect(y.toNumbers()).toEqual([0, 2]);
  const floats = describedImages(file({ images: ops.div(ops.to(bytes, "float32"), 255), labels }), network);
  expect(floats.ordered(0, 2).x.toNumbers()).toEqual(x.toNumbers());
  // A part of it, as evaluations take it, is divided no more than the whole.
  expect(cut(floats.dataset, Int32Array.of(1)).ordered(0, 1).x.toNumbers()).toEqual(x.toNumbers().slice(4));
  expect(floats.ordered(1, 1).y.toNumbers()).toEqual([2]);
  expect(x.toNumbers()[1]).toBeCloseTo(0.2, 7);
});

test("labels of any whole type are taken", () => {
  const split = describedImages(file({ images: bytes, labels: ops.to(labels, "uint8") }), network);
  expect(split.dataset.labels.dtype).toBe("int64");
});

test.each<[string, Record<string, Tensor>, RegExp]>([
  ["0..255 as floats", { images: ops.to(bytes, "float32"), labels }, /divided by 255.*values from 0 to 255/],
  ["normalised floats", { images: images([0, 0, 0, 0, 0, 0, 0, -0.5], "float32"), labels }, /from -0.5 to 0/],
  ["NaN", { images: images([0, 0, 0, 0, 0, 0, 0, Number.NaN], "float32"), labels }, /NaN or infinity/],
  ["floats cast to bytes", { images: ops.to(ops.gt(bytes, 50), "uint8"), labels }, /value \/ 255.*values from 0 to 1/],
  ["whole numbers", { images: ops.to(bytes, "int64"), labels }, /uint8, or floats.*int64/],
  ["another shape", { images: tensor([0, 0], [1, 1, 2, 1], { dtype: "uint8" }), labels }, /\[N,1,2,2\].*\[1,1,2,1\]/],
  ["no labels", { images: bytes }, /images and labels.*"images"/],
  ["float labels", { images: bytes, labels: ops.to(labels, "float32") }, /whole numbers.*float32/],
  ["too few labels", { images: bytes, labels: tensor([0], [1], { dtype: "int64" }) }, /shape \[2\].*\[1\]/],
  ["labels beyond the classes", { images: bytes, labels: tensor([0, 3], [2], { dtype: "int64" }) }, /0 to 2.*0 to 3/],
  ["labels below zero", { images: bytes, labels: tensor([-1, 2], [2], { dtype: "int64" }) }, /from -1 to 2/],
])("%s are refused", (_, tensors, message) => {
  expect(() => describedImages(file(tensors), network)).toThrow(message);
  expect(() => describedImages(file(tensors), network)).toThrow(expect.objectContaining({ name: "DataError" }));
});

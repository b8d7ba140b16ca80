// What a finished record is good for: anyone can check it, and its points are tried on other networks.
import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { linf } from "../../src/attacks/index.js";
import { describedImages, type Split } from "../../src/data/index.js";
import {
  type AttackListOptions,
  attackList,
  buildAttacks,
  loadAdversarial,
  type Robustness,
  verifyRecord,
} from "../../src/evaluation/index.js";
import type { Model } from "../../src/models/index.js";
import { loadTensors, saveTensors } from "../../src/nn/index.js";
import { ops, type Tensor } from "../../src/torch/index.js";
import { manyImages } from "../support/many-images.js";
import { copyOf, freeModel, trainedTiny } from "../support/tiny.js";

const threat = linf({ eps: "8/255" });
const folders: string[] = [];
const newFolder = () => {
  const folder = mkdtempSync(join(tmpdir(), "s2ap-verify-"));
  folders.push(folder);
  return join(folder, "record");
};

const attacks = () =>
  buildAttacks(
    [
      { name: "pgd", options: { steps: 3 } },
      { name: "apgd-t", options: { steps: 8, targets: 3 } },
    ],
    threat,
  );

let model: Model;
let data: Split;
let folder: string;
let whole: Robustness;
const evaluate = (options: Partial<AttackListOptions> = {}): Robustness =>
  attackList(model, data, { threat, attacks: attacks(), seed: 3, checks: false, ...options });

beforeAll(async () => {
  model = await trainedTiny();
  data = manyImages();
  folder = newFolder();
  whole = evaluate({ record: { folder } });
});
afterAll(() => {
  freeModel(model);
  for (const each of folders) rmSync(each, { recursive: true, force: true });
});

test("verifies in one pass, and not with other weights or other points", () => {
  const checked = verifyRecord(folder, model, data);
  expect(checked).toMatchObject({ holds: true, failures: [], sameWeights: true });
  expect(checked.robustAccuracy).toBe(whole.robustAccuracy);
  const other = copyOf(model);
  for (const tensor of other.params.values()) ops.mul_(tensor, -1);
  const refuted = verifyRecord(folder, other, data);
  expect(refuted).toMatchObject({ holds: false, sameWeights: false });
  freeModel(other);
  const invented = newFolder();
  evaluate({ record: { folder: invented } });
  const standing = whole.images.find(({ brokenBy }) => brokenBy === null);
  const images = whole.images.map((image) =>
    image === standing ? { ...image, brokenBy: "pgd", adversarial: 0, norm: 0.01 } : image,
  );
  writeFileSync(join(invented, "images.json"), JSON.stringify(images));
  const first = (whole.images[0] as { index: number }).index;
  const { tensors, metadata } = loadTensors(join(invented, "clean.safetensors"));
  ops.add_(ops.select(tensors.get("images") as Tensor, 0, 0), 1);
  saveTensors(join(invented, "clean.safetensors"), tensors, { data: metadata.data as string });
  expect(verifyRecord(invented, model, data).failures).toEqual([
    { index: standing?.index, reason: "there is no point for it" },
    { index: first, reason: "its clean image is not the data set's" },
  ]);
});

test("does not hold where its numbers or verdicts are others than its images and points give", () => {
  const forged = newFolder();
  cpSync(folder, forged, { recursive: true });
  const write = (images: readonly object[]) => writeFileSync(join(forged, "images.json"), JSON.stringify(images));
  const result = { ...whole, robustAccuracy: 0.9, after: { ...whole.after, pgd: 0.95 } };
  writeFileSync(join(forged, "result.json"), JSON.stringify(result));
  const numbers = verifyRecord(forged, model, data);
  expect([numbers.holds, numbers.failures]).toEqual([false, []]);
  expect(numbers.contradictions).toEqual([
    `result.json has robustAccuracy 0.9, its images give ${whole.robustAccuracy}`,
    `result.json has after pgd 0.95, its images give ${whole.after.pgd}`,
  ]);
  const [wrong, also] = whole.images.filter(({ brokenBy }) => brokenBy === "clean");
  const broken = whole.images.find(({ brokenBy }) => brokenBy === "pgd");
  write(
    whole.images.map((image) => {
      if (image === wrong) return { ...image, brokenBy: null };
      if (image === also) return { ...image, brokenBy: null, clean: image.label };
      return image === broken ? { ...image, brokenBy: null, adversarial: null } : image;
    }),
  );
  const { holds, failures } = verifyRecord(forged, model, data);
  expect(holds).toBe(false);
  expect(new Map(failures.map(({ index, reason }) => [index, reason]))).toEqual(
    new Map([
      [wrong?.index, "it is wrong as it is, and not said to be"],
      [also?.index, "the network sees another class in the clean image"],
      [broken?.index, "there is a point that breaks it"],
    ]),
  );
});

test("verifies on the images that it keeps, and not on part of them or on others", () => {
  const chosen = newFolder();
  evaluate({ record: { folder: chosen }, indices: [5, 7, 150], attacks: attacks().slice(0, 1) });
  const path = join(chosen, "clean.safetensors");
  const images = () => describedImages(path, { inputShape: model.inputShape, numClasses: 4 });
  expect(verifyRecord(chosen, model, images())).toMatchObject({ holds: true, images: "kept", failures: [] });
  expect(verifyRecord(chosen, model, data)).toMatchObject({ holds: true, images: "data" });
  const { tensors, metadata } = loadTensors(path);
  const two = new Map([...tensors].map(([name, t]) => [name, ops.slice(t, { end: 2 })]));
  saveTensors(path, two, { data: metadata.data as string });
  expect(() => verifyRecord(chosen, model, images())).toThrow(
    /all 3 images, got 2 of them; give the record's data set/,
  );
  saveTensors(path, tensors, { data: "none" });
  expect(() => verifyRecord(chosen, model, images())).toThrow(/these are other images; give the record's data set, or/);
});

test("warms the start of another network: the same claim about what stands, with attacks spared", () => {
  const parent = loadAdversarial(folder);
  const warm = evaluate({ warmStart: parent });
  expect(warm.warmStart?.tried).toBe(parent.indices.length);
  expect(warm.warmStart?.spared).toBe(parent.indices.length);
  expect(warm.robustAccuracy).toBe(whole.robustAccuracy);
  expect(warm.images.filter(({ brokenBy }) => brokenBy === "warm-start")).toHaveLength(parent.indices.length);
  expect(warm.passes.forward).toBeLessThan(whole.passes.forward);
  // In a smaller ball the points are moved inside, and each is judged there.
  const smaller = evaluate({ warmStart: parent, threat: linf({ eps: "1/255" }), attacks: attacks().slice(0, 1) });
  for (const { norm } of smaller.images) if (norm !== null) expect(norm).toBeLessThanOrEqual(1.000001 / 255 + 1e-7);
  parent.points.dispose();
});

test("warms no start of other images, and is known by its hash wherever it lies", () => {
  const parent = loadAdversarial(folder);
  const record = { folder: newFolder() };
  evaluate({ warmStart: parent, record });
  expect(() => evaluate({ warmStart: { ...parent, source: "./elsewhere" }, record })).not.toThrow();
  expect(() => evaluate({ warmStart: { ...parent, sha256: "other" }, record })).toThrow(/warmStart: the record has/);
  const strange = { ...parent, data: "0123456789abcdef" };
  expect(() => evaluate({ warmStart: strange })).toThrow(
    expect.objectContaining({
      name: "DataError",
      message: expect.stringMatching(/got those of data with 0123456789ab.*one --images/),
    }),
  );
  const wide = { ...parent, points: ops.cat([parent.points, parent.points], { dim: 3 }) };
  expect(() => evaluate({ warmStart: wide })).toThrow(/expected images of shape \[3,8,8\].*got \[3,8,16\]/);
  for (const each of [parent, wide]) each.points.dispose();
});

test("an attack that comes again has a number that no one takes for its steps", () => {
  const names = buildAttacks([{ name: "pgd" }, { name: "fgsm" }, { name: "pgd" }], threat).map(({ name }) => name);
  expect(names).toEqual(["pgd", "fgsm", "pgd#2"]);
});

// Recipes on data sets that lie in files: all three stages, an attack and the report's pictures, on files of the official sizes that are
// written here. Of grey images of 28 x 28 everything is used that could expect three channels or 32 pixels.
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { datasets } from "../../src/data/index.js";
import type { AttackedImages } from "../../src/evaluation/images.js";
import { parseRecipe, runRecipe } from "../../src/recipe/index.js";
import { registries } from "../../src/recipe/registries.js";
import { fakeMnist } from "../support/fake-idx.js";

const base = mkdtempSync(join(tmpdir(), "s2ap-data-files-"));
afterAll(() => rmSync(base, { recursive: true, force: true }));

const stages = `
optimizer: { name: sgd, lr: 0.05, momentum: 0.9 }
stages:
  pretrain: { epochs: 3 }
  search: { epochs: 2, method: { name: hydra, keepRatio: 0.2 }, gradient: { name: s2ap, gamma: 0.02, warmupEpochs: 1 } }
  finetune: { epochs: 1 }
`;

describe("MNIST", () => {
  const source = join(base, "mnist");
  beforeAll(() => void fakeMnist(source, [60_000, 10_000]), 60_000);

  test("cnn_small is trained, pruned, attacked and shown in grey", async () => {
    const text = `
name: digits
data: { name: mnist, source: ${JSON.stringify(source)}, batchSize: 32, examples: 640, selection: 64, cutout: 4 }
model: { arch: cnn_small, width: 0.5 }
threat: { norm: linf, eps: "0.1" }
loss: { name: trades, beta: 3, attack: { name: pgd, steps: 2, stepSize: "0.05" } }
${stages}
evaluation: [{ name: clean, examples: 128 }, { name: autoattack, examples: 32, version: standard }]`;
    const out = join(base, "digits");
    const { rows, report } = await runRecipe(parseRecipe(text, "digits.yaml", { registries }), { out });
    expect(rows[0]?.sparsity).toBeCloseTo(0.8, 2);
    expect(rows[0]?.cleanAccuracy).toBeGreaterThan(0.5);
    const { examples } = JSON.parse(readFileSync(join(out, "images.json"), "utf8")) as AttackedImages;
    expect(examples.length).toBe(8);
    for (const png of [examples[0]?.clean, examples[0]?.adversarial, examples[0]?.difference]) {
      const picture = sharp(Buffer.from(png ?? "", "base64"));
      expect(await picture.metadata()).toMatchObject({ format: "png", width: 28, height: 28 });
    }
    // The first test image, of class 0, has its square at row 8 and column 4.
    const pixels = await sharp(Buffer.from(examples[0]?.clean ?? "", "base64"))
      .toColourspace("b-w")
      .raw()
      .toBuffer();
    expect([pixels[8 * 28 + 4], pixels[11 * 28 + 7]]).toEqual([255, 255]);
    expect(pixels[8 * 28 + 3]).toBeLessThan(32);
    expect(readFileSync(report, "utf8")).toContain(examples[0]?.clean);
  }, 300_000);
});

describe("CIFAR-100", () => {
  const source = join(base, "cifar100");
  const RECORD = 3074;

  /** A file of so many records whose fine labels go round and whose pixels are grey by class. */
  function write(name: string, images: number): void {
    const block = Buffer.alloc(100 * RECORD);
    for (let fine = 0; fine < 100; fine++) {
      block.fill(2 * fine, fine * RECORD, (fine + 1) * RECORD);
      block.set([Math.floor(fine / 5), fine], fine * RECORD);
    }
    const file = openSync(join(source, name), "w");
    for (let i = 0; i < images; i += 100) writeSync(file, block);
    closeSync(file);
  }

  beforeAll(() => {
    mkdirSync(source);
    write("train.bin", 50_000);
    write("test.bin", 10_000);
  }, 60_000);

  test("resnet18 with 100 classes passes all stages", async () => {
    const text = `
name: hundred
data: { name: cifar100, source: ${JSON.stringify(source)}, batchSize: 32, examples: 64, selection: 32 }
model: { arch: resnet18, numClasses: 100, width: 4 }
threat: { norm: linf, eps: 8/255 }
loss: { name: pgd-at, attack: { name: pgd, steps: 1, stepSize: 8/255 } }
${stages}
evaluation: [{ name: clean, examples: 64 }, { name: pgd, steps: 3, examples: 32 }]`;
    const out = join(base, "hundred");
    const { rows } = await runRecipe(parseRecipe(text, "hundred.yaml", { registries }), { out });
    expect(rows[0]?.sparsity).toBeCloseTo(0.8, 2);
    const { classNames } = JSON.parse(readFileSync(join(out, "images.json"), "utf8")) as AttackedImages;
    expect([classNames.length, classNames[99]]).toEqual([100, "worm"]);
  }, 300_000);

  test("by its groups it has 20 classes", async () => {
    const row = datasets.get("cifar100");
    const { test: held } = await row.create(row.options.parse({ source, labels: "coarse" }), { offline: true });
    expect([held.length, held.dataset.numClasses, held.dataset.classNames[19]]).toEqual([10_000, 20, "vehicles_2"]);
    expect(held.ordered(95, 5).y.toNumbers()).toEqual([19, 19, 19, 19, 19]);
  }, 60_000);
});

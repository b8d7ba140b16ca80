import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readManifest } from "../run/index.js";
import { recipeHash } from "../run/manifest.js";
import { parseRecipe } from "./load.js";
import { registries } from "./registries.js";
import { runRecipe } from "./run.js";

const folder = mkdtempSync(join(tmpdir(), "s2ap-completed-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const TEXT = `
name: small
data: { name: synthetic, batchSize: 16, examples: 32, selection: 16, testExamples: 16, numClasses: 2, size: 8 }
model: { arch: resnet18, numClasses: 2, width: 2, imageSize: 8 }
threat: { norm: linf, eps: 0.0310 }
loss: { name: pgd-at, attack: { name: pgd, steps: 1, stepSize: 2/255 } }
optimizer: { name: sgd, lr: 0.05 }
stages: { pretrain: { epochs: 1 }, search: { epochs: 1, method: { name: hydra, keepRatio: 0.5 } }, finetune: { epochs: 1 } }
evaluation: [{ name: clean }]
`;

const run = (set: readonly string[] = []) =>
  runRecipe(parseRecipe(TEXT, "small.yaml", { registries, set }), { out: folder });

type Tree = { [key: string]: Tree };

beforeAll(async () => {
  await run();
  // As a version left it that knew fewer options.
  const manifest = readManifest(folder);
  const recipe = JSON.parse(JSON.stringify(manifest.recipe)) as Tree;
  const { pretrain, search, finetune } = recipe.stages as Tree;
  for (const gone of [pretrain?.loss?.labelSmoothing, search?.method?.structure, finetune?.weights]) {
    expect(gone).toBeDefined();
  }
  delete pretrain?.loss?.labelSmoothing;
  delete search?.method?.structure;
  delete finetune?.weights;
  const older = { ...manifest, recipe, recipeHash: recipeHash(recipe) };
  writeFileSync(join(folder, "run.json"), JSON.stringify(older));
}, 60_000);

test("a run of a version with fewer options goes on, where their defaults are what the recipe has", async () => {
  const before = readFileSync(join(folder, "model.safetensors"));
  expect((await run()).rows).toHaveLength(1);
  expect(readFileSync(join(folder, "model.safetensors")).equals(before)).toBe(true);
});

test("what is really other is refused, and it alone is told", async () => {
  await expect(run(["stages.finetune.epochs=2", "threat.eps=8/255"])).rejects.toThrow(
    /got a changed one\n {2}threat\.eps: the run has "0.0310", now "8\/255"\n {2}stages\.finetune\.epochs: the run has 1, now 2\n {2}Take/,
  );
});

test("a new option that is not at its default is a change", async () => {
  await expect(run(["stages.pretrain.loss.labelSmoothing=0.1"])).rejects.toThrow(
    /got a changed one\n {2}stages\.pretrain\.loss\.labelSmoothing: the run has .*, now 0.1\n {2}Take/,
  );
});

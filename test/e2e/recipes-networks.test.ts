// Recipes with other networks and data than their profile `tiny` has: the same factories, narrow, through all stages.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";
import { loadRecipe, runRecipe } from "../../src/recipe/index.js";
import { registries } from "../../src/recipe/registries.js";

const base = mkdtempSync(join(tmpdir(), "s2ap-networks-"));
afterAll(() => rmSync(base, { recursive: true, force: true }));
const path = (name: string) => fileURLToPath(new URL(`../../${name}`, import.meta.url));
// Files that SciPy wrote, in the form of the real ones: 80 training and 30 test images.
const svhn = path("test/golden/data/mat/svhn");

test.each([
  {
    what: "VGG-16 on SVHN",
    file: "svhn.yaml",
    arch: "vgg16_bn",
    set: [`data={ name: svhn, batchSize: 32, selection: 16, source: ${svhn} }`],
    examples: 30,
  },
  {
    what: "WRN-28-4 on images like CIFAR-10's",
    file: "hydra.yaml",
    arch: "wrn_28_4",
    set: [
      "model={ arch: wrn_28_4, width: 1, imageSize: 16 }",
      "data={ name: synthetic, batchSize: 32, size: 16, examples: 32, selection: 16, testExamples: 16 }",
    ],
    examples: 16,
  },
])(
  "$what: HYDRA, plain and with S2AP",
  async ({ file, arch, set, examples }) => {
    const recipe = loadRecipe(path(`recipes/${file}`), { registries, profile: "tiny", set });
    expect(recipe.model).toMatchObject({ arch });
    const { rows } = await runRecipe(recipe, { out: join(base, file) });
    expect(rows.map(({ name }) => name)).toEqual(["dense", "plain", "s2ap"]);
    for (const row of rows) {
      expect(row.examples).toBe(examples);
      expect(row.robustAccuracy).toBeLessThanOrEqual(row.cleanAccuracy);
      if (row.name !== "dense") expect(row.sparsity).toBeCloseTo(0.9, 2);
    }
  },
  300_000,
);

test("hydra.yaml has WRN-28-4 on CIFAR-10 as a profile, whole", () => {
  const recipe = loadRecipe(path("recipes/hydra.yaml"), { registries, profile: "wrn_28_4" });
  expect(recipe.model).toMatchObject({ arch: "wrn_28_4", numClasses: 10, width: 16 });
  expect(recipe.data).toMatchObject({ name: "cifar10" });
});

// Every recipe that has a profile `tiny` runs all of its stages with it, in seconds.
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";
import { loadRecipe, recipeProfiles, runRecipe } from "../../src/recipe/index.js";
import { registries } from "../../src/recipe/registries.js";
import { imageTree } from "../support/image-tree.js";

const base = mkdtempSync(join(tmpdir(), "s2ap-recipes-"));

/** Of recipes for data of one's own: what they are told of data made here. */
const given: Readonly<Record<string, () => Promise<string[]>>> = {
  "image-folder.yaml": async () => [`data.path=${await imageTree(join(base, "images"), { train: 14, val: 4 })}`],
};
afterAll(() => rmSync(base, { recursive: true, force: true }));

const folder = fileURLToPath(new URL("../../recipes/", import.meta.url));
// The quickstart has a test of its own, which says more.
const files = readdirSync(folder).filter((file) => file.endsWith(".yaml") && file !== "quickstart.yaml");
const tiny = files.filter((file) => recipeProfiles(folder + file).includes("tiny"));

test("there are recipes to try", () => expect(tiny).toContain("hydra.yaml"));

test.each(tiny)(
  "%s",
  async (file) => {
    const recipe = loadRecipe(folder + file, { registries, profile: "tiny", set: (await given[file]?.()) ?? [] });
    const { rows } = await runRecipe(recipe, { out: join(base, file) });
    const names = recipe.variants ? ["dense", ...Object.keys(recipe.variants)] : [recipe.name];
    expect(rows.map(({ name }) => name)).toEqual(names);
    for (const { name, sparsity, cleanAccuracy } of rows) {
      if (name !== "dense") expect(sparsity, name).toBeGreaterThan(0.3);
      expect(cleanAccuracy).toBeGreaterThanOrEqual(0);
    }
  },
  300_000,
);

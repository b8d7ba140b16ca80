import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { z } from "zod";
import { loadRecipe, parseRecipe, recipeJsonSchema, recipeProfiles, showRecipe } from "./index.js";
import { registries } from "./registries.js";

const folder = fileURLToPath(new URL("../../recipes/", import.meta.url));
const files = readdirSync(folder).filter((file) => file.endsWith(".yaml"));

describe("recipe.schema.json", () => {
  test("is what the registries say (vitest -u writes it anew)", async () => {
    const text = `${JSON.stringify(recipeJsonSchema(registries), undefined, 2)}\n`;
    await expect(text).toMatchFileSnapshot(`${folder}recipe.schema.json`);
  });

  const schema = z.fromJSONSchema(recipeJsonSchema(registries) as Parameters<typeof z.fromJSONSchema>[0]);
  const good = {
    data: { name: "synthetic" },
    model: { arch: "resnet18", width: 16 },
    threat: { norm: "linf", eps: "8/255" },
    loss: { name: "pgd-at", attack: { name: "pgd", steps: 2 } },
    optimizer: { name: "sgd", lr: 0.1, schedule: "cosine" },
    stages: { pretrain: { epochs: 1 }, search: { epochs: 2, optimizer: { lr: 0.2 } } },
    variants: { a: { stages: { search: { method: { name: "hydra", keepRatio: 0.1 }, gradient: null } } } },
    profiles: { tiny: { stages: { search: null }, variants: { a: null } } },
  };

  test("accepts a recipe whose stages leave options to the common ones", () => {
    expect(schema.safeParse(good).error).toBeUndefined();
  });

  test.each([
    ["an unknown key", { ...good, sead: 1 }],
    ["an unknown loss", { ...good, loss: { name: "trade" } }],
    ["a wrong type", { ...good, stages: { pretrain: { epochs: "many" } } }],
    ["an option that no optimizer has", { ...good, optimizer: { name: "sgd", lr: 0.1, speed: 2 } }],
    ["a missing part", { ...good, model: undefined }],
    ["a wrong variant", { ...good, variants: { a: { stages: { search: { method: { name: "hydro" } } } } } }],
    ["variants inside a variant", { ...good, variants: { a: { variants: {} } } }],
  ])("refuses %s", (_name, recipe) => {
    expect(schema.safeParse(JSON.parse(JSON.stringify(recipe))).success).toBe(false);
  });

  test.each(files)("accepts recipes/%s", (file) => {
    expect(schema.safeParse(parse(readFileSync(folder + file, "utf8"))).error).toBeUndefined();
  });
});

describe.each(files)("recipes/%s", (file) => {
  test.each([undefined, ...recipeProfiles(folder + file)])(
    "is good and survives being shown (profile %s)",
    (profile) => {
      const recipe = loadRecipe(folder + file, { registries, profile });
      expect(parseRecipe(showRecipe(recipe), file, { registries })).toEqual(recipe);
    },
  );

  test("names its schema for editors", () => {
    expect(readFileSync(folder + file, "utf8")).toMatch(/^# yaml-language-server: \$schema=.*recipe\.schema\.json$/m);
  });
});

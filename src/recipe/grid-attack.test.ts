import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { LITTLE_RECIPE } from "../../test/support/little-recipe.js";
import { autoAttack, evaluationMode } from "../evaluation/index.js";
import { scope } from "../torch/index.js";
import { buildData, buildModel, buildThreat } from "./build.js";
import { attackedFile } from "./grid-attack.js";
import { parseRecipe } from "./load.js";
import { loadModel, saveModel } from "./model-file.js";
import { registries } from "./registries.js";

const base = mkdtempSync(join(tmpdir(), "s2ap-grid-attack-"));
afterAll(() => rmSync(base, { recursive: true, force: true }));

const EXAMPLES = 6;
const text = LITTLE_RECIPE.replace(/evaluation: .*/, `evaluation: [{ name: autoattack, examples: ${EXAMPLES} }]`);
const recipe = parseRecipe(`name: little\n${text}`, "little.yaml", { registries, set: [] });

test("a recipe's autoattack is all of it, image by image, and is gone on with from its record", async () => {
  const file = join(base, "model.safetensors");
  scope(() => saveModel(file, buildModel(recipe.model, 3)));
  const { test: split } = await buildData(recipe);
  const record = join(base, "record");
  let steps = 0;
  const attack = (stopAt: number) => {
    steps = 0;
    return attackedFile(file, recipe, { split, seed: 5, record, shouldStop: () => ++steps > stopAt });
  };
  expect(() => attack(20)).toThrow(expect.objectContaining({ code: "stopped" }) as Error);
  const { accuracy, cost } = attack(Number.POSITIVE_INFINITY);
  expect(existsSync(join(record, "result.json"))).toBe(true);

  const model = loadModel(file, recipe.model);
  const wanted = await autoAttack(model, split, {
    ...evaluationMode(model),
    ...{ threat: buildThreat(recipe), seed: 5, examples: EXAMPLES },
  });
  const text = (right: (image: (typeof wanted.images)[number]) => boolean) =>
    wanted.images.map((image) => (right(image) ? "1" : "0")).join("");
  expect(accuracy).toEqual({
    ...{ attack: "aa-standard", eps: "8/255" },
    clean: text(({ clean, label }) => clean === label),
    robust: text(({ brokenBy }) => brokenBy === null),
  });
  expect(accuracy.robust).toHaveLength(EXAMPLES);
  expect(cost).toMatchObject({ what: "aa-standard", ...wanted.passes });
  // What is done is read, not done again.
  attack(Number.POSITIVE_INFINITY);
  expect(steps).toBe(0);
}, 300_000);

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { fakeRegistries } from "../../test/support/fake-registries.js";
import { UsageError } from "../util/index.js";
import { loadRecipe, parseRecipe, recipeProfiles } from "./index.js";

const registries = fakeRegistries();

const experiment = `
name: tiny
data: { name: cifar10 }
model: { arch: resnet18 }
threat: { norm: linf, eps: 8/255 }
loss: { name: trades, attack: { name: pgd, steps: 2 } }
optimizer: { name: sgd, lr: 0.1 }
stages:
  pretrain: { epochs: 3 }
  search: { epochs: 4, method: { name: hydra, keepRatio: 0.1 }, gradient: { name: s2ap, gamma: 0.05 } }
evaluation: [{ name: clean }]
variants:
  hydra: { stages: { search: { gradient: null } } }
  hydra-s2ap: {}
profiles:
  tiny: { stages: { pretrain: { epochs: 1 } } }
`;

describe("loadRecipe", () => {
  test("reads a file, and says when there is none", () => {
    const folder = mkdtempSync(join(tmpdir(), "s2ap-recipe-"));
    try {
      writeFileSync(join(folder, "a.yaml"), experiment);
      expect(loadRecipe(join(folder, "a.yaml"), { registries })).toEqual(
        parseRecipe(experiment, "a.yaml", { registries }),
      );
      expect(recipeProfiles(join(folder, "a.yaml"))).toEqual(["tiny"]);
      expect(() => loadRecipe(join(folder, "b.yaml"), { registries })).toThrow(UsageError);
      expect(() => loadRecipe(join(folder, "b.yaml"), { registries })).toThrow("recipe: expected a YAML file, got");
      expect(() => loadRecipe(folder, { registries })).toThrow("(a folder)");
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

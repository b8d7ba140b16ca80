import { expect, test } from "vitest";
import { claimedSparsity } from "./claim.js";
import type { Recipe } from "./schema.js";

const recipe = (method: object | undefined) =>
  ({ stages: method === undefined ? {} : { search: { method } } }) as unknown as Pick<Recipe, "stages">;

test.each([
  [{ name: "hydra", keepRatio: 0.25 }, 0.75],
  [{ name: "magnitude", keepRatio: 0.25, structure: "weights" }, 0.75],
  [{ name: "hydra", keepRatio: 0.25, structure: "filters" }, undefined],
  [{ name: "hydra", structure: "n:m", pattern: "2:4" }, undefined],
  [{ name: "random", keepRatios: { conv1: 0.5 } }, undefined],
  [undefined, undefined],
])("%j claims %s", (method, claimed) => {
  expect(claimedSparsity(recipe(method))).toBe(claimed);
});

import { loadRecipe, type ResolvedRecipe, recipeJsonSchema, recipeProfiles, showRecipe } from "../../recipe/index.js";
import { registries } from "../../recipe/registries.js";
import type { Job } from "../jobs.js";

export interface RecipeOptions {
  readonly what: "check" | "show" | "schema";
  readonly path: string;
  readonly set: readonly string[];
  readonly profile?: string | undefined;
}

export interface RecipeResult {
  readonly recipe?: ResolvedRecipe;
  /** The recipe as YAML with every default filled in, or the JSON schema. */
  readonly text: string;
  readonly profiles: readonly string[];
}

/** Checks a recipe with each of its profiles, or shows what it means. */
export const job: Job<RecipeOptions, RecipeResult> = ({ what, path, set, profile }) => {
  if (what === "schema") {
    return { text: JSON.stringify(recipeJsonSchema(registries), undefined, 2), profiles: [] };
  }
  const recipe = loadRecipe(path, { registries, set, profile });
  const profiles = recipeProfiles(path);
  if (what === "check" && profile === undefined) {
    for (const name of profiles) loadRecipe(path, { registries, set, profile: name });
  }
  return { recipe, text: showRecipe(recipe), profiles };
};

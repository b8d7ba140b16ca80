export { recipeJsonSchema } from "./json-schema.js";
export { type LoadOptions, loadRecipe, parseRecipe, recipeProfiles } from "./load.js";
export { RecipeError, type RecipeProblem } from "./problem.js";
export type {
  Described,
  EvaluationRecipe,
  Named,
  Precision,
  Recipe,
  Registries,
  ResolvedRecipe,
  SearchRecipe,
  StageRecipe,
} from "./schema.js";
export { showRecipe } from "./show.js";
export { type Place, placeText } from "./tree.js";

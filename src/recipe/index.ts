export { type CompareGrid, type CompareOptions, compareGrid, type Skipped } from "./compare.js";
export { dataOptions } from "./data-options.js";
export { equalPasses } from "./equal-passes.js";
export { type Estimate, type EstimateOptions, estimateGrid, estimateRecipe, type RunEstimate } from "./estimate.js";
export * from "./foreign/index.js";
export { type Axes, type Axis, type ExpandOptions, expandGrid, type GridPoint, type Over } from "./grid.js";
export { type Cell, type Grid, type LoadGridOptions, loadGrid } from "./grid-load.js";
export { type CellTold, type GridOptions, gridSoFar, lacksSharpness, runGrid } from "./grid-run.js";
export { recipeJsonSchema } from "./json-schema.js";
export { type LoadOptions, loadRecipe, parseRecipe, type RecipePart, recipeProfiles } from "./load.js";
export { loadMasks, loadModel, saveMasks, saveModel } from "./model-file.js";
export { RecipeError, type RecipeProblem } from "./problem.js";
export { registries } from "./registries.js";
export type { Row } from "./row.js";
export { type RunOutcome, type RunRecipeOptions, type RunUpdate, runRecipe } from "./run.js";
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
export { withSmallDense } from "./small-dense.js";
export { saveStateDict } from "./state-dict.js";
export { type Place, placeText } from "./tree.js";

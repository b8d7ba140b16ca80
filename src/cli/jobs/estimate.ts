import { type Estimate, estimateRecipe, loadRecipe } from "../../recipe/index.js";
import { registries } from "../../recipe/registries.js";
import type { Job } from "../jobs.js";

export interface EstimateJobOptions {
  readonly path: string;
  readonly set: readonly string[];
  readonly profile?: string | undefined;
}

/** Measures a few steps of a recipe, and tells what all of it will cost. */
export const job: Job<EstimateJobOptions, Estimate> = ({ path, set, profile }, { report }) =>
  estimateRecipe(loadRecipe(path, { registries, set, profile }), {
    onMessage: (text) => report({ kind: "message", text }),
  });

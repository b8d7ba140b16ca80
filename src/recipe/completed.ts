import { checkOptions } from "../util/index.js";
import { registries } from "./registries.js";
import { recipeSchemas } from "./schema.js";

/** The recipe of a run folder with the defaults of today; whatever is no recipe of today stays as it is. */
export function completed(stored: unknown): unknown {
  if (typeof stored !== "object" || stored === null) return stored;
  const { from, ...recipe } = stored as Readonly<Record<string, unknown>>;
  const checked = checkOptions(recipeSchemas(registries).recipe, recipe);
  if (!checked.ok) return stored;
  return JSON.parse(JSON.stringify({ ...checked.value, from }));
}

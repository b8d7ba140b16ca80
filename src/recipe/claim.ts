import type { Recipe } from "./schema.js";

/**
 * Share of zeros among the prunable weights that a recipe's pruned network should have, to be compared with what is
 * measured; undefined where it is not pruned, or where the method's ratio is not one of single weights.
 */
export function claimedSparsity({ stages }: Pick<Recipe, "stages">): number | undefined {
  const method: Readonly<Record<string, unknown>> = stages.search?.method ?? {};
  const { keepRatio, structure = "weights" } = method;
  return typeof keepRatio === "number" && structure === "weights" ? 1 - keepRatio : undefined;
}

import { stringify } from "yaml";
import type { Recipe, ResolvedRecipe } from "./schema.js";

type PlainMap = Record<string, unknown>;

function isMap(value: unknown): value is PlainMap {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** What must be laid over `base` to get `whole`; `undefined` when nothing must. */
function overrides(base: unknown, whole: unknown): unknown {
  if (!isMap(base) || !isMap(whole)) return JSON.stringify(base) === JSON.stringify(whole) ? undefined : whole;
  const tag = ["name", "arch"].find((key) => key in whole);
  if (tag !== undefined && base[tag] !== whole[tag]) return whole;
  const changed = Object.keys(whole).map((key) => [key, overrides(base[key], whole[key])] as const);
  const removed = Object.keys(base).filter((key) => !(key in whole));
  const all = [...changed.filter(([, value]) => value !== undefined), ...removed.map((key) => [key, null] as const)];
  return all.length === 0 ? undefined : Object.fromEntries(all);
}

/** A resolved recipe as YAML with every default filled in; reading it again gives the same recipe. */
export function showRecipe(recipe: ResolvedRecipe): string {
  const { variants, ...base } = recipe;
  const over = (variant: Recipe) => overrides(base, variant) ?? {};
  const shown =
    variants === undefined
      ? base
      : { ...base, variants: Object.fromEntries(Object.entries(variants).map(([name, v]) => [name, over(v)])) };
  return stringify(shown, { lineWidth: 0, aliasDuplicateObjects: false });
}

import { readFileSync } from "node:fs";
import { basename, extname } from "node:path";
import { expected, UsageError, unknownName } from "../util/index.js";
import { RecipeError } from "./problem.js";
import { resolveTree } from "./resolve.js";
import { type Registries, type ResolvedRecipe, recipeSchemas } from "./schema.js";
import { child, type MapNode, merge, type Node, type Path, plain, setAt, withEntry } from "./tree.js";
import { readValue, readYaml } from "./yaml.js";

/** How a recipe is read. */
export interface LoadOptions {
  readonly registries: Registries;
  /** `path=value` each, e.g. `stages.search.epochs=4`; the value is YAML. Later ones win. */
  readonly set?: readonly string[];
  /** One of the recipe's `profiles`, laid over it before `set`; default none. */
  readonly profile?: string | undefined;
  /** Parts of a recipe, laid over it one after the other as variants are, between `profile` and `set`; default none. */
  readonly over?: readonly RecipePart[];
}

/** A part of a recipe as plain data, e.g. `{ stages: { search: { epochs: 4 } } }`; `from` is what errors call it. */
export interface RecipePart {
  readonly from: string;
  readonly value: unknown;
}

/** Reads and checks a recipe file. Throws RecipeError with every problem and its place, UsageError when there is no file. */
export function loadRecipe(path: string, options: LoadOptions): ResolvedRecipe {
  return parseRecipe(readRecipeText(path), path, options);
}

/** The names of a recipe's profiles: sets of changes that are chosen by name. */
export function recipeProfiles(path: string): string[] {
  const profiles = child(readYaml(readRecipeText(path), path), "profiles");
  return profiles?.kind === "map" ? [...profiles.entries.keys()] : [];
}

/** As `loadRecipe`, from a text; `file` is what errors call it. */
export function parseRecipe(text: string, file: string, options: LoadOptions): ResolvedRecipe {
  const { over = [], set = [] } = options;
  return resolveOver(withProfile(withName(readYaml(text, file), file), options.profile), { ...options, over, set });
}

/** A recipe file as it is written, its profile and then its settings applied: what parts can be laid over. */
export function recipeTree(path: string, { profile, set = [] }: Omit<LoadOptions, "registries" | "over">): Node {
  const tree = withProfile(withName(readYaml(readRecipeText(path), path), path), profile);
  return set.reduce(applySetting, tree);
}

/** The recipe that a tree means, with parts laid over it and then settings applied. */
export function resolveOver(
  tree: Node,
  { registries, over = [], set = [] }: Omit<LoadOptions, "profile">,
): ResolvedRecipe {
  const laid = over.reduce((node, { from, value }) => merge(node, readYaml(JSON.stringify(value), from)), tree);
  return resolveTree(set.reduce(applySetting, laid), recipeSchemas(registries), registries);
}

function readRecipeText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const why = (error as NodeJS.ErrnoException).code === "EISDIR" ? "a folder" : (error as Error).message;
    throw new UsageError(`recipe: expected a YAML file, got ${path} (${why})`, {
      code: "usage/no-recipe",
      cause: error,
    });
  }
}

/** A recipe without a name is called as its file is. */
function withName(tree: Node, file: string): Node {
  if (tree.kind !== "map" || tree.entries.has("name")) return tree;
  const value = basename(file, extname(file));
  return withEntry(tree, "name", { kind: "scalar", value, source: value, place: tree.place, path: ["name"] });
}

function withProfile(tree: Node, name: string | undefined): Node {
  const profiles = child(tree, "profiles");
  if (profiles !== undefined) checkProfiles(profiles);
  if (name === undefined) return tree;
  const known = profiles?.kind === "map" ? [...profiles.entries.keys()] : [];
  const profile = child(profiles, name);
  if (profile === undefined) throw unknownName("recipe", "profile", name, known);
  return merge(withEntry(tree as MapNode, "profiles", undefined), profile);
}

function checkProfiles(profiles: Node): void {
  const maps = profiles.kind === "map" ? [...profiles.entries.values()].map(({ node }) => node) : [];
  const wrong = profiles.kind === "map" ? maps.find((node) => node.kind !== "map") : profiles;
  if (wrong === undefined) return;
  const text = `expected profiles to be a map of names to changes, got ${JSON.stringify(plain(wrong))}`;
  throw new RecipeError([{ place: wrong.place, text }]);
}

/** A copy of a tree with the value of `path=value` in it. */
export function applySetting(tree: Node, setting: string): Node {
  const equals = setting.indexOf("=");
  const path = equals < 1 ? undefined : parsePath(setting.slice(0, equals));
  if (path === undefined) throw new UsageError(expected("--set", "path=value, e.g. seed=2", setting));
  const option = `--set ${setting}`;
  const value = readValue(setting.slice(equals + 1), option, path);
  try {
    return setAt(tree, path, value, { option });
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new UsageError(expected("--set", "an item that the list has", error.message));
  }
}

/** `stages.search.method.keepRatio`, `evaluation[1].steps`. */
function parsePath(text: string): Path | undefined {
  if (!/^[\w-]+(\[\d+\])*(\.[\w-]+(\[\d+\])*)*$/.test(text)) return undefined;
  return (text.match(/[\w-]+|\[\d+\]/g) ?? []).map((part) => (part.startsWith("[") ? Number(part.slice(1, -1)) : part));
}

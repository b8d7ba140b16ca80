import { differences, STAGES } from "../run/index.js";
import { checkOptions } from "../util/index.js";
import { crossChecks } from "./checks.js";
import { asWritten, tagFirst } from "./plain.js";
import { distinct, locateProblem, RecipeError, type RecipeProblem } from "./problem.js";
import { COMMON, type Recipe, type RecipeSchemas, type Registries, type ResolvedRecipe } from "./schema.js";
import { child, type MapNode, merge, type Node, plain, withEntry } from "./tree.js";

/** A recipe's name becomes the name of a folder. */
const NAME = /^[a-z0-9][a-z0-9._-]*$/i;

/** What a variant must have in common with the recipe, since both go on from the same pretrained network. */
const SHARED = ["seed", "precision", "selectOn", "data", "model", "threat"] as const;

interface Resolving {
  readonly known: Registries;
  readonly schemas: RecipeSchemas;
  readonly problems: RecipeProblem[];
}

/**
 * Makes a recipe of a tree: merges common options into stages and the recipe into its variants, fills in defaults and
 * checks everything. Throws RecipeError with all problems found.
 */
export function resolveTree(tree: Node, schemas: RecipeSchemas, known: Registries): ResolvedRecipe {
  const resolving: Resolving = { known, schemas, problems: [] };
  const root = asMap(tree, resolving);
  const resolved = root && resolveRoot(root, resolving);
  if (resolving.problems.length > 0 || resolved === undefined) throw new RecipeError(distinct(resolving.problems));
  return resolved;
}

function resolveRoot(root: MapNode, resolving: Resolving): ResolvedRecipe | undefined {
  const variants = child(root, "variants");
  checkCommon(root, resolving);
  const base = withEntry(withEntry(root, "variants", undefined), "profiles", undefined);
  if (variants === undefined) return resolveOne(base, resolving);
  const dense = resolveOne(onlyPretrain(base), resolving);
  const named = resolveVariants(base, variants, resolving);
  if (dense === undefined) return undefined;
  const result = Object.fromEntries(named.map(({ name, recipe }) => [name, recipe]));
  for (const { node, recipe } of named) checkShared(dense, recipe, node, resolving);
  return { ...dense, variants: result };
}

/** Common options that every stage replaces would go unread: what they say must make sense all the same. */
function checkCommon(root: MapNode, { schemas, problems }: Resolving): void {
  for (const key of COMMON) {
    const node = child(root, key);
    const checked = node && checkOptions(schemas.choices[key], plain(node));
    if (node === undefined || checked === undefined || checked.ok) continue;
    // What is missing here may be given by each stage.
    const wrong = checked.problems.filter(({ got }) => got !== undefined);
    problems.push(...wrong.map((problem) => locateProblem(node, problem)));
  }
}

interface Variant {
  readonly name: string;
  readonly node: Node;
  readonly recipe: Recipe;
}

function resolveVariants(base: MapNode, variants: Node, resolving: Resolving): Variant[] {
  const map = asMap(variants, resolving);
  const found: Variant[] = [];
  for (const [name, { key, node }] of map?.entries ?? []) {
    if (!NAME.test(name) || name === "dense") {
      const text = `expected a variant's name to be letters, digits, ".", "_" and "-", and not "dense", got "${name}"`;
      resolving.problems.push({ place: key, text });
      continue;
    }
    const over = asMap(node, resolving);
    const merged = over && merge(base, over);
    const recipe = merged?.kind === "map" ? resolveOne(merged, resolving) : undefined;
    if (merged?.kind === "map" && recipe !== undefined) found.push({ name, node: completeStages(merged), recipe });
  }
  return found;
}

/** One network is pretrained for all variants: what shapes it cannot differ. */
function checkShared(dense: Recipe, variant: Recipe, node: Node, { problems }: Resolving): void {
  const of = (recipe: Recipe) => ({
    ...Object.fromEntries(SHARED.map((key) => [key, recipe[key]])),
    stages: { pretrain: recipe.stages.pretrain },
  });
  for (const { path, before, after } of differences(of(dense), of(variant))) {
    const parts = path.split(".");
    const phrase = `to be ${JSON.stringify(before)}, as the variants share the pretrained network`;
    problems.push(locateProblem(node, { kind: "value", path: parts, phrase, got: after }));
  }
}

function asMap(node: Node, { problems }: Resolving): MapNode | undefined {
  if (node.kind === "map") return node;
  const got = node.kind === "scalar" ? node.value : node.items.length;
  problems.push(locateProblem(node, { kind: "value", path: [], phrase: "to be a map of options", got }));
  return undefined;
}

function onlyPretrain(base: MapNode): MapNode {
  const stages = child(base, "stages");
  if (stages?.kind !== "map") return base;
  return withEntry(base, "stages", withEntry(withEntry(stages, "search", undefined), "finetune", undefined));
}

/** Lays each stage's loss and optimizer over the common ones, which then have served their purpose. */
function completeStages(recipe: MapNode): MapNode {
  let stages = child(recipe, "stages");
  for (const name of STAGES) {
    let stage = child(stages, name);
    if (stages?.kind !== "map" || stage?.kind !== "map") continue;
    for (const key of COMMON) {
      const common = child(recipe, key);
      const own = child(stage, key);
      const whole = own === undefined ? common : merge(common, own);
      if (whole !== undefined) stage = withEntry(stage, key, whole);
    }
    stages = withEntry(stages, name, stage);
  }
  const bare = withEntry(withEntry(recipe, "loss", undefined), "optimizer", undefined);
  return stages === undefined ? bare : withEntry(bare, "stages", stages);
}

function resolveOne(recipe: MapNode, { schemas, known, problems }: Resolving): Recipe | undefined {
  const whole = completeStages(recipe);
  const value = plain(whole);
  const checked = checkOptions(schemas.recipe, value);
  const found = checked.ok ? [] : checked.problems.map((problem) => locateProblem(whole, problem));
  found.push(...crossChecks(whole, value, known));
  problems.push(...found);
  return checked.ok && found.length === 0 ? (asWritten(tagFirst(checked.value), whole) as Recipe) : undefined;
}

// A grid file: a recipe, what is laid over it in every cell, and the choices whose combinations are the cells.
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { z } from "zod";
import type { ControlData, GridClaims, PassBudget } from "../report/index.js";
import { differences } from "../run/index.js";
import { parseOptions, UsageError, unknownName } from "../util/index.js";
import { type Axes, expandGrid, type GridPoint, type Over } from "./grid.js";
import { type GridSharpness, gridSharpness } from "./grid-sharpness.js";
import { type RecipePart, recipeProfiles, recipeTree, resolveOver } from "./load.js";
import type { Recipe, Registries } from "./schema.js";
import { child, merge, plain, withEntry } from "./tree.js";
import { readYaml } from "./yaml.js";

const part = z.record(z.string(), z.unknown());
const scalar = z.union([z.string(), z.number(), z.boolean()]);

const gridOptions = z.strictObject({
  name: z
    .string()
    .regex(/^[\w.-]+$/)
    .describe("name of the results' folder"),
  title: z.string().optional().describe("heading of the page; default the name"),
  note: z.string().optional().describe("what the page's reader should know besides; default nothing"),
  recipe: z
    .string()
    .describe("what every cell is made of: a recipe's file, from this one's folder; its variants go unused"),
  over: part.default({}).describe("laid over the recipe in every cell; default nothing"),
  axes: z
    .record(z.string(), z.union([z.array(scalar), z.record(z.string(), part)]))
    .describe("the choices: parts of a recipe by label, or the values of a path of the recipe"),
  repeat: z.string().default("seed").describe("the choice whose cells repeat one another; default seed"),
  exclude: z.array(z.record(z.string(), scalar)).default([]).describe("combinations left out; default none"),
  sweeps: z
    .record(z.string(), z.record(z.string(), z.number()))
    .optional()
    .describe("numbers of labels, by choice: what is measured is drawn along them; default none"),
  sharpness: gridSharpness.optional().describe("what is measured of each cell's search; default nothing"),
  claims: z
    .strictObject({ axis: z.string(), base: z.string(), other: z.string() })
    .optional()
    .describe("labels of a choice, to hold `other` against `base` as the paper does; default none"),
});

/** One recipe of a grid. */
export interface Cell {
  readonly name: string;
  /** Label of each choice. */
  readonly at: Readonly<Record<string, string>>;
  readonly recipe: Recipe;
  /** Of a small dense network, which shares nothing with the other cells. */
  readonly control?: ControlData;
}

export interface Grid {
  readonly name: string;
  readonly title: string;
  /** The choice whose cells repeat one another. */
  readonly repeat: string;
  /** What all cells that have a pretraining begin with. */
  readonly dense: Recipe;
  readonly cells: readonly Cell[];
  /** Where searches were given equal passes. */
  readonly budget?: PassBudget;
  /** Choices among numbers: key, and the number of each label. */
  readonly sweeps?: Readonly<Record<string, Readonly<Record<string, number>>>>;
  /** What is measured of each cell's search. */
  readonly sharpness?: GridSharpness;
  readonly claims?: GridClaims;
  /** What the page's reader should know besides. */
  readonly note?: string;
}

export interface LoadGridOptions {
  readonly registries: Registries;
  /** A profile of the grid's, the recipe's or both, laid over each that has it; default none. */
  readonly profile?: string | undefined;
}

function readGrid(path: string, profile: string | undefined) {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    throw new UsageError(`grid: expected a YAML file, got ${path} (${(cause as Error).message})`, { cause });
  }
  let tree = readYaml(text, path);
  const profiles = child(tree, "profiles");
  if (tree.kind === "map") tree = withEntry(tree, "profiles", undefined);
  const own = profile === undefined ? undefined : child(profiles, profile);
  if (own !== undefined) tree = merge(tree, own);
  const known = profiles?.kind === "map" ? [...profiles.entries.keys()] : [];
  return { file: parseOptions(path, gridOptions, plain(tree) as z.input<typeof gridOptions>), known };
}

/**
 * Cells go on from one network, so what shaped it cannot differ, nor how they are measured; a cell without pretraining shares
 * images and measurement only.
 */
function checkShared(dense: Recipe, { name, recipe }: Cell): void {
  const of = ({ data, threat, model, evaluation, stages: { pretrain } }: Recipe) => ({
    ...{ data, threat, model, evaluation },
    stages: { pretrain },
  });
  const whole = recipe.stages.pretrain !== undefined;
  const cell = whole ? of(recipe) : { ...of(recipe), stages: of(dense).stages };
  const apart = differences(of(dense), cell).map(({ path }) => path);
  if (apart.length === 0) return;
  throw new UsageError(`grid: expected ${apart.join(", ")} to be the same in all cells, got another in ${name}`);
}

/** What a grid is made of, wherever it was written. */
export interface GridParts {
  readonly name: string;
  readonly title: string;
  readonly repeat: string;
  readonly points: readonly GridPoint[];
  /** The recipe of a cell of that name with these parts laid over it. */
  make(name: string, overs: readonly Over[]): Recipe;
}

/** Every recipe of a grid. Throws UsageError where cells cannot share a dense network, and what `make` throws. */
export function makeGrid({ name, title, repeat, points, make }: GridParts): Grid {
  const dense = make("dense", [{ stages: { search: null, finetune: null } }]);
  const cells = points.map((point) => ({ name: point.name, at: point.at, recipe: make(point.name, point.overs) }));
  for (const cell of cells) checkShared(dense, cell);
  return { name, title, repeat, dense, cells };
}

/** Choices and labels that are named outside of the axes must be in them. */
function checkLabels(points: readonly GridPoint[], sweeps: Grid["sweeps"] = {}, claims?: GridClaims): void {
  const named = Object.entries(sweeps).map(([axis, numbers]) => ["sweeps", axis, Object.keys(numbers)] as const);
  const all = [...named, ...(claims ? [["claims", claims.axis, [claims.base, claims.other]] as const] : [])];
  for (const [where, axis, labels] of all) {
    const known = new Set(points.flatMap(({ at }) => at[axis] ?? []));
    if (known.size === 0) throw unknownName(where, "choice", axis, Object.keys(points[0]?.at ?? {}));
    const wrong = labels.find((label) => !known.has(label));
    if (wrong !== undefined) throw unknownName(`${where} of ${axis}`, "label", wrong, [...known]);
  }
}

/** Reads a grid file and every recipe in it. Throws UsageError, and RecipeError where a cell is no good recipe. */
export function loadGrid(path: string, { registries, profile }: LoadGridOptions): Grid {
  const { file, known } = readGrid(path, profile);
  const base = join(dirname(path), file.recipe);
  const ofBase = recipeProfiles(base);
  if (profile !== undefined && !known.includes(profile) && !ofBase.includes(profile)) {
    throw unknownName("grid", "profile", profile, [...new Set([...known, ...ofBase])]);
  }
  const tree = recipeTree(base, { profile: ofBase.includes(profile ?? "") ? profile : undefined });
  const make = (name: string, overs: readonly Over[]): Recipe => {
    const where = (value: Over): RecipePart => ({ from: `${path} (${name})`, value });
    const over = [{ variants: null }, file.over, ...overs].map(where);
    // A part that has a name of its own would replace the recipe, not change it.
    return resolveOver(tree, { registries, over, set: [`name=${JSON.stringify(name)}`] });
  };
  const points = expandGrid(file.axes as Axes, { exclude: file.exclude });
  const { name, title = name, repeat, sweeps, sharpness, claims, note } = file;
  checkLabels(points, sweeps, claims);
  const grid = makeGrid({ name, title, repeat, points, make });
  const asked = { ...(sweeps && { sweeps }), ...(sharpness && { sharpness }), ...(claims && { claims }) };
  return { ...grid, ...asked, ...(note && { note }) };
}

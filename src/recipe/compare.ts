// A comparison as a grid: choices given on the command line instead of in a file, over one recipe and some seeds.
import type { GridClaims } from "../report/index.js";
import { expected, parseOptions, UsageError } from "../util/index.js";
import { type Choice, choiceOf, seedsOf } from "./compare-choices.js";
import { type Axes, expandGrid, type GridPoint, type Over } from "./grid.js";
import { type Grid, makeGrid } from "./grid-load.js";
import { type GridSharpness, gridSharpness } from "./grid-sharpness.js";
import { recipeTree, resolveOver } from "./load.js";
import { RecipeError } from "./problem.js";
import type { Recipe, Registries } from "./schema.js";
import { child, plain } from "./tree.js";
import { readValue } from "./yaml.js";

export interface CompareOptions {
  readonly registries: Registries;
  /** `key=value,value` each. */
  readonly grid: readonly string[];
  /** How many, or which: `3`, `1,5`. */
  readonly seeds: string;
  readonly set?: readonly string[] | undefined;
  readonly profile?: string | undefined;
  /** Leaves out combinations that are no good recipes, instead of refusing them all. */
  readonly skipInvalid?: boolean | undefined;
  /** What is measured of each search: the `sharpness` of a grid file, `true` for its defaults; default nothing. */
  readonly sharpness?: string | true | undefined;
  /** Two labels of a choice, `plain,s2ap`: whether the paper's claims hold of the second against the first. */
  readonly claims?: string | undefined;
}

export interface CompareGrid extends Grid {
  /** Combinations that were left out, and why. */
  readonly skipped: readonly Skipped[];
}

export interface Skipped {
  readonly name: string;
  readonly reason: string;
}

/** Factories before their options, so that an option is laid over the factory that the cell has. */
const byKind = ({ key: a }: Choice, { key: b }: Choice) => Number(b.endsWith(".name")) - Number(a.endsWith(".name"));

function choicesOf(
  path: string,
  options: CompareOptions,
): { readonly choices: Choice[]; readonly tree: ReturnType<typeof recipeTree> } {
  const { registries, grid, set, profile } = options;
  const tree = recipeTree(path, { profile, ...(set && { set }) });
  const choices = grid.map((text) => choiceOf(text, tree, registries)).sort(byKind);
  const twice = choices.find(({ key }, i) => key === "seed" || choices.findIndex((other) => other.key === key) < i);
  if (twice !== undefined) {
    const cure = twice.key === "seed" ? "seeds by --seeds" : "each key once, with all its values";
    throw new UsageError(`--grid: expected ${cure}, got ${twice.key}${twice.key === "seed" ? "" : " twice"}`);
  }
  return { choices, tree };
}

/** What is wrong with a point, if anything. */
function reasonAgainst(point: GridPoint, make: (name: string, overs: readonly Over[]) => Recipe): string | undefined {
  try {
    make(point.name, point.overs);
    return undefined;
  } catch (error) {
    if (error instanceof RecipeError) return error.problems.map(({ text }) => text).join("; ");
    throw error;
  }
}

function refuse(wrong: readonly Skipped[], of: number): never {
  const lines = wrong.map(({ name, reason }) => `  ${name}: ${reason}`);
  const cure = "nothing was run; --skip-invalid leaves them out";
  throw new UsageError(
    `compare: expected combinations that are good recipes, got ${wrong.length} of ${of} that are not (${cure}):\n${lines.join("\n")}`,
    { code: "usage/compare" },
  );
}

/** `{ images: 64 }` as a grid file's `sharpness`. */
function sharpnessOf(text: string | true): GridSharpness {
  const read = text === true ? {} : plain(readValue(text, `--sharpness ${text}`, []));
  if (typeof read === "object" && read !== null && !Array.isArray(read)) {
    return parseOptions("--sharpness", gridSharpness, read as object);
  }
  throw new UsageError(expected("--sharpness", "options as '{images: 64, only: [worst]}', or nothing", text));
}

/** The choice that has both labels. */
function claimsOf(text: string, points: readonly GridPoint[]): GridClaims {
  const [base = "", other = "", ...more] = text.split(",");
  const axes = Object.keys(points[0]?.at ?? {}).filter((axis) => axis !== "seed");
  const labels = (axis: string) => [...new Set(points.flatMap(({ at }) => at[axis] ?? []))];
  const axis = axes.find((name) => base !== other && [base, other].every((label) => labels(name).includes(label)));
  if (axis !== undefined && more.length === 0) return { axis, base, other };
  const known = axes.map((name) => `${name}: ${labels(name).join(", ")}`).join("; ");
  const wanted = `two labels of one --grid, the second to be held against the first (${known || "there is no --grid"})`;
  throw new UsageError(expected("--claims", wanted, text));
}

/** The grid that the options of `s2ap compare` mean. Every combination is checked here; wrong ones are all named. */
export function compareGrid(path: string, options: CompareOptions): CompareGrid {
  const { registries, skipInvalid = false } = options;
  const { choices, tree } = choicesOf(path, options);
  const seeds = seedsOf(options.seeds);
  const make = (name: string, overs: readonly Over[]): Recipe => {
    const over = [{ variants: null }, ...overs].map((value) => ({ from: `--grid (${name})`, value }));
    return resolveOver(tree, { registries, over, set: [`name=${JSON.stringify(name)}`] });
  };
  // Seeds make no combination better or worse.
  const axes: Axes = Object.fromEntries(choices.map(({ key, values }) => [key, values]));
  const recipeName = String(plain(child(tree, "name") as never));
  const combinations = choices.length === 0 ? [{ name: recipeName, at: {}, overs: [] }] : expandGrid(axes);
  const judged = combinations.map((point) => ({ point, reason: reasonAgainst(point, make) }));
  const wrong = judged.flatMap(({ point: { name }, reason }) => (reason === undefined ? [] : [{ name, reason }]));
  const good = judged.filter(({ reason }) => reason === undefined).map(({ point }) => point);
  if (wrong.length > 0 && (!skipInvalid || good.length === 0)) refuse(wrong, judged.length);
  const points = good.flatMap(({ name, at, overs }) =>
    seeds.map((seed) => ({ name: `${name}-${seed}`, at: { ...at, seed: String(seed) }, overs: [...overs, { seed }] })),
  );
  const parts = { name: `${recipeName}-compare`, title: `Comparison over ${recipeName}`, repeat: "seed", points, make };
  const numeric = choices.filter(({ numbers, values }) => Object.keys(numbers).length === Object.keys(values).length);
  const sweeps = Object.fromEntries(numeric.map(({ key, numbers }) => [key, numbers]));
  const { sharpness, claims } = options;
  return {
    ...{ ...makeGrid(parts), sweeps, skipped: wrong },
    ...(sharpness !== undefined && { sharpness: sharpnessOf(sharpness) }),
    ...(claims !== undefined && { claims: claimsOf(claims, points) }),
  };
}

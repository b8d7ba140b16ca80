import { type AnyEntry, checkOptions, type Problem, UsageError } from "../util/index.js";
import { locateProblem, type RecipeProblem } from "./problem.js";
import type { Registries } from "./schema.js";
import { locate, type Node, type Path } from "./tree.js";

/** A part of a recipe that may be wrong in other ways: checks look at what is there and say nothing of the rest. */
function inside(value: unknown, ...path: Path): unknown {
  return path.reduce<unknown>(
    (v, key) => (typeof v === "object" && v !== null ? (v as Record<string, unknown>)[key] : undefined),
    value,
  );
}

/** What a part of the recipe names, built; `undefined` when its options are wrong, which the schema has said already. */
function build<T>(rows: Registries["methods" | "gradients" | "weightGradients"], part: unknown): T | undefined {
  const { name, ...options } = (part ?? {}) as Record<string, unknown>;
  if (typeof name !== "string" || !rows.has(name)) return undefined;
  const row = rows.get(name) as AnyEntry<Readonly<Record<string, never>>, unknown>;
  const checked = checkOptions(row.options, options);
  return checked.ok ? (row.create(checked.value, {}) as T) : undefined;
}

/** A method that learns its scores needs epochs; one that does not must have none, or they would be wasted silently. */
function searchEpochs(search: unknown, known: Registries): Problem[] {
  const method = build<{ readonly searches: boolean }>(known.methods, inside(search, "method"));
  const got = inside(search, "epochs");
  const epochs = got ?? 0;
  if (method === undefined || typeof epochs !== "number" || epochs < 0) return [];
  const name = String(inside(search, "method", "name"));
  const path = ["stages", "search", "epochs"];
  if (method.searches && epochs === 0) return [{ kind: "value", path, phrase: `>= 1, which ${name} needs`, got }];
  if (method.searches || epochs === 0) return [];
  return [{ kind: "value", path, phrase: `to be 0, as ${name} has no search`, got }];
}

/** Finetuning trains what a mask keeps, and only the search stage makes masks. */
function order(stages: unknown): Problem[] {
  if (inside(stages, "finetune") === undefined || inside(stages, "search") !== undefined) return [];
  return [{ kind: "value", path: ["stages", "finetune"], phrase: "to come after a search", got: "no search" }];
}

/** Only a method that draws the weights it searches in can draw others to finetune. */
function redraw(stages: unknown, known: Registries): Problem[] {
  const got = inside(stages, "finetune", "weights");
  const method = build<{ readonly initWeights?: unknown }>(known.methods, inside(stages, "search", "method"));
  if (got !== "redraw" || method === undefined || method.initWeights !== undefined) return [];
  const name = String(inside(stages, "search", "method", "name"));
  const phrase = `to be inherit, as ${name} prunes the network's own weights`;
  return [{ kind: "value", path: ["stages", "finetune", "weights"], phrase, got }];
}

/** Where a stage's gradient is named, and among which. */
type GradientPlace = readonly [
  stage: string,
  key: "gradient" | "weightGradient",
  rows: keyof Registries & `${string}radients`,
];

const GRADIENTS: readonly GradientPlace[] = [
  ["pretrain", "weightGradient", "weightGradients"],
  ["search", "gradient", "gradients"],
  ["finetune", "weightGradient", "weightGradients"],
];

/** What a gradient has to say about the length of its stage, e.g. that its warm-up covers all of it. */
function gradientLength(
  [stage, key, rows]: GradientPlace,
  stages: unknown,
  whole: Node,
  known: Registries,
): RecipeProblem[] {
  const epochs = inside(stages, stage, "epochs");
  const part = inside(stages, stage, key);
  const gradient = build<{ warmup(epochs: number): number }>(known[rows], part);
  if (gradient === undefined || typeof epochs !== "number" || epochs < 1) return [];
  try {
    gradient.warmup(epochs);
    return [];
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    // The factory speaks of one of its options: point at that, or at the gradient when it is left to its default.
    const option = Object.keys(part as object).find((key) => new RegExp(`\\b${key}\\b`).test(error.message));
    const path = ["stages", stage, key, ...(option === undefined ? [] : [option])];
    return [{ place: locate(whole, path).place, text: error.message.replace(/^[\w-]+: /, "") }];
  }
}

/** What no schema of a single field can say; `value` is `whole` without its places. */
export function crossChecks(whole: Node, value: unknown, known: Registries): RecipeProblem[] {
  const stages = inside(value, "stages");
  const search = inside(stages, "search");
  const problems = [...searchEpochs(search, known), ...order(stages), ...redraw(stages, known)];
  const lengths = GRADIENTS.flatMap((place) => gradientLength(place, stages, whole, known));
  return [...problems.map((problem) => locateProblem(whole, problem)), ...lengths];
}

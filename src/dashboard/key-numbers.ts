import type { Manifest } from "../run/index.js";
import type { KeyNumbers } from "./api.js";
import type { RunLog } from "./run-log.js";

const textOf = (value: unknown): string | null => (typeof value === "string" ? value : null);
const named = (value: unknown): string | null => textOf((value as { name?: unknown } | null | undefined)?.name);

/** Names that a resolved recipe gives: the method and the gradient of the search, and the network. */
function recipeNames(recipe: unknown): Pick<KeyNumbers, "method" | "gradient" | "model"> {
  const { stages, model } = (recipe ?? {}) as {
    stages?: { search?: unknown } | null;
    model?: { arch?: unknown } | null;
  };
  const search = stages?.search as { method?: unknown; gradient?: unknown } | null | undefined;
  return {
    method: named(search?.method),
    gradient: named(search?.gradient),
    model: textOf(model?.arch),
  };
}

/** The norm of the threat of a resolved recipe. */
const normOf = (recipe: unknown): string | null =>
  textOf((recipe as { threat?: { norm?: unknown } | null } | null | undefined)?.threat?.norm);

/** The numbers of the list: of the last attack on the finished network, or else of held-out images in the newest epoch. */
export function keyNumbers(log: RunLog, { recipe, data }: Partial<Pick<Manifest, "recipe" | "data">> = {}): KeyNumbers {
  const attacked = log.evaluations.findLast(({ attack }) => attack !== "clean");
  const clean = log.evaluations.findLast(({ attack }) => attack === "clean");
  const epoch = log.stages.findLast(({ epochLog }) => epochLog.length > 0)?.epochLog.at(-1);
  const sparsity = log.stages.flatMap(({ epochLog }) => epochLog).findLast((each) => each.sparsity !== undefined);
  return {
    ...recipeNames(recipe),
    sparsity: sparsity?.sparsity?.total ?? null,
    cleanAccuracy: attacked?.cleanAccuracy ?? clean?.cleanAccuracy ?? epoch?.cleanAccuracy ?? null,
    robustAccuracy: attacked?.robustAccuracy ?? (clean === undefined ? (epoch?.robustAccuracy ?? null) : null),
    interval: attacked?.interval ?? null,
    attack: attacked?.attack ?? null,
    norm: attacked === undefined ? null : normOf(recipe),
    eps: attacked?.eps ?? null,
    dataHash: data?.sha256 ?? null,
    examples: attacked?.examples ?? clean?.examples ?? epoch?.selectionExamples ?? null,
  };
}

// The states that a search has kept in its run folder, as points of score space.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { type Crafter, crafterOf, type ScorePoint, type States } from "../evaluation/index.js";
import type { RobustLoss } from "../losses/index.js";
import type { Model } from "../models/index.js";
import { disposeParams, mapParams, type Params, pick } from "../nn/index.js";
import type { Method, MethodState } from "../pruning/index.js";
import { readManifest } from "../run/index.js";
import { ops, scope } from "../torch/index.js";
import { keptEpochs, loadGroups, loadScores } from "../train/index.js";
import { DataError, expected, rng, UsageError } from "../util/index.js";
import { buildLoss, buildMethod, buildModel, buildThreat, selectionAttack } from "./build.js";
import { completed } from "./completed.js";
import type { Recipe } from "./schema.js";

export type FloatType = "float32" | "float64";

/** Disposing of it frees the network that it holds. */
export interface SearchStates extends Disposable {
  readonly recipe: Recipe;
  /** The search's. */
  readonly loss: RobustLoss;
  /** Epochs that are kept, by epochs done: 0 is the start. */
  readonly kept: readonly number[];
  /** Those of `kept` in this arithmetic. */
  states(epochs: readonly number[], dtype: FloatType): States;
}

function recipeOf(folder: string): { readonly name: string; readonly recipe: Recipe } {
  const { name, recipe } = readManifest(folder);
  const found = completed(recipe) as Recipe | null;
  if (found?.stages?.search !== undefined) return { name, recipe: found };
  throw new DataError(`${folder}: expected a run whose recipe has a search, got one without`, {
    code: "data/no-search",
  });
}

/** The weights that the search left frozen, of a search that is finished. */
function frozenWeights(folder: string, { prunable }: Model): Params {
  const path = join(folder, "checkpoints", "search.safetensors");
  if (!existsSync(path)) {
    throw new DataError(expected(path, "the result of a finished search", "nothing there: run the recipe on"), {
      code: "data/unfinished-stage",
    });
  }
  const { groups } = loadGroups(path);
  const weights = pick(groups.get("params") ?? new Map(), prunable);
  const kept = new Set(weights.values());
  for (const group of groups.values()) for (const tensor of group.values()) if (!kept.has(tensor)) tensor.dispose();
  return weights;
}

/** How scores stand for weights: a matter of shapes, so that of a fresh state is that of any. */
function layoutOf(method: Method, model: Model): MethodState["layout"] {
  const ones = () => mapParams(pick(model.params, model.prunable), (weight) => ops.onesLike(weight));
  return scope(() => {
    const { layout, scores, trained } = method.init(model, rng(0), ones);
    disposeParams(scores, trained ?? new Map());
    return layout;
  });
}

/** Copies in this arithmetic, which the caller's scope owns; the originals are freed. */
function moved(params: Params, dtype: FloatType): Params {
  const copies = mapParams(params, (tensor) => ops.asType(tensor, { dtype }));
  disposeParams(params);
  return copies;
}

/** Opens the kept states of a run folder. DataError where there are none, with what to do. */
export function openSearch(folder: string): SearchStates {
  const { name, recipe } = recipeOf(folder);
  const search = recipe.stages.search as NonNullable<Recipe["stages"]["search"]>;
  const kept = keptEpochs(folder);
  if (kept.length === 0) {
    const cure = "search again without `keepScores: none`, into a new folder";
    throw new DataError(`${folder}: expected the scores of some epochs in scores/, got none: ${cure}`, {
      code: "data/no-scores",
    });
  }
  const model = buildModel(recipe.model, recipe.seed);
  const weights = frozenWeights(folder, model);
  const method = buildMethod(search.method);
  const layout = layoutOf(method, model);
  const open = (epoch: number, dtype: FloatType): ScorePoint => {
    const found = loadScores(folder, epoch);
    const { numbers } = found;
    const [scores, trained] = [moved(found.scores, dtype), moved(found.trained, dtype)];
    const learned = new Map([...mapParams(weights, (w) => ops.asType(w, { dtype })), ...moved(found.params, dtype)]);
    return {
      model,
      params: pick(learned, model.params.keys()),
      buffers: moved(found.buffers, dtype),
      method,
      state: { scores, trained, numbers, layout },
    };
  };
  return {
    recipe,
    loss: buildLoss(search.loss, buildThreat(recipe)),
    kept,
    states: (epochs, dtype) => ({ run: name, epochs, open: (epoch) => open(epoch, dtype) }),
    [Symbol.dispose]: () => disposeParams(weights, model.params, model.buffers),
  };
}

/** Epochs of `start,end`, `all` or `0,5,20`, among those that are kept; `where` they were named. */
export function chosenEpochs(where: string, text: string, kept: readonly number[]): number[] {
  if (text.trim() === "all") return [...kept];
  const chosen = text.split(",").map((part) => {
    const word = part.trim();
    if (word === "start") return kept[0] as number;
    if (word === "end") return kept.at(-1) as number;
    const number = word === "" ? Number.NaN : Number(word);
    if (kept.includes(number)) return number;
    const known = `start, end, all, or epochs that the run has kept (${kept.join(", ")}; more with keepScores)`;
    throw new UsageError(expected(where, known, word));
  });
  return [...new Set(chosen)].sort((a, b) => a - b);
}

/** What makes the search's own adversarial examples. A loss that replays its batches has none: it needs those of the step before. */
export function searchCrafter({ recipe, loss }: SearchStates): Crafter {
  return crafterOf(loss.replay === undefined ? loss : selectionAttack(buildThreat(recipe)));
}

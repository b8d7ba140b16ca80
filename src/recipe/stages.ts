// One run folder: its stages in order, each from what the one before left, and the files at the end.
import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { accuracy } from "../attacks/index.js";
import type { Splits } from "../data/index.js";
import { bindNetwork, type Model, withState } from "../models/index.js";
import { pick } from "../nn/index.js";
import { applyMasks, type Masks, type Method } from "../pruning/index.js";
import { type Run, STAGES, type Stage } from "../run/index.js";
import { keep, ops, type Precision, scope } from "../torch/index.js";
import {
  assertFits,
  finetune,
  type History,
  pretrain,
  type StageOptions,
  type StageProgress,
  StoppedError,
  search,
  type WeightStageOptions,
} from "../train/index.js";
import { DataError, expected, rng, sha256, UsageError } from "../util/index.js";
import {
  buildGradient,
  buildLoss,
  buildMethod,
  buildOptimizer,
  buildThreat,
  buildWeightGradient,
  selectionAttack,
} from "./build.js";
import { loadModel } from "./model-file.js";
import type { FinetuneRecipe, Recipe, StageRecipe, WeightStageRecipe } from "./schema.js";

export interface StagesContext {
  readonly recipe: Recipe;
  readonly run: Run;
  readonly splits: Splits;
  readonly precision: Precision;
  /** Stages to do; the others' results are taken from the folder. */
  readonly stages: readonly Stage[];
  readonly initial: Model;
  /** Stages that `initial` has behind it, so that their results need not be there; none of fresh weights. */
  readonly given: readonly Stage[];
  /** Bytes that a stage may take; default: what machine or container have free. */
  readonly availableMemory?: number | undefined;
  readonly shouldStop?: (() => boolean) | undefined;
  readonly onProgress?: ((progress: StageProgress) => void) | undefined;
  readonly onWarning?: ((message: string) => void) | undefined;
}

/** What the stages made of the network. */
export interface StagesOutcome {
  readonly model: Model;
  /** Before it was pruned: as pretrained, or as given. */
  readonly dense: Model;
  readonly masks: Masks | undefined;
  /** Of the masked network on `selection`, before finetuning. */
  readonly maskRobustAccuracy: number | null;
  readonly searchHistory: History;
}

export type Setting = Pick<StagesContext, "recipe" | "splits" | "precision" | "availableMemory">;

export function optionsOf(context: Setting & Partial<StagesContext>, stage: StageRecipe): StageOptions {
  const { recipe, run, splits, precision, shouldStop, onProgress, onWarning, availableMemory } = context;
  const threat = buildThreat(recipe);
  return {
    train: splits.train,
    selection: recipe.selectOn === "test" ? splits.test : splits.selection,
    loss: buildLoss(stage.loss, threat),
    optimizer: buildOptimizer(stage.optimizer),
    epochs: stage.epochs,
    batches: stage.batches,
    choose: stage.choose,
    overfittingAlarm: stage.overfittingAlarm,
    selectionAttack: selectionAttack(threat),
    seed: recipe.seed,
    run,
    precision,
    shouldStop,
    onProgress,
    onWarning,
    availableMemory,
  };
}

/** What pretraining and finetuning have besides. */
export function weightOptionsOf(
  context: Setting & Partial<StagesContext>,
  stage: WeightStageRecipe,
): WeightStageOptions {
  const { weightGradient, ema } = stage;
  return {
    ...optionsOf(context, stage),
    weightGradient: weightGradient && buildWeightGradient(weightGradient),
    ema,
  };
}

/** Asks of every stage whether it fits in memory and its loss its labels; `model` is any network of the recipe's kind. */
export function assertAllFit(setting: Setting, model: Model): void {
  for (const stage of STAGES) {
    const found = setting.recipe.stages[stage];
    if (found === undefined || found.epochs === 0) continue;
    const { distill } = stage === "finetune" ? (found as FinetuneRecipe) : {};
    const options = { ...weightOptionsOf(setting, found), distill: distill && { ...distill, teacher: model } };
    assertFits(stage, model, options, { saves: true });
  }
}

/** Masks of a network that is already sparse: where its prunable weights are not zero. */
export function masksOfZeros(model: Model): Masks {
  return keep(
    scope(
      () =>
        new Map(Array.from(pick(model.params, model.prunable), ([name, w]) => [name, ops.to(ops.ne(w, 0), w.dtype)])),
    ),
    { forever: true },
  );
}

/** Robust accuracy on `selection` of the network with its masks applied. */
function maskAccuracy(model: Model, masks: Masks, options: StageOptions): number {
  return scope(() => {
    const masked = withState(model, { params: applyMasks(model.params, masks) });
    const { victim } = bindNetwork(masked, masked);
    const attack = selectionAttack(options.loss.threat);
    const poll = () => {
      if (options.shouldStop?.()) throw new StoppedError("search");
    };
    return accuracy(victim, options.selection, attack, { rng: rng(options.seed ?? 0, "mask"), poll }).robustAccuracy;
  });
}

const isDone = (run: Run, stage: Stage) => existsSync(run.path("checkpoints", `${stage}.safetensors`));

/** A stage that begins with fresh weights where the recipe has trained ones would give numbers that mean nothing. */
function requireEarlier({ recipe, run, stages, given }: StagesContext): void {
  const first = STAGES.findIndex((stage) => stages.includes(stage));
  const missing = STAGES.slice(0, Math.max(first, 0)).filter(
    (stage) => recipe.stages[stage] !== undefined && !given.includes(stage) && !isDone(run, stage),
  );
  if (missing.length === 0) return;
  throw new UsageError(
    `${STAGES[first]}: expected the result of ${missing.join(" and ")} in ${run.folder}, got none: run that first, or name a network with --from`,
    { code: "usage/missing-stage" },
  );
}

/** The method that draws new weights to finetune, where the recipe wants them. */
export function redrawBy({ stages: { search: searching, finetune: finetuning } }: Recipe): Method | undefined {
  return finetuning?.weights === "redraw" && searching ? buildMethod(searching.method) : undefined;
}

/** A teacher is the network that was pruned: as pretrained here, or as given where it is then searched here. */
function requireTeacher({ recipe, run, stages, given }: StagesContext): void {
  if (recipe.stages.finetune?.distill === undefined || !stages.includes("finetune")) return;
  const wanted = (stage: Stage) => recipe.stages[stage] !== undefined && (stages.includes(stage) || isDone(run, stage));
  if (wanted("pretrain") || (given.includes("pretrain") && wanted("search"))) return;
  throw new UsageError(expected("stages.finetune.distill", "a pretrained network to learn from", "none"), {
    code: "usage/no-teacher",
  });
}

/** Runs the stages that are asked for; a stage whose result lies in the folder is taken from there. */
export async function runStages(context: StagesContext): Promise<StagesOutcome> {
  const { recipe, run, stages, initial } = context;
  requireEarlier(context);
  requireTeacher(context);
  const { pretrain: first, search: second, finetune: third } = recipe.stages;
  let model = initial;
  let masks: Masks | undefined;
  let maskRobustAccuracy: number | null = null;
  let searchHistory: History = [];
  const wanted = (stage: Stage) => stages.includes(stage) || isDone(run, stage);
  if (first && wanted("pretrain")) model = await pretrain(model, weightOptionsOf(context, first));
  const dense = model;
  if (second && wanted("search")) {
    const options = optionsOf(context, second);
    const searched = await search(model, {
      ...options,
      method: buildMethod(second.method),
      gradient: buildGradient(second.gradient),
      freezeBatchNorm: second.freezeBatchNorm,
      recalibrate: second.recalibrate,
      keepScores: second.keepScores,
      keepMasks: second.keepMasks,
    });
    ({ model, masks } = searched);
    searchHistory = searched.history;
    maskRobustAccuracy = maskAccuracy(model, masks, options);
  }
  if (third && wanted("finetune")) {
    masks ??= masksOfZeros(model);
    model = await finetune(model, {
      ...weightOptionsOf(context, third),
      masks,
      redraw: redrawBy(recipe),
      distill: third.distill && { ...third.distill, teacher: dense },
    });
  } else if (masks) {
    const pruned = masks;
    model = withState(model, {
      params: keep(
        scope(() => applyMasks(model.params, pruned)),
        { forever: true },
      ),
    });
  }
  return { model, dense, masks, maskRobustAccuracy, searchHistory };
}

/** Which stages a call does: all of the recipe's, or one; with a network to begin with, pretraining is done already. */
export function chooseStages(
  recipe: Recipe,
  options: { readonly only?: Stage | undefined; readonly from?: string | undefined },
): Stage[] {
  const { only, from } = options;
  const has = STAGES.filter((stage) => recipe.stages[stage] !== undefined);
  if (only === undefined) return from === undefined ? has : has.filter((stage) => stage !== "pretrain");
  if (!has.includes(only)) {
    throw new UsageError(`--only: expected a stage of the recipe (${has.join(", ")}), got '${only}'`);
  }
  return [only];
}

/** A network file by its content. */
export interface GivenNetwork {
  readonly file: string;
  readonly sha256: string;
}

/** The file that `--from` names: itself, or of a run folder its model, else what its last finished stage left. */
function networkFile(from: string): string {
  const results = STAGES.toReversed().map((stage) => join(from, "checkpoints", `${stage}.safetensors`));
  return [join(from, "model.safetensors"), ...results].find(existsSync) ?? from;
}

export function initialModel(from: string, wanted: Recipe["model"]): Model {
  return loadModel(networkFile(from), wanted);
}

export function givenNetwork(from: string): GivenNetwork {
  const file = networkFile(from);
  if (!existsSync(file))
    throw new DataError(`--from: expected a model file, got nothing at ${file}`, { code: "data/missing" });
  if (statSync(file).isDirectory())
    throw new DataError(`--from: expected a run folder with a finished stage, got ${file}`, { code: "data/missing" });
  return { file, sha256: sha256(readFileSync(file)) };
}

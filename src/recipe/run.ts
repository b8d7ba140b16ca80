// A recipe from beginning to end: one run folder, or an experiment of several that share a pretrained network.
import { existsSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import type { Splits } from "../data/index.js";
import { attackedImages, evaluate, type Measured } from "../evaluation/index.js";
import type { Model } from "../models/index.js";
import { measureSparsity } from "../pruning/index.js";
import { writeReport } from "../report/index.js";
import { lockFolder, openRun, type Run, type RunEvent, readEvents, STAGES, type Stage } from "../run/index.js";
import { blas, type Precision, torchVersion } from "../torch/index.js";
import { rewind, type StageProgress, StoppedError } from "../train/index.js";
import { makeFolder, UsageError, writeFileAtomic } from "../util/index.js";
import { buildData, buildEvaluation, buildModel, buildThreat, choosePrecision } from "./build.js";
import { loadModel, saveMasks, saveModel } from "./model-file.js";
import { type Row, rowOf } from "./row.js";
import type { Recipe, ResolvedRecipe } from "./schema.js";
import {
  chooseStages,
  type GivenNetwork,
  givenNetwork,
  initialModel,
  runStages,
  type StagesOutcome,
} from "./stages.js";

/** What is going on, for whoever shows it. */
export type RunUpdate =
  | { readonly kind: "message"; readonly text: string }
  | { readonly kind: "warning"; readonly text: string }
  | { readonly kind: "progress"; readonly run: string; readonly progress: StageProgress }
  | { readonly kind: "event"; readonly run: string; readonly event: RunEvent }
  | {
      readonly kind: "evaluation";
      readonly run: string;
      readonly attack: string;
      readonly done: number;
      readonly of: number;
      readonly robust: number;
    };

export interface RunRecipeOptions {
  /** The run folder, or with variants the folder of run folders. */
  readonly out: string;
  /** Do this stage only; earlier ones must lie in the folder, or come by `from`. */
  readonly only?: Stage | undefined;
  /** Begin with this network (a model file or a run folder) instead of fresh weights. */
  readonly from?: string | undefined;
  /** Asked before every step and attack step. */
  readonly shouldStop?: (() => boolean) | undefined;
  readonly onUpdate?: ((update: RunUpdate) => void) | undefined;
}

export interface RunOutcome {
  readonly out: string;
  readonly rows: readonly Row[];
  /** Path of the report. */
  readonly report: string;
}

interface Shared {
  readonly options: RunRecipeOptions;
  readonly splits: Splits;
  readonly precision: Precision;
}

interface Single {
  readonly recipe: Recipe;
  readonly folder: string;
  /** Name in tables. */
  readonly name: string;
  readonly stages: readonly Stage[];
  readonly initial: () => Model;
  /** `initial` is a trained network. */
  readonly given: boolean;
  /** The file it came from: part of what the run folder holds the run to. */
  readonly from?: GivenNetwork | undefined;
  /** The caller holds the folder's lock. */
  readonly locked: boolean;
}

function measureAll(model: Model, { recipe, name }: Single, run: Run, { options, splits }: Shared): Measured[] {
  const threat = buildThreat(recipe);
  const poll = () => {
    if (options.shouldStop?.()) throw new StoppedError("evaluation");
  };
  return recipe.evaluation.map((item) => {
    const measured = evaluate(model, splits.test, buildEvaluation(item, threat), {
      examples: item.examples,
      seed: recipe.seed,
      shouldStop: poll,
      onProgress: (progress) => options.onUpdate?.({ kind: "evaluation", run: name, attack: item.name, ...progress }),
    });
    const { cleanInterval: _cleanInterval, norm: _norm, ...event } = measured;
    run.append({ type: "evaluation", ...event });
    return measured;
  });
}

function finishRun(single: Single, run: Run, outcome: StagesOutcome, shared: Shared): Row {
  const { model, masks } = outcome;
  rewind(run);
  const measured = measureAll(model, single, run, shared);
  const sparsity = measureSparsity(model.params, model.prunable);
  saveModel(run.path("model.safetensors"), model, { sparsity: String(sparsity.total) });
  if (masks) saveMasks(run.path("masks.safetensors"), masks);
  const row = rowOf(single.name, single.recipe, {
    outcome,
    measured,
    sparsity: sparsity.total,
    events: readEvents(run.folder),
  });
  writeFileAtomic(
    run.path("results.json"),
    `${JSON.stringify({ format: 1, name: single.name, rows: [row] }, null, 2)}\n`,
  );
  return row;
}

interface Finished {
  readonly row: Row | undefined;
  readonly model: Model;
}

function readRow(folder: string): Row | undefined {
  const path = join(folder, "results.json");
  if (!existsSync(path)) return undefined;
  return (JSON.parse(readFileSync(path, "utf8")) as { rows: Row[] }).rows[0];
}

/** The row is there once the recipe's last stage is done. */
async function runSingle(single: Single, shared: Shared): Promise<Finished> {
  const { recipe, folder, name, stages } = single;
  const { options, splits, precision } = shared;
  const versions = { torch: torchVersion(), precision };
  const { source: data } = splits.train.dataset;
  const onEvent = (event: RunEvent) => options.onUpdate?.({ kind: "event", run: name, event });
  using run = openRun(folder, {
    seed: recipe.seed,
    name,
    recipe: single.from === undefined ? recipe : { ...recipe, from: single.from },
    versions,
    data: { ...data },
    locked: single.locked,
    onEvent,
  });
  const done = readRow(folder);
  if (done && options.only === undefined) {
    run.update({ status: "done" });
    return { row: done, model: loadModel(run.path("model.safetensors")) };
  }
  try {
    const outcome = await runStages({
      recipe,
      run,
      splits,
      precision,
      stages,
      initial: single.initial(),
      given: single.given,
      shouldStop: options.shouldStop,
      onProgress: (progress) => options.onUpdate?.({ kind: "progress", run: name, progress }),
      onWarning: (text) => options.onUpdate?.({ kind: "warning", text }),
    });
    const last = STAGES.findLast((stage) => recipe.stages[stage] !== undefined);
    const whole = options.only === undefined || options.only === last;
    const row = whole ? finishRun(single, run, outcome, shared) : undefined;
    run.update({ status: whole ? "done" : "stopped" });
    return { row, model: outcome.model };
  } catch (error) {
    run.update({ status: error instanceof StoppedError ? "stopped" : "failed" });
    throw error;
  }
}

/** A variant goes on from the shared network, so its own recipe has no pretraining left to do. */
function variantRuns(variants: Readonly<Record<string, Recipe>>, options: RunRecipeOptions, dense: Model): Single[] {
  return Object.entries(variants).map(([name, recipe]) => ({
    recipe,
    name,
    folder: join(options.out, name),
    stages: chooseStages(recipe, { only: options.only, from: "dense" }),
    initial: () => dense,
    given: true,
    locked: false,
  }));
}

async function runVariants(recipe: ResolvedRecipe, shared: Shared): Promise<Row[]> {
  const { options, splits } = shared;
  const { variants = {}, ...base } = recipe;
  const from = options.from;
  const stages = chooseStages(base, { from });
  const initial = () => (from === undefined ? buildModel(base.model, base.seed) : initialModel(from));
  const dense = await runSingle(
    {
      recipe: base,
      name: "dense",
      folder: join(options.out, "dense"),
      stages,
      initial,
      given: from !== undefined,
      locked: false,
    },
    shared,
  );
  const rows: Row[] = [];
  const collect = (row: Row | undefined, run: string) => row && rows.push({ ...row, run });
  collect(dense.row, "dense");
  const networks = new Map([["dense", dense.model]]);
  for (const single of options.only === "pretrain" ? [] : variantRuns(variants, options, dense.model)) {
    const { row, model } = await runSingle(single, shared);
    collect(row, relative(options.out, single.folder));
    networks.set(single.name, model);
  }
  const item = [...base.evaluation].reverse().find(({ name }) => name !== "clean");
  const attack = item && buildEvaluation(item, buildThreat(base));
  if (attack) {
    const images = await attackedImages(networks, splits.test, attack, { seed: base.seed });
    writeFileAtomic(join(options.out, "images.json"), JSON.stringify(images));
  }
  writeFileAtomic(
    join(options.out, "results.json"),
    `${JSON.stringify({ format: 1, name: base.name, rows }, null, 2)}\n`,
  );
  return rows;
}

/**
 * Runs a recipe into `out` and writes its report. A second call goes on where the first was stopped or killed, and
 * gives what is there when it was finished.
 */
export async function runRecipe(recipe: ResolvedRecipe, options: RunRecipeOptions): Promise<RunOutcome> {
  const { out, onUpdate } = options;
  if (existsSync(join(out, "run.json")) && recipe.variants) {
    throw new UsageError(`${out}: expected a folder for the run folders of an experiment, got a run folder`);
  }
  makeFolder(out);
  using _lock = lockFolder(out);
  const { precision, note } = choosePrecision(recipe);
  if (note !== undefined) onUpdate?.({ kind: "message", text: note });
  const { path, isReference } = blas();
  if (isReference) {
    const text = `${path} is the slow reference BLAS, about 25 times slower than OpenBLAS: apt-get install libopenblas0-openmp`;
    onUpdate?.({ kind: "warning", text });
  }
  const splits = await buildData(recipe, (text) => onUpdate?.({ kind: "message", text }));
  const shared = { options, splits, precision };
  const rows = recipe.variants ? await runVariants(recipe, shared) : await runWhole(recipe, shared);
  const report = join(out, "report.html");
  writeReport([out], { html: report, markdown: join(out, "report.md") });
  return { out, rows, report };
}

async function runWhole(recipe: Recipe, shared: Shared): Promise<Row[]> {
  const { out, only, from } = shared.options;
  const initial = () => (from === undefined ? buildModel(recipe.model, recipe.seed) : initialModel(from));
  const stages = chooseStages(recipe, { only, from });
  const network = from === undefined ? undefined : givenNetwork(from);
  const given = from !== undefined;
  const { row } = await runSingle(
    { recipe, name: recipe.name, folder: out, stages, initial, given, from: network, locked: true },
    shared,
  );
  return row ? [row] : [];
}

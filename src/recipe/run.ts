// A recipe from beginning to end: one run folder, or an experiment of several that share a pretrained network.
import { existsSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { type Dataset, imageShape, type Splits } from "../data/index.js";
import { attackedImages, type Measured } from "../evaluation/index.js";
import type { Model } from "../models/index.js";
import { disposeParams } from "../nn/index.js";
import { measureSparsity } from "../pruning/index.js";
import { writeReport } from "../report/index.js";
import { lockFolder, openRun, type Run, type RunEvent, readEvents, STAGES, type Stage } from "../run/index.js";
import { blas, type Precision, threads, torchVersion } from "../torch/index.js";
import { rewind, type StageProgress, StoppedError } from "../train/index.js";
import { DataError, expected, makeFolder, UsageError, writeFileAtomic } from "../util/index.js";
import { buildData, buildEvaluation, buildModel, buildThreat, choosePrecision } from "./build.js";
import { claimedSparsity } from "./claim.js";
import { assertClassesOf, keepClasses } from "./class-index.js";
import { completed } from "./completed.js";
import { measure } from "./measure.js";
import { loadModel, saveMasks, saveModel } from "./model-file.js";
import { type Row, rowOf } from "./row.js";
import type { Recipe, ResolvedRecipe } from "./schema.js";
import {
  assertAllFit,
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
      readonly kind: "measuring";
      readonly run: string;
      /** What is being measured, in words. */
      readonly what: string;
      /** Units of work. */
      readonly done: number;
      readonly of: number;
      readonly secondsLeft: number | undefined;
    }
  | {
      readonly kind: "evaluation";
      readonly run: string;
      readonly attack: string;
      readonly done: number;
      readonly of: number;
      readonly robust: number;
      /** Of a list of attacks, which counts units of work: robust accuracy is at most this. */
      readonly bound?: {
        readonly accuracy: number;
        readonly interval: readonly [low: number, high: number];
        /** Time to go, once it can be told. */
        readonly secondsLeft: number | undefined;
        /** Of one process of several: images of its blocks that are wrong or broken, and all images of the evaluation. */
        readonly part?: { readonly broken: number; readonly examples: number };
      };
    };

export interface RunRecipeOptions {
  /** The run folder, or with variants the folder of run folders. */
  readonly out: string;
  /** Do this stage only; earlier ones must lie in the folder, or come by `from`. */
  readonly only?: Stage | undefined;
  /** Begin with this network (a model file or a run folder) instead of fresh weights. */
  readonly from?: string | undefined;
  /** Bytes that a stage may take; default: what machine or container have free. */
  readonly availableMemory?: number | undefined;
  /** The caller holds the lock of `out`. */
  readonly locked?: boolean;
  /** The caller has told already what holds of every run on this machine, such as its arithmetic; default: it is told here. */
  readonly told?: boolean;
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
  /** Stages that `initial` has behind it. */
  readonly given: readonly Stage[];
  /** The file it came from: part of what the run folder holds the run to. */
  readonly from?: GivenNetwork | undefined;
  /** The folder is this run's alone: the caller holds its lock, and its pictures are drawn here. */
  readonly alone: boolean;
}

function measureAll(model: Model, { recipe, name }: Single, run: Run, { options, splits }: Shared): Measured[] {
  const threat = buildThreat(recipe);
  const poll = () => {
    if (options.shouldStop?.()) throw new StoppedError("evaluation");
  };
  return recipe.evaluation.map((item, i) => {
    const measured = measure(model, splits.test, item, () => threat, {
      seed: recipe.seed,
      record: run.path("evaluation", `${i + 1}-${item.name}`),
      sparsity: claimedSparsity(recipe),
      onWarning: (text) => options.onUpdate?.({ kind: "warning", text: `${name}: ${text}` }),
      shouldStop: poll,
      onProgress: (progress) => options.onUpdate?.({ kind: "evaluation", run: name, attack: item.name, ...progress }),
    });
    const { cleanInterval: _cleanInterval, norm: _norm, checks = [], ...event } = measured;
    run.append({ type: "evaluation", ...event });
    for (const { severity, code, message } of checks) {
      if (severity === "warning") run.append({ type: "warning", code, message });
    }
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

/** Attacks a few images against the first of the networks, by the last attack of the evaluation, for the report. */
async function drawImages(
  folder: string,
  recipe: Recipe,
  networks: ReadonlyMap<string, Model>,
  { splits }: Shared,
): Promise<void> {
  const item = recipe.evaluation.findLast(({ name }) => name !== "clean");
  const attack = item && buildEvaluation(item, buildThreat(recipe));
  if (attack === undefined) return;
  const images = await attackedImages(networks, splits.test, attack, { seed: recipe.seed });
  writeFileAtomic(join(folder, "images.json"), JSON.stringify(images));
}

interface Finished {
  readonly row: Row | undefined;
  readonly model: Model;
}

function readRow(folder: string): Row | undefined {
  const path = join(folder, "results.json");
  if (!existsSync(path)) return undefined;
  try {
    return (JSON.parse(readFileSync(path, "utf8")) as { rows: Row[] }).rows[0];
  } catch (cause) {
    const cure = "remove it to measure again";
    throw new DataError(`${expected(path, "JSON with rows", cause)}; ${cure}`, { code: "data/results", cause });
  }
}

/** The row is there once the recipe's last stage is done. */
async function runSingle(single: Single, shared: Shared): Promise<Finished> {
  const { recipe, folder, name, stages } = single;
  const { options, splits, precision } = shared;
  const versions = { torch: torchVersion(), precision };
  const warn = (text: string) => options.onUpdate?.({ kind: "warning", text });
  const { source: data } = splits.train.dataset;
  const onEvent = (event: RunEvent) => options.onUpdate?.({ kind: "event", run: name, event });
  using run = openRun(folder, {
    seed: recipe.seed,
    name,
    recipe: single.from === undefined ? recipe : { ...recipe, from: single.from },
    complete: completed,
    versions,
    threads: threads(),
    data: { ...data },
    locked: single.alone,
    onEvent,
  });
  keepClasses(run, splits.train.dataset);
  const done = readRow(folder);
  if (done) {
    run.update({ status: "done" });
    return { row: done, model: loadModel(run.path("model.safetensors")) };
  }
  if (run.changed.length > 0) {
    const what = run.changed.map(({ path, before, after }) => `${path} ${before}, now ${after}`).join("; ");
    warn(`${folder}: goes on otherwise than it began (${what}), so its last bits may be other than in one go`);
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
      availableMemory: options.availableMemory,
      shouldStop: options.shouldStop,
      onProgress: (progress) => options.onUpdate?.({ kind: "progress", run: name, progress }),
      onWarning: warn,
    });
    const last = STAGES.findLast((stage) => recipe.stages[stage] !== undefined);
    const whole = options.only === undefined || options.only === last;
    if (whole && single.alone) {
      const pruned = outcome.masks ? [["before pruning", outcome.dense] as const] : [];
      await drawImages(folder, recipe, new Map([...pruned, [name, outcome.model]]), shared);
    }
    const row = whole ? finishRun(single, run, outcome, shared) : undefined;
    run.update({ status: whole ? "done" : "stopped" });
    return { row, model: outcome.model };
  } catch (error) {
    run.update({ status: error instanceof StoppedError ? "stopped" : "failed" });
    throw error;
  }
}

/** A variant goes on from the shared network, so its own recipe has no pretraining left to do. */
function variantRuns(
  variants: Readonly<Record<string, Recipe>>,
  options: RunRecipeOptions,
  { model, from }: { readonly model: Model; readonly from: GivenNetwork | undefined },
): Single[] {
  return Object.entries(variants).map(([name, recipe]) => ({
    recipe,
    name,
    folder: join(options.out, name),
    stages: chooseStages(recipe, { only: options.only, from: "dense" }),
    initial: () => model,
    given: ["pretrain"],
    from,
    alone: false,
  }));
}

/** With `only` a later stage, pretraining must have been done, or a network be given. */
function requireDense({ only, from, out }: RunRecipeOptions): void {
  if (only === undefined || only === "pretrain" || from !== undefined) return;
  if (existsSync(join(out, "dense", "checkpoints", "pretrain.safetensors"))) return;
  throw new UsageError(
    `--only ${only}: expected the pretrained network in ${join(out, "dense")}, got none: run that first, or name one with --from`,
    { code: "usage/missing-stage" },
  );
}

async function runVariants(recipe: ResolvedRecipe, shared: Shared): Promise<Row[]> {
  const { options } = shared;
  const { variants = {}, ...base } = recipe;
  requireDense(options);
  const from = options.from === undefined ? undefined : givenNetwork(options.from);
  const dense = await runSingle(
    {
      recipe: base,
      name: "dense",
      folder: join(options.out, "dense"),
      stages: chooseStages(base, { from: options.from }),
      initial: () => firstModel(base, options),
      given: from === undefined ? [] : ["pretrain"],
      from,
      alone: false,
    },
    shared,
  );
  const rows: Row[] = [];
  const collect = (row: Row | undefined, run: string) => row && rows.push({ ...row, run });
  collect(dense.row, "dense");
  const networks = new Map([["dense", dense.model]]);
  for (const single of options.only === "pretrain"
    ? []
    : variantRuns(variants, options, { model: dense.model, from })) {
    const { row, model } = await runSingle(single, shared);
    collect(row, relative(options.out, single.folder));
    networks.set(single.name, model);
  }
  await drawImages(options.out, base, networks, shared);
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
  const { out, locked = false, told = false, onUpdate } = options;
  if (existsSync(join(out, "run.json")) && recipe.variants) {
    throw new UsageError(`${out}: expected a folder for the run folders of an experiment, got a run folder`);
  }
  makeFolder(out);
  using _lock = locked ? undefined : lockFolder(out);
  const { precision, note } = choosePrecision(recipe);
  if (note !== undefined && !told) onUpdate?.({ kind: "message", text: note });
  const { path, isReference } = blas();
  if (isReference && !told) {
    const text = `${path} is the slow reference BLAS, about 25 times slower than OpenBLAS: apt-get install libopenblas0-openmp`;
    onUpdate?.({ kind: "warning", text });
  }
  const splits = await buildData(recipe, (text) => onUpdate?.({ kind: "message", text }));
  const shared = { options, splits, precision };
  checkBefore(recipe, shared);
  const rows = recipe.variants ? await runVariants(recipe, shared) : await runWhole(recipe, shared);
  const report = join(out, "report.html");
  writeReport([out], { html: report, markdown: join(out, "report.md") });
  return { out, rows, report };
}

async function runWhole(recipe: Recipe, shared: Shared): Promise<Row[]> {
  const { options } = shared;
  const { out, only, from } = options;
  const single: Single = {
    recipe,
    name: recipe.name,
    folder: out,
    stages: chooseStages(recipe, { only, from }),
    initial: () => firstModel(recipe, options),
    given: from === undefined ? [] : ["pretrain", "search"],
    from: from === undefined ? undefined : givenNetwork(from),
    alone: true,
  };
  const { row } = await runSingle(single, shared);
  return row ? [row] : [];
}

/** Fresh weights, or those of the network that `from` names. */
function firstModel(recipe: Recipe, { from }: RunRecipeOptions): Model {
  return from === undefined ? buildModel(recipe.model, recipe.seed) : initialModel(from, recipe.model);
}

/** Refuses a model that does not take the data's images, or has too few classes for them. */
function checkModel({ inputShape, numClasses }: Model, dataset: Dataset): void {
  const { name, numClasses: classes } = dataset;
  const shape = imageShape(dataset);
  if (String(shape) !== String(inputShape)) {
    throw new UsageError(
      `model: expected images of [${inputShape}], as its options say, got those of ${name}, [${shape}]`,
    );
  }
  if (numClasses < classes)
    throw new UsageError(`model: expected numClasses >= ${classes}, as ${name} has, got ${numClasses}`);
}

/** What can be known before anything is trained: after hours of pretraining it would be told too late. */
function checkBefore({ variants = {}, ...base }: ResolvedRecipe, { splits, precision, options }: Shared): void {
  if (options.from !== undefined) assertClassesOf(givenNetwork(options.from).file, splits.train.dataset);
  const model = buildModel(base.model, base.seed);
  try {
    checkModel(model, splits.train.dataset);
    // Where there are results, nothing may be left to do.
    if (existsSync(join(options.out, "results.json"))) return;
    const { availableMemory } = options;
    for (const recipe of [base, ...Object.values(variants)]) {
      assertAllFit({ recipe, splits, precision, availableMemory }, model);
    }
  } finally {
    disposeParams(model.params, model.buffers);
  }
}

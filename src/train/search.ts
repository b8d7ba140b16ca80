import { bindNetwork, type Model, withState } from "../models/index.js";
import { cloneParams, countPasses, disposeParams, type Params } from "../nn/index.js";
import {
  applyMasks,
  type Masks,
  type Method,
  type MethodState,
  maskDistance,
  measureSparsity,
  packMasks,
  type SearchEpoch,
  scoreGaps,
  trainedKey,
} from "../pruning/index.js";
import type { EpochDone } from "../run/index.js";
import { plain, type ScoreGradient } from "../sharpness/index.js";
import { keep, noGrad, scope, type Tensor, tensor } from "../torch/index.js";
import { rng, UsageError } from "../util/index.js";
import { metered } from "./cost.js";
import { denseGradients } from "./dense-gradients.js";
import { assertFinite } from "./finite.js";
import { type KeepEpochs, keeps } from "./kept-epochs.js";
import { everyMask, forgetMasks, keepMasks } from "./kept-masks.js";
import { keepScores } from "./kept-scores.js";
import { chosen, dispose, runLoop, type StageWork, type StepContext, type StepReport } from "./loop.js";
import { assertFits } from "./memory.js";
import { searchObjective } from "./objective.js";
import type { History, StageOptions } from "./options.js";
import { loadResult, saveResult } from "./result.js";
import { startOf } from "./start.js";

export interface SearchOptions extends StageOptions {
  readonly method: Method;
  /** How a score gradient is taken: a wrapper such as `s2ap()`; default `plain()`, the method as it is. */
  readonly gradient?: ScoreGradient | undefined;
  /** Leave batch norm's affine parameters as they are; default false. Running statistics move either way. */
  readonly freezeBatchNorm?: boolean | undefined;
  /** Batches that re-estimate the running statistics at the final mask before it is measured; default 0. */
  readonly recalibrate?: number | undefined;
  /** With a run: epochs whose scores are left in its folder; default the start and the end. */
  readonly keepScores?: KeepEpochs | undefined;
  /** With a run: epochs whose masks are left in its folder, at one bit a weight; default all; of more than 100 every k-th. */
  readonly keepMasks?: KeepEpochs | undefined;
}

export interface Searched {
  /** The model with its weights as they came, and the batch norm that the search learned. */
  readonly model: Model;
  readonly masks: Masks;
  readonly history: History;
}

/** Scores are called so among what the optimiser sees, beside batch norm's parameters. */
const scoreKey = (name: string) => `scores.${name}`;

interface Searcher extends StageWork {
  readonly scores: Map<string, Tensor>;
  /** What else the method trains, by weight name. */
  readonly trained: Map<string, Tensor>;
  /** The method's numbers, as float64 tensors of one entry: so a checkpoint has them to the last bit. */
  readonly numbers: Map<string, Tensor>;
  readonly layout: MethodState["layout"];
  /** What the gradient keeps from step to step, in the same form. */
  readonly kept: Map<string, Tensor>;
  readonly params: Map<string, Tensor>;
  readonly buffers: Map<string, Tensor>;
  readonly momentum: Map<string, Tensor>;
}

function step(model: Model, searcher: Searcher, options: SearchOptions, context: StepContext): StepReport {
  const { method, gradient = plain(), loss, optimizer, precision = "float32", freezeBatchNorm = false } = options;
  const { scores, trained, params, buffers, momentum, passes } = searcher;
  const state = { params, buffers };
  const { scores: _scores, ...learned } = stateOf(searcher);
  const shared = { model, state, method, learned, loss, precision, passes, freezeBatchNorm };
  const objective = searchObjective({ ...shared, context });
  const { epoch, epochs, rng: key, detailed } = context;
  const { weightDecay } = optimizer;
  const kept = values(searcher.kept);
  const { objective: watched, cost } = metered(objective, passes);
  const found = gradient.compute(scores, watched, { epoch, epochs, rng: key, weightDecay, detailed, state: kept });
  setNumbers(searcher.kept, kept);
  const gradients = new Map([...(method.trainsScores === false ? [] : rename(found.scores, scoreKey)), ...found.rest]);
  assertFinite("search", context.step, "the gradient of", gradients);
  const rates = rename(trained, trainedKey);
  const undecayed = method.decaysTrained === false ? new Set(rates.keys()) : undefined;
  optimizer.step(new Map([...rename(scores, scoreKey), ...rates, ...params]), gradients, momentum, context, {
    undecayed,
  });
  const { penalty } = objective;
  const log = { ...found.log, ...cost(), ...(penalty !== undefined && { penalty }) };
  return { loss: found.loss, robustAccuracy: objective.robustAccuracy, log };
}

function rename(params: Params, key: (name: string) => string): Map<string, Tensor> {
  return new Map(Array.from(params, ([name, tensor]) => [key(name), tensor]));
}

type Learned = Pick<Searcher, "scores" | "trained" | "numbers" | "layout">;

/** The method's state, as it stands; tensors are the search's own. */
function stateOf({ scores, trained, numbers, layout }: Learned): MethodState {
  return { scores, trained, numbers: values(numbers), layout };
}

const values = (numbers: Params) => Object.fromEntries(Array.from(numbers, ([name, at]) => [name, at.item()]));

/** Masks with an entry of their own for every weight, where a method's may repeat one for a group. */
function masksOf(method: Method, state: MethodState): Map<string, Tensor> {
  return scope(() => cloneParams(method.masks(state)));
}

/** Writes numbers where checkpoints take them from. */
function setNumbers(numbers: Map<string, Tensor>, values: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(values)) {
    const fresh = forever(() => tensor(Float64Array.of(value)));
    numbers.get(name)?.dispose();
    numbers.set(name, fresh);
  }
}

function forever<T>(fn: () => T): T {
  return keep(scope(fn), { forever: true });
}

function epochDone(
  model: Model,
  searcher: Searcher,
  options: SearchOptions,
  means: Readonly<Record<string, number>>,
  progress: SearchEpoch,
): Partial<EpochDone> {
  const { method } = options;
  const before = searcher.groups.get("masks") as Map<string, Tensor>;
  const masks = masksOf(method, stateOf(searcher));
  const distance = maskDistance(masks, before);
  disposeParams(before);
  searcher.groups.set("masks", masks);
  if (method.epochEnd) setNumbers(searcher.numbers, method.epochEnd(stateOf(searcher), progress));
  const keepRatios = method.keepRatios?.(stateOf(searcher));
  const { swapFraction, sharpnessGap, deadFilterShare, forwardCost, backwardCost, penalty } = means;
  return {
    maskDistance: distance,
    sparsity: measureSparsity(masks, model.prunable),
    scoreGaps: scoreGaps(searcher.scores, masks),
    ...(swapFraction !== undefined && { swapFraction }),
    ...(sharpnessGap !== undefined && { sharpnessGap }),
    ...(deadFilterShare !== undefined && { deadFilterShare }),
    ...(forwardCost !== undefined && { forwardCost }),
    ...(backwardCost !== undefined && { backwardCost }),
    ...(searcher.kept.size > 0 && { gradientState: values(searcher.kept) }),
    ...(penalty !== undefined && { penalty }),
    ...(keepRatios && { keepRatios }),
  };
}

/** Leaves scores and masks after so many epochs in the run folder, where they are to be kept. */
function leave(model: Model, searcher: Searcher, options: SearchOptions, done: number): void {
  leaveMasks(searcher, options, done);
  leaveScores(model, searcher, options, done);
}

/** A method without a search has its result's masks alone. */
function leaveMasks(searcher: Searcher, { run, epochs, keepMasks: choice }: SearchOptions, done: number): void {
  if (run === undefined || epochs === 0 || !keeps(choice ?? everyMask(epochs), done, epochs)) return;
  keepMasks(run.folder, done, packMasks(searcher.groups.get("masks") as Params));
}

function leaveScores(model: Model, searcher: Searcher, options: SearchOptions, done: number): void {
  const { run, keepScores: choice, epochs } = options;
  if (run === undefined || !keeps(choice, done, epochs)) return;
  const frozen = new Set(model.prunable);
  const { scores, trained, numbers, params, buffers } = searcher;
  const learned = new Map([...params].filter(([name]) => !frozen.has(name)));
  const groups = { scores, trained, numbers, params: learned, buffers };
  keepScores(run, done, new Map(Object.entries(groups)));
}

function searcherOf(model: Model, state: MethodState, options: SearchOptions): Searcher {
  const { layout } = state;
  const scores = cloneParams(state.scores);
  const trained = cloneParams(state.trained ?? new Map());
  const numbers = new Map<string, Tensor>();
  setNumbers(numbers, state.numbers ?? {});
  const kept = new Map<string, Tensor>();
  const params = cloneParams(model.params);
  const buffers = cloneParams(model.buffers);
  const momentum = new Map<string, Tensor>();
  const searcher: Searcher = {
    stage: "search",
    scores,
    trained,
    numbers,
    layout,
    kept,
    params,
    buffers,
    momentum,
    groups: new Map([
      ["scores", scores],
      ["trained", trained],
      ["numbers", numbers],
      ["gradient", kept],
      ["params", params],
      ["buffers", buffers],
      ["optimizer", momentum],
      ["masks", masksOf(options.method, stateOf({ scores, trained, numbers, layout }))],
    ]),
    result: ["scores", "trained", "numbers", "params", "buffers"],
    passes: countPasses(),
    begin: (epochs) => {
      if (options.run !== undefined) forgetMasks(options.run.folder, epochs);
    },
    step: (context) => step(model, searcher, options, context),
    victim: () => {
      const masks = options.method.masks(stateOf(searcher));
      return bindNetwork(model, { params: applyMasks(params, masks), buffers }).victim;
    },
    epochDone: (means, epoch) => {
      const event = epochDone(model, searcher, options, means, { epoch, epochs: options.epochs });
      leave(model, searcher, options, epoch + 1);
      return event;
    },
    candidate: () => options.method.candidate?.(stateOf(searcher)) ?? true,
    candidatesFrom: options.gradient?.warmup(options.epochs) ?? 0,
  };
  return searcher;
}

/** Moves the running statistics to those of the masked network, over some batches of clean images. */
function recalibrate(model: Model, masks: Masks, options: SearchOptions, seed: number): void {
  const key = rng(seed, "recalibrate");
  for (let i = 0; i < (options.recalibrate ?? 0); i++) {
    noGrad(() =>
      scope(() => {
        const { x } = options.train.batch(0, i % options.train.steps, key);
        bindNetwork(model, { params: applyMasks(model.params, masks), buffers: model.buffers }).forward("update")(x);
      }),
    );
  }
}

function check(options: SearchOptions): void {
  options.gradient?.warmup(options.epochs);
  if (!options.method.searches && options.epochs > 0) {
    throw new UsageError(
      `search: expected epochs 0 for ${options.method.name}, which learns no scores, got ${options.epochs}`,
      {
        code: "usage/no-search",
      },
    );
  }
}

/** The method's state to take the masks from: the best epoch's, unless none was chosen. */
function chosenState(searcher: Searcher): MethodState {
  const group = (name: string) => chosen(searcher, name) as Map<string, Tensor>;
  return stateOf({
    scores: group("scores"),
    trained: group("trained"),
    numbers: group("numbers"),
    layout: searcher.layout,
  });
}

function warnOfBudget(searcher: Searcher, { method, epochs, onWarning }: SearchOptions): void {
  if (epochs === 0 || (method.candidate?.(chosenState(searcher)) ?? true)) return;
  onWarning?.(
    `search: expected ${method.name} to keep its budget in some epoch, got more each time; the last epoch's masks are taken`,
  );
}

/**
 * Searches a mask: learns scores under the robust loss with the weights frozen, and takes their mask. Batch norm learns
 * along. Weights come back as they were, bit for bit (or as the method drew them, where it does).
 */
export async function search(model: Model, options: SearchOptions): Promise<Searched> {
  check(options);
  const { run, method } = options;
  const found = run && loadResult(run, "search");
  if (found?.masks) return { model: withState(model, found), masks: found.masks, history: found.history };
  const seed = options.seed ?? run?.manifest.seed ?? 0;
  if (options.epochs > 0) assertFits("search", model, options);
  const { model: start, drawn } = startOf(model, method, rng(seed, "search", "weights"));
  const state = method.init(start, rng(seed, "search"), denseGradients(start, options, rng(seed, "gradients")));
  const searcher = searcherOf(start, state, options);
  disposeParams(state.scores, state.trained ?? new Map(), ...drawn);
  leave(start, searcher, options, 0);
  const history = await runLoop(searcher, options);
  warnOfBudget(searcher, options);
  const masks = masksOf(method, chosenState(searcher));
  const params = cloneParams(chosen(searcher, "params"));
  const result = { params, buffers: cloneParams(chosen(searcher, "buffers")) };
  dispose(searcher);
  const searched = withState(model, result);
  recalibrate(searched, masks, options, seed);
  saveResult(run, "search", { ...result, masks, history });
  return { model: searched, masks, history };
}

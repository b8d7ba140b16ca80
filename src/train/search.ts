import { bindNetwork, type Model, withState } from "../models/index.js";
import { cloneParams, countPasses, disposeParams, type Params } from "../nn/index.js";
import {
  applyMasks,
  type Masks,
  type Method,
  type MethodState,
  maskDistance,
  measureSparsity,
} from "../pruning/index.js";
import type { EpochDone } from "../run/index.js";
import { plain, type ScoreGradient } from "../sharpness/index.js";
import { keep, noGrad, scope, type Tensor } from "../torch/index.js";
import { rng, UsageError } from "../util/index.js";
import { assertFinite } from "./finite.js";
import { chosen, dispose, runLoop, type StageWork, type StepContext, type StepReport } from "./loop.js";
import { assertFits } from "./memory.js";
import { searchObjective } from "./objective.js";
import type { History, StageOptions } from "./options.js";
import { loadResult, saveResult } from "./result.js";

export interface SearchOptions extends StageOptions {
  readonly method: Method;
  /** How a score gradient is taken: a wrapper such as `s2ap()`; default `plain()`, the method as it is. */
  readonly gradient?: ScoreGradient | undefined;
  /** Leave batch norm's affine parameters as they are; default false. Running statistics move either way. */
  readonly freezeBatchNorm?: boolean | undefined;
  /** Batches that re-estimate the running statistics at the final mask before it is measured; default 0. */
  readonly recalibrate?: number | undefined;
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
  readonly params: Map<string, Tensor>;
  readonly buffers: Map<string, Tensor>;
  readonly momentum: Map<string, Tensor>;
}

function step(model: Model, searcher: Searcher, options: SearchOptions, context: StepContext): StepReport {
  const { method, gradient = plain(), loss, optimizer, precision = "float32", freezeBatchNorm = false } = options;
  const { scores, params, buffers, momentum, passes } = searcher;
  const state = { params, buffers };
  const objective = searchObjective({ model, state, method, loss, precision, passes, freezeBatchNorm, context });
  const { epoch, epochs, rng: key, detailed } = context;
  const { weightDecay } = optimizer;
  const found = gradient.compute(scores, objective, { epoch, epochs, rng: key, weightDecay, detailed });
  const gradients = new Map([...rename(found.scores), ...found.rest]);
  assertFinite("search", context.step, "the gradient of", gradients);
  optimizer.step(new Map([...rename(scores), ...params]), gradients, momentum, context);
  return { loss: found.loss, robustAccuracy: objective.robustAccuracy, log: found.log };
}

function rename(scores: Params): Map<string, Tensor> {
  return new Map(Array.from(scores, ([name, tensor]) => [scoreKey(name), tensor]));
}

function forever<T>(fn: () => T): T {
  return keep(scope(fn), { forever: true });
}

function epochDone(
  model: Model,
  searcher: Searcher,
  options: SearchOptions,
  means: Readonly<Record<string, number>>,
): Partial<EpochDone> {
  const before = searcher.groups.get("masks") as Map<string, Tensor>;
  const masks = forever(() => options.method.masks(searcher.scores));
  const distance = maskDistance(masks, before);
  disposeParams(before);
  searcher.groups.set("masks", new Map(masks));
  const { swapFraction, sharpnessGap, deadFilterShare } = means;
  return {
    maskDistance: distance,
    sparsity: measureSparsity(masks, model.prunable),
    ...(swapFraction !== undefined && { swapFraction }),
    ...(sharpnessGap !== undefined && { sharpnessGap }),
    ...(deadFilterShare !== undefined && { deadFilterShare }),
  };
}

function searcherOf(model: Model, state: MethodState, options: SearchOptions): Searcher {
  const scores = cloneParams(state.scores);
  const params = cloneParams(model.params);
  const buffers = cloneParams(model.buffers);
  const momentum = new Map<string, Tensor>();
  const searcher: Searcher = {
    stage: "search",
    scores,
    params,
    buffers,
    momentum,
    groups: new Map([
      ["scores", scores],
      ["params", params],
      ["buffers", buffers],
      ["optimizer", momentum],
      ["masks", new Map(forever(() => options.method.masks(scores)))],
    ]),
    result: ["scores", "params", "buffers"],
    passes: countPasses(),
    step: (context) => step(model, searcher, options, context),
    victim: () => bindNetwork(model, { params: applyMasks(params, options.method.masks(scores)), buffers }).victim,
    epochDone: (means) => epochDone(model, searcher, options, means),
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

/**
 * Searches a mask: learns scores under the robust loss with the weights frozen, and takes their mask. Batch norm learns
 * along. Weights come back as they were, bit for bit.
 */
export async function search(model: Model, options: SearchOptions): Promise<Searched> {
  check(options);
  const { run, method } = options;
  const found = run && loadResult(run, "search");
  if (found?.masks) return { model: withState(model, found), masks: found.masks, history: found.history };
  const seed = options.seed ?? run?.manifest.seed ?? 0;
  if (options.epochs > 0) assertFits("search", model, options);
  const state = method.init(model, rng(seed, "search"));
  const searcher = searcherOf(model, state, options);
  disposeParams(state.scores);
  const history = await runLoop(searcher, options);
  const masks = forever(() => method.masks(chosen(searcher, "scores")));
  const params = cloneParams(chosen(searcher, "params"));
  const result = { params, buffers: cloneParams(chosen(searcher, "buffers")) };
  dispose(searcher);
  const searched = withState(model, result);
  recalibrate(searched, masks, options, seed);
  saveResult(run, "search", { ...result, masks, history });
  return { model: searched, masks, history };
}

// Training weights: what pretraining and finetuning do in a step.
import { bindNetwork, type Model, withState } from "../models/index.js";
import { cloneParams, countPasses, mapParams, type Params, type Passes } from "../nn/index.js";
import { applyMasks, type Masks } from "../pruning/index.js";
import type { EpochDone, Stage } from "../run/index.js";
import { noGrad, ops, present, scope, type Tensor } from "../torch/index.js";
import { parseOptions } from "../util/index.js";
import { type Distillation, distilled } from "./distill.js";
import { emaOptions, follow } from "./ema.js";
import { assertFinite } from "./finite.js";
import { asLeaves, shareCorrect } from "./leaves.js";
import { chosen, dispose, runLoop, type StageWork, type StepContext, type StepReport } from "./loop.js";
import { craftExamples, gradientsOf } from "./loss-pass.js";
import { assertFits } from "./memory.js";
import type { WeightStageOptions } from "./options.js";
import { loadResult, saveResult } from "./result.js";
import { type PassStatistics, plainWeights, type WeightEvaluation } from "./weight-gradient.js";

export interface TrainWeightsOptions extends WeightStageOptions {
  readonly stage: Exclude<Stage, "search">;
  /** Weights that stay pruned; default none. */
  readonly masks?: Masks | undefined;
  readonly distill?: Distillation | undefined;
}

interface Trainee extends StageWork {
  readonly params: Map<string, Tensor>;
  readonly buffers: Map<string, Tensor>;
  readonly momentum: Map<string, Tensor>;
}

/** The robust loss of the step's batch as a function of the weights. Examples are crafted now, at the weights as they are. */
function objectiveOf(model: Model, trainee: Trainee, options: TrainWeightsOptions, context: StepContext) {
  const { masks, distill, precision = "float32" } = options;
  const { params, buffers, passes } = trainee;
  const { x, y, targets = y } = context.batch;
  const { rng, poll, memory } = context;
  const dense = (at: Params) => noGrad(() => (masks ? applyMasks(at, masks) : at));
  const networkAt = (at: Params) => bindNetwork(model, { params: at, buffers }, { precision, passes });
  const start = networkAt(dense(params));
  const xAdv = craftExamples(options.loss, start, { x, y }, { rng: rng.at("attack"), poll, memory });
  const batch = { x, y: targets, xAdv };
  const loss = distill ? distilled(options.loss, distill, batch, { precision, passes }) : options.loss;
  const masked = (g: Tensor, mask: Tensor | undefined) => (mask ? ops.mul(g, mask) : g);
  /** Of the first evaluation, and the passes it ended with. */
  let first: { readonly robustAccuracy: number; readonly passes: Passes } | undefined;

  function evaluate(at: Params, statistics: PassStatistics): WeightEvaluation {
    const theta = asLeaves(dense(at), new Set(at.keys()));
    const value = loss.evaluate(networkAt(theta).forward(statistics), batch);
    passes.backward += 1;
    const raw = gradientsOf(value.loss, [...theta.values()], loss, batch, first ? undefined : memory);
    const named = new Map([...theta.keys()].map((name, i) => [name, raw[i] as Tensor]));
    const gradients = noGrad(() => mapParams(named, (g, name) => masked(g, masks?.get(name))));
    first ??= { robustAccuracy: shareCorrect(value.robustLogits, y), passes: { ...passes } };
    return { loss: value.loss.item(), gradients };
  }

  return {
    params,
    masks,
    evaluate: (at: Params, statistics: PassStatistics) => scope(() => evaluate(at, statistics)),
    first: () => present(first, "an evaluation"),
  };
}

/** Passes of a step over those that it took up to its first evaluation: 1 is the training as it is. */
function costOf(before: Passes, first: Passes, now: Passes): Record<string, number> {
  const over = (kind: keyof Passes) => (now[kind] - before[kind]) / (first[kind] - before[kind]);
  return { forwardCost: over("forward"), backwardCost: over("backward") };
}

function step(model: Model, trainee: Trainee, options: TrainWeightsOptions, context: StepContext): StepReport {
  const { weightGradient, optimizer, ema } = options;
  const before = { ...trainee.passes };
  const objective = objectiveOf(model, trainee, options, context);
  const { weightDecay } = optimizer;
  const { epoch, epochs } = context;
  const found = (weightGradient ?? plainWeights()).compute(objective, { epoch, epochs, weightDecay });
  assertFinite(trainee.stage, context.step, "the gradient of", found.gradients);
  optimizer.step(trainee.params, found.gradients, trainee.momentum, context);
  if (ema) {
    follow(groupOf(trainee, EMA.params), trainee.params, ema, context.step);
    follow(groupOf(trainee, EMA.buffers), trainee.buffers, ema, context.step);
  }
  const { robustAccuracy, passes } = objective.first();
  const cost = weightGradient ? costOf(before, passes, trainee.passes) : {};
  return { loss: found.loss, robustAccuracy, log: { ...found.log, ...cost } };
}

/** Groups of the averages that are passed on in place of what is trained. */
const EMA = { params: "ema.params", buffers: "ema.buffers" } as const;
const TRAINED = { params: "params", buffers: "buffers" } as const;

const groupOf = (trainee: Trainee, name: string) => present(trainee.groups.get(name), name);

/** What an epoch's event says of the stage's own numbers. */
function epochNumbers(means: Readonly<Record<string, number>>): Partial<EpochDone> {
  const { sharpnessGap, forwardCost, backwardCost } = means;
  return {
    ...(sharpnessGap !== undefined && { sharpnessGap }),
    ...(forwardCost !== undefined && { forwardCost }),
    ...(backwardCost !== undefined && { backwardCost }),
  };
}

function traineeOf(model: Model, options: TrainWeightsOptions): Trainee {
  const params = cloneParams(model.params);
  const buffers = cloneParams(model.buffers);
  const momentum = new Map<string, Tensor>();
  const passedOn = options.ema ? EMA : TRAINED;
  const trainee: Trainee = {
    stage: options.stage,
    params,
    buffers,
    momentum,
    groups: new Map([
      ["params", params],
      ["buffers", buffers],
      ["optimizer", momentum],
      ...(options.ema
        ? ([
            [EMA.params, cloneParams(params)],
            [EMA.buffers, cloneParams(buffers)],
          ] as const)
        : []),
    ]),
    result: [passedOn.params, passedOn.buffers],
    passes: countPasses(),
    step: (context) => step(model, trainee, options, context),
    victim: () => {
      const weights = groupOf(trainee, passedOn.params);
      const dense = options.masks ? applyMasks(weights, options.masks) : weights;
      return bindNetwork(model, { params: dense, buffers: groupOf(trainee, passedOn.buffers) }).victim;
    },
    epochDone: epochNumbers,
    candidatesFrom: options.weightGradient?.warmup(options.epochs) ?? 0,
  };
  return trainee;
}

/** Weights with exact zeros where the masks have them. */
function sealed(params: Params, masks: Masks | undefined): Map<string, Tensor> {
  return scope(() => cloneParams(masks ? applyMasks(params, masks) : params));
}

/**
 * Trains a copy of the model's weights under the robust loss. With masks, pruned weights get no gradient and come back
 * as exact zeros. A run that holds this stage's result gives that, without work.
 */
export async function trainWeights(model: Model, options: TrainWeightsOptions): Promise<Model> {
  const { run, stage, masks } = options;
  const found = run && loadResult(run, stage);
  if (found) return withState(model, found);
  if (options.ema) parseOptions("ema", emaOptions, options.ema);
  options.weightGradient?.warmup(options.epochs);
  assertFits(stage, model, options);
  const trainee = traineeOf(model, options);
  const history = await runLoop(trainee, options);
  const [weights = "", statistics = ""] = trainee.result;
  const state = { params: sealed(chosen(trainee, weights), masks), buffers: cloneParams(chosen(trainee, statistics)) };
  dispose(trainee);
  saveResult(run, stage, { ...state, masks: undefined, history });
  return withState(model, state);
}

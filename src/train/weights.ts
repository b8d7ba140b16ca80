// Training weights: what pretraining and finetuning do in a step.
import { bindNetwork, type Model, withState } from "../models/index.js";
import { cloneParams, countPasses, mapParams, type Params } from "../nn/index.js";
import { applyMasks, type Masks } from "../pruning/index.js";
import type { Stage } from "../run/index.js";
import { noGrad, ops, scope, type Tensor } from "../torch/index.js";
import { assertFinite } from "./finite.js";
import { asLeaves, shareCorrect } from "./leaves.js";
import { chosen, dispose, runLoop, type StageWork, type StepContext, type StepReport } from "./loop.js";
import { craftExamples, gradientsOf } from "./loss-pass.js";
import { assertFits } from "./memory.js";
import type { StageOptions } from "./options.js";
import { loadResult, saveResult } from "./result.js";

export interface TrainWeightsOptions extends StageOptions {
  readonly stage: Exclude<Stage, "search">;
  /** Weights that stay pruned; default none. */
  readonly masks?: Masks | undefined;
}

interface Trainee extends StageWork {
  readonly params: Map<string, Tensor>;
  readonly buffers: Map<string, Tensor>;
  readonly momentum: Map<string, Tensor>;
}

/** Gradients of the robust loss with respect to all parameters; pruned weights get none. */
function gradientsAt(model: Model, trainee: Trainee, options: TrainWeightsOptions, context: StepContext) {
  const { loss, masks, precision = "float32" } = options;
  const { params, buffers, passes } = trainee;
  const { x, y } = context.batch;
  const dense = noGrad(() => (masks ? applyMasks(params, masks) : params));
  const theta = asLeaves(dense, new Set(params.keys()));
  const network = bindNetwork(model, { params: theta, buffers }, { precision, passes });
  const { rng, poll, memory } = context;
  const xAdv = craftExamples(loss, network, { x, y }, { rng: rng.at("attack"), poll, memory });
  const value = loss.evaluate(network.forward("update"), { x, y, xAdv });
  passes.backward += 1;
  const raw = gradientsOf(value.loss, [...theta.values()], loss, { x, y, xAdv }, memory);
  const named = new Map([...theta.keys()].map((name, i) => [name, raw[i] as Tensor]));
  const masked = (g: Tensor, mask: Tensor | undefined) => (mask ? ops.mul(g, mask) : g);
  const gradients = noGrad(() => mapParams(named, (g, name) => masked(g, masks?.get(name))));
  return { gradients, loss: value.loss.item(), robustAccuracy: shareCorrect(value.robustLogits, y) };
}

function step(model: Model, trainee: Trainee, options: TrainWeightsOptions, context: StepContext): StepReport {
  const { gradients, loss, robustAccuracy } = gradientsAt(model, trainee, options, context);
  assertFinite(trainee.stage, context.step, "the gradient of", gradients);
  options.optimizer.step(trainee.params, gradients, trainee.momentum, context);
  return { loss, robustAccuracy, log: {} };
}

function traineeOf(model: Model, options: TrainWeightsOptions): Trainee {
  const params = cloneParams(model.params);
  const buffers = cloneParams(model.buffers);
  const momentum = new Map<string, Tensor>();
  const trainee: Trainee = {
    stage: options.stage,
    params,
    buffers,
    momentum,
    groups: new Map([
      ["params", params],
      ["buffers", buffers],
      ["optimizer", momentum],
    ]),
    result: ["params", "buffers"],
    passes: countPasses(),
    step: (context) => step(model, trainee, options, context),
    victim: () => {
      const dense = options.masks ? applyMasks(params, options.masks) : params;
      return bindNetwork(model, { params: dense, buffers }).victim;
    },
    epochDone: () => ({}),
    candidatesFrom: 0,
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
  assertFits(stage, model, options);
  const trainee = traineeOf(model, options);
  const history = await runLoop(trainee, options);
  const state = { params: sealed(chosen(trainee, "params"), masks), buffers: cloneParams(chosen(trainee, "buffers")) };
  dispose(trainee);
  saveResult(run, stage, { ...state, masks: undefined, history });
  return withState(model, state);
}

import { meanCrossEntropy, type RobustLoss } from "../losses/index.js";
import { bindNetwork, type Model, type Network } from "../models/index.js";
import { type ModelState, type Params, type Passes, pick } from "../nn/index.js";
import { applyMasks, type Masks, type Method, type MethodState, type Pulled, trainedKey } from "../pruning/index.js";
import type { Evaluation, Objective, PassOptions, Statistics } from "../sharpness/index.js";
import { keep, noGrad, ops, type Precision, scope, type Tensor } from "../torch/index.js";
import { asLeaves, shareCorrect } from "./leaves.js";
import type { StepContext } from "./loop.js";
import { craftExamples, gradientsOf } from "./loss-pass.js";

/** Batch norm's weights and biases: the parameters of layers that have running statistics. */
export function batchNormParams(state: ModelState): string[] {
  return [...state.params.keys()].filter((name) =>
    state.buffers.has(name.replace(/\.(weight|bias)$/, ".running_mean")),
  );
}

type Point = Parameters<Objective["evaluate"]>[0];

export interface ObjectiveOptions {
  readonly model: Model;
  /** Frozen weights, and the batch-norm parameters and statistics that the search moves. */
  readonly state: ModelState;
  readonly method: Method;
  /** What the method's state holds besides the scores; default nothing. */
  readonly learned?: Omit<MethodState, "scores"> | undefined;
  readonly loss: RobustLoss;
  readonly precision: Precision;
  readonly passes: Passes;
  /** Whether batch norm's affine parameters stay as they are. */
  readonly freezeBatchNorm: boolean;
  readonly context: Pick<StepContext, "batch" | "rng" | "poll" | "epoch" | "epochs"> &
    Partial<Pick<StepContext, "memory">>;
}

/** The search's objective on one batch, as a function of the scores; also what the first evaluation saw. */
export interface SearchObjective extends Objective {
  /** Share of the batch that was robust in the first evaluation. */
  readonly robustAccuracy: number;
  /** What the method added to the robust loss in the first evaluation; none where it adds nothing. */
  readonly penalty: number | undefined;
}

/** Gradients of a method's further tensors, by the names that the optimiser knows them under. */
function trainedGradients(pulled: Pulled, penalty: Params | undefined): [string, Tensor][] {
  return Array.from(pulled.trained ?? [], ([name, gradient]) => {
    const more = penalty?.get(name);
    return [trainedKey(name), more ? ops.add(gradient, more) : gradient];
  });
}

export function searchObjective(options: ObjectiveOptions): SearchObjective {
  const { model, state, method, loss, precision, passes, context } = options;
  const { x, y, targets = y } = context.batch;
  const affine = options.freezeBatchNorm || method.trainsBatchNorm === false ? [] : batchNormParams(state);
  const trained = [...model.prunable, ...affine];
  let crafted: Tensor | undefined;
  let robustAccuracy = 0;
  let penalty: number | undefined;

  /** Adversarial examples of this network: those of the step's first evaluation, unless new ones are asked for. */
  function examples(network: Network, recraft: boolean): Tensor {
    if (crafted !== undefined && !recraft) return crafted;
    // Only the first crafting may be interrupted: before it nothing of the step has happened.
    const at = crafted ? { rng: context.rng.at("recraft") } : { rng: context.rng.at("attack"), poll: context.poll };
    crafted = keep(craftExamples(loss, network, { x, y }, { ...at, memory: context.memory }));
    return crafted;
  }

  function evaluate(at: Point, statistics: Statistics, how: PassOptions): Evaluation {
    const { scores } = at;
    const weights = at.weights ? new Map([...state.params, ...at.weights]) : state.params;
    const learned: MethodState = { ...options.learned, scores, ...(at.trained && { trained: at.trained }) };
    const masks: Masks = noGrad(() => method.masks(learned));
    const dense = noGrad(() => applyMasks(weights, masks));
    const theta = asLeaves(dense, new Set(trained));
    const network = bindNetwork(model, { params: theta, buffers: state.buffers }, { precision, passes });
    const first = crafted === undefined;
    const xAdv = examples(network, how.recraft ?? false);
    const value = loss.evaluate(network.forward(statistics), { x, y: targets, xAdv });
    if (first) robustAccuracy = shareCorrect(value.robustLogits, y);
    const target = how.loss === "crossEntropy" ? meanCrossEntropy(value.robustLogits, targets) : value.loss;
    passes.backward += 1;
    const leaves = [...pick(theta, trained).values()];
    const raw = gradientsOf(target, leaves, loss, { x, y, xAdv }, first ? context.memory : undefined);
    const gradients = new Map(trained.map((name, i) => [name, raw[i] as Tensor]));
    const weightGradients = pick(gradients, model.prunable);
    const pulled = noGrad(() => method.pullBack({ ...learned, weights, weightGradients }));
    const added = noGrad(() => method.penalty?.(learned, context));
    if (first) penalty = added?.loss;
    const further = noGrad(() => trainedGradients(pulled, added?.trained));
    const rest = new Map([...pick(gradients, affine), ...further]);
    return { loss: value.loss.item(), scores: pulled.scores, weights: weightGradients, rest, masks };
  }

  return {
    trained: options.learned?.trained,
    weights: pick(state.params, model.prunable),
    masks: (scores) => noGrad(() => method.masks({ ...options.learned, scores })),
    evaluate: (at, statistics, how = {}) => scope(() => evaluate(at, statistics, how)),
    get robustAccuracy() {
      return robustAccuracy;
    },
    get penalty() {
      return penalty;
    },
  };
}

// One step of a search with everything in sight: what the gradient asked of the objective, and what it did.
import type { RobustLoss } from "../../src/losses/index.js";
import type { Model } from "../../src/models/index.js";
import { countPasses, mapParams, type Params, type Passes, param } from "../../src/nn/index.js";
import type { Method, MethodState } from "../../src/pruning/index.js";
import type { Evaluation, Objective, ScoreGradient, StepGradient } from "../../src/sharpness/index.js";
import { keep, ops, type Precision, scope } from "../../src/torch/index.js";
import { searchObjective } from "../../src/train/index.js";
import { rng } from "../../src/util/index.js";
import { copyOf, tinyData } from "./tiny.js";

type Arguments = Parameters<Objective["evaluate"]>;

export interface Asked {
  readonly statistics: Arguments[1];
  readonly how: Arguments[2];
  /** The point, minus the scores of the step. */
  readonly shift: Params;
  /** The weights there, minus the model's; empty where they are the model's. */
  readonly weightShift: Params;
  readonly evaluation: Evaluation;
}

export interface Step {
  readonly found: StepGradient;
  readonly asked: readonly Asked[];
  /** Statistics afterwards. */
  readonly buffers: Params;
  readonly passes: Passes;
}

export interface StepOptions {
  readonly model: Model;
  readonly scores: Params;
  readonly method: Method;
  /** What the method's state holds besides the scores; default nothing. */
  readonly learned?: Omit<MethodState, "scores"> | undefined;
  readonly loss: RobustLoss;
  readonly gradient: ScoreGradient;
  readonly precision?: Precision;
  readonly epoch?: number;
  readonly weightDecay?: number;
  /** Numbers that the gradient keeps; default none so far. */
  readonly kept?: Record<string, number>;
}

const clone = (params: Params) => mapParams(params, (t) => ops.clone(t));

type Tensors = Pick<Asked, "shift" | "weightShift" | "evaluation">;

function copied({ shift, weightShift, evaluation }: Tensors): Tensors {
  const { loss, scores, weights, rest, masks } = evaluation;
  const copies = { loss, scores: clone(scores), weights: clone(weights), rest: clone(rest), masks: clone(masks) };
  return { shift: clone(shift), weightShift: clone(weightShift), evaluation: copies };
}

const batch = tinyData().train.ordered(0, 16);

/** Runs in a scope; the model itself is not changed. */
export function searchStep(options: StepOptions): Step {
  const { model, scores, method, learned, loss, gradient, precision = "float32" } = options;
  const { epoch = 4, weightDecay = 0, kept = {} } = options;
  const state = copyOf(model);
  const passes = countPasses();
  const context = { batch, rng: rng(5, "step"), poll: () => {}, epoch, epochs: 8 };
  const shared = { model, state, method, learned, loss, precision, passes, freezeBatchNorm: false };
  const real = searchObjective({ ...shared, context });
  const asked: Asked[] = [];
  const objective: Objective = {
    ...real,
    evaluate(at, statistics, how) {
      const shift = mapParams(at.scores, (s, name) => ops.sub(s, param(scores, name)));
      const weightShift = mapParams(at.weights ?? new Map(), (w, name) => ops.sub(w, param(model.params, name)));
      const evaluation = real.evaluate(at, statistics, how);
      // Copies: a gradient frees what it asked for and returns only its answer.
      asked.push({
        statistics,
        how,
        ...keep(
          scope(() => copied({ shift, weightShift, evaluation })),
          { forever: true },
        ),
      });
      return evaluation;
    },
  };
  const found = gradient.compute(scores, objective, {
    epoch,
    epochs: 8,
    rng: context.rng,
    weightDecay,
    detailed: true,
    state: kept,
  });
  return { found, asked, buffers: state.buffers, passes };
}

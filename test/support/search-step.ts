// One step of a search with everything in sight: what the gradient asked of the objective, and what it did.
import type { RobustLoss } from "../../src/losses/index.js";
import type { Model } from "../../src/models/index.js";
import { countPasses, mapParams, type Params, type Passes, param } from "../../src/nn/index.js";
import type { Method } from "../../src/pruning/index.js";
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
  readonly loss: RobustLoss;
  readonly gradient: ScoreGradient;
  readonly precision?: Precision;
  readonly epoch?: number;
  readonly weightDecay?: number;
}

const clone = (params: Params) => mapParams(params, (t) => ops.clone(t));

function copied({ shift, evaluation }: Pick<Asked, "shift" | "evaluation">): Pick<Asked, "shift" | "evaluation"> {
  const { loss, scores, weights, rest, masks } = evaluation;
  const copies = { loss, scores: clone(scores), weights: clone(weights), rest: clone(rest), masks: clone(masks) };
  return { shift: clone(shift), evaluation: copies };
}

const batch = tinyData().train.ordered(0, 16);

/** Runs in a scope; the model itself is not changed. */
export function searchStep(options: StepOptions): Step {
  const { model, scores, method, loss, gradient, precision = "float32", epoch = 4, weightDecay = 0 } = options;
  const state = copyOf(model);
  const passes = countPasses();
  const context = { batch, rng: rng(5, "step"), poll: () => {}, epoch, epochs: 8 };
  const real = searchObjective({ model, state, method, loss, precision, passes, freezeBatchNorm: false, context });
  const asked: Asked[] = [];
  const objective: Objective = {
    evaluate(at, statistics, how) {
      const shift = mapParams(at.scores, (s, name) => ops.sub(s, param(scores, name)));
      const evaluation = real.evaluate(at, statistics, how);
      // Copies: a gradient frees what it asked for and returns only its answer.
      asked.push({
        statistics,
        how,
        ...keep(
          scope(() => copied({ shift, evaluation })),
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
  });
  return { found, asked, buffers: state.buffers, passes };
}

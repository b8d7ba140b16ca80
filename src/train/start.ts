import { type Model, withState } from "../models/index.js";
import { mapParams, type Params } from "../nn/index.js";
import type { Method } from "../pruning/index.js";
import { keep, ops, scope } from "../torch/index.js";
import type { Rng } from "../util/index.js";

/** What a search begins with, and the tensors of it that are not the model's own. */
export interface Start {
  readonly model: Model;
  readonly drawn: readonly Params[];
}

/** As of a new network: statistics of weights that are gone would mislead the first attacks. */
function freshStatistics(buffers: Params): Map<string, ReturnType<typeof ops.onesLike>> {
  const fresh = () =>
    mapParams(buffers, (buffer, name) =>
      name.endsWith(".running_var") ? ops.onesLike(buffer) : ops.zerosLike(buffer),
    );
  return keep(scope(fresh), { forever: true });
}

/** The model, or the one that the method draws in its place. */
export function startOf(model: Model, method: Method, rng: Rng): Start {
  const params = method.initWeights?.(model, rng);
  if (params === undefined) return { model, drawn: [] };
  const buffers = freshStatistics(model.buffers);
  return {
    model: withState(model, { params: new Map([...model.params, ...params]), buffers }),
    drawn: [params, buffers],
  };
}

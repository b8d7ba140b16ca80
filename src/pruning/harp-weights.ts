// HARP over single weights: masks as HYDRA's, at the layer's own rate. The budget counts weights,
//   R = sum N_l r_l / sum N_l,  dR/dr_l = N_l / sum N,  allowed: K;
// and a rate takes the sum of the gradient that arrives at its mask, dL/dr_l = sum of w ⊙ dL/dθ over all entries.
import { mapParams, param, pick } from "../nn/index.js";
import { ops } from "../torch/index.js";
import type { Granularity } from "./harp-granularity.js";
import { keptAtRate } from "./rates.js";
import { initialScores, type ScoreInit } from "./score-init.js";
import { keepLargest } from "./select.js";

export function weightGranularity(keepRatio: number, scoreInit: ScoreInit): Granularity {
  return {
    start: (model, rng) => ({ scores: initialScores(pick(model.params, model.prunable), scoreInit, rng) }),
    owners: (_start, model) => model.prunable,
    rates: (_state, own) => own,
    masks: ({ scores }, rates) =>
      mapParams(scores, (score, name) =>
        keepLargest(ops.abs(score), keptAtRate(score.numel, rates.get(name) as number)),
      ),
    receive({ scores, weights, weightGradients }) {
      const atMask = mapParams(scores, (_, name) => ops.mul(param(weights, name), param(weightGradients, name)));
      return {
        scores: mapParams(atMask, (g, name) => ops.mul(ops.sign(param(scores, name)), g)),
        rates: mapParams(atMask, (g) => ops.sum(g)),
      };
    },
    usage({ scores }, own) {
      let all = 0;
      for (const { numel } of scores.values()) all += numel;
      let share = 0;
      const slopes = new Map<string, number>();
      for (const [name, { numel }] of scores) {
        share += (own.get(name) as number) * (numel / all);
        slopes.set(name, numel / all);
      }
      return { share, budget: keepRatio, slopes };
    },
  };
}

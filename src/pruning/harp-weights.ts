// HARP over single weights: masks as HYDRA's, at the layer's own rate. The budget counts weights,
//   R = sum N_l r_l / sum N_l,  dR/dr_l = N_l / sum N,  allowed: K;
// and a rate takes the sum of the gradient that arrives at its mask, dL/dr_l = sum of w ⊙ dL/dθ over all entries. Where the
// layers of a group share one rate (not in the paper), it takes the sum of theirs, and so does its slope dR/dr.
import type { Model } from "../models/index.js";
import { mapParams, param, pick } from "../nn/index.js";
import { ops, type Tensor } from "../torch/index.js";
import { expected, UsageError } from "../util/index.js";
import type { Granularity } from "./harp-granularity.js";
import type { MethodState } from "./method.js";
import { keptAtRate } from "./rates.js";
import { initialScores, type ScoreInit } from "./score-init.js";
import { keepLargest } from "./select.js";
import type { Layout } from "./structure.js";

interface GroupLayout extends Layout {
  /** Whose rate a layer has: that of the first layer of its group. */
  readonly owners: ReadonlyMap<string, string>;
}

function groupLayout({ groups, prunable, spec }: Model): GroupLayout {
  if (groups === undefined || groups.size === 0) {
    throw new UsageError(expected("harp", "a network that groups its layers (the vit_*) for ratesBy group", spec.arch));
  }
  const first = new Map<string, string>();
  const owners = new Map<string, string>();
  for (const name of prunable) {
    const group = groups.get(name);
    if (group !== undefined && !first.has(group)) first.set(group, name);
    owners.set(name, (group !== undefined && first.get(group)) || name);
  }
  return { structure: "weights", weights: new Map(), owners };
}

function ownerIn({ layout }: Pick<MethodState, "layout">, name: string): string {
  return (layout as GroupLayout | undefined)?.owners.get(name) ?? name;
}

export interface WeightOptions {
  readonly keepRatio: number;
  readonly scoreInit: ScoreInit;
  /** Who has a rate of its own. */
  readonly ratesBy: "layer" | "group";
}

export function weightGranularity({ keepRatio, scoreInit, ratesBy }: WeightOptions): Granularity {
  return {
    start(model, rng) {
      const layout = ratesBy === "group" ? groupLayout(model) : undefined;
      return { scores: initialScores(pick(model.params, model.prunable), scoreInit, rng), layout };
    },
    owners: (start, model) => model.prunable.filter((name) => ownerIn(start, name) === name),
    rates: (state, own) =>
      new Map(Array.from(state.scores.keys(), (name) => [name, own.get(ownerIn(state, name)) as number])),
    masks: ({ scores }, rates) =>
      mapParams(scores, (score, name) =>
        keepLargest(ops.abs(score), keptAtRate(score.numel, rates.get(name) as number)),
      ),
    receive(arrived) {
      const { scores, weights, weightGradients } = arrived;
      const atMask = mapParams(scores, (_, name) => ops.mul(param(weights, name), param(weightGradients, name)));
      const rates = new Map<string, Tensor>();
      for (const [name, gradient] of atMask) {
        const [owner, more] = [ownerIn(arrived, name), ops.sum(gradient)];
        const sum = rates.get(owner);
        rates.set(owner, sum ? ops.add(sum, more) : more);
      }
      return { scores: mapParams(atMask, (g, name) => ops.mul(ops.sign(param(scores, name)), g)), rates };
    },
    usage(state, own) {
      let all = 0;
      for (const { numel } of state.scores.values()) all += numel;
      let share = 0;
      const slopes = new Map<string, number>();
      for (const [name, { numel }] of state.scores) {
        const owner = ownerIn(state, name);
        share += (own.get(owner) as number) * (numel / all);
        slopes.set(owner, (slopes.get(owner) ?? 0) + numel / all);
      }
      return { share, budget: keepRatio, slopes };
    },
  };
}

// Pruning at the budgets of ERK (`budgets.ts`): each layer keeps its share, the larger the smaller the layer is, of the
// largest weights or of random ones.
import { z } from "zod";
import { cloneParams, pick } from "../nn/index.js";
import { parseOptions } from "../util/index.js";
import { erkRatios, exactCounts } from "./budgets.js";
import { countMasks } from "./lamp.js";
import { straightThrough } from "./magnitudes.js";
import type { Method } from "./method.js";
import { initialScores } from "./score-init.js";
import { keepRatio } from "./structure-options.js";

export const erkOptions = z.strictObject({
  keepRatio: keepRatio.describe("fraction of all prunable weights together that is kept, in (0, 1]"),
  rank: z
    .enum(["magnitude", "random"])
    .default("magnitude")
    .describe("what stays in a layer: its largest weights (default), or random ones"),
});

export function erk(options: z.input<typeof erkOptions>): Method {
  const parsed = parseOptions("erk", erkOptions, options);
  return {
    name: "erk",
    searches: false,
    init(model, rng) {
      const weights = pick(model.params, model.prunable);
      return { scores: parsed.rank === "random" ? initialScores(weights, "uniform", rng) : cloneParams(weights) };
    },
    masks: ({ scores }) =>
      countMasks(scores, exactCounts(scores, erkRatios(scores, parsed.keepRatio), parsed.keepRatio)),
    pullBack: (arrived) => ({ scores: straightThrough(arrived) }),
  };
}

// Random pruning: what any search must beat. Scores are drawn once, and the largest of each layer stay; how many is
// said by a budget: the same ratio in each layer, ERK, or ratios by layer name.
import { z } from "zod";
import { type Params, pick } from "../nn/index.js";
import { parseOptions } from "../util/index.js";
import { erkRatios, exactCounts, givenRatios, roundedCounts, uniformRatios } from "./budgets.js";
import { countMasks } from "./lamp.js";
import { straightThrough } from "./magnitudes.js";
import type { Method } from "./method.js";
import { initialScores } from "./score-init.js";

const ratio = z.number().gt(0).max(1);

export const randomOptions = z
  .strictObject({
    keepRatio: ratio.optional().describe("fraction that is kept, in (0, 1]; needed, but not with `keepRatios`"),
    budget: z
      .enum(["uniform", "erk"])
      .default("uniform")
      .describe("how the kept weights are shared out: the same ratio in each layer (default), or by ERK"),
    keepRatios: z
      .record(z.string(), ratio)
      .optional()
      .describe("ratio of each prunable layer by its name, instead of keepRatio and budget"),
  })
  .superRefine(({ keepRatio, keepRatios }, context) => {
    if ((keepRatio === undefined) === (keepRatios === undefined)) {
      const message = keepRatios ? "to be left out, as keepRatios says it" : "in (0, 1]";
      context.addIssue({ code: "custom", path: ["keepRatio"], message, input: keepRatio });
    }
  });

export function randomPruning(options: z.input<typeof randomOptions>): Method {
  const { keepRatio = 1, budget, keepRatios } = parseOptions("random", randomOptions, options);
  const counts = (weights: Params) => {
    if (keepRatios) return roundedCounts(weights, givenRatios("random", weights, keepRatios));
    if (budget === "erk") return exactCounts(weights, erkRatios(weights, keepRatio), keepRatio);
    return roundedCounts(weights, uniformRatios(weights, keepRatio));
  };
  return {
    name: "random",
    searches: false,
    init: (model, rng) => ({ scores: initialScores(pick(model.params, model.prunable), "uniform", rng) }),
    masks: ({ scores }) => countMasks(scores, counts(scores)),
    pullBack: (arrived) => ({ scores: straightThrough(arrived) }),
  };
}

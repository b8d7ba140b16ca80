// Least-weight-magnitude pruning (LWM; Han, Pool, Tran, Dally, NeurIPS 2015, arXiv 1506.02626): the scores are the
// weights themselves, or the sum of |w| over a group, so there is nothing to search.
//   scope layer:  the keepRatio largest |s| of each layer
//   scope global: the keepRatio largest |w| of all layers together
import { z } from "zod";
import { cloneParams, pick } from "../nn/index.js";
import { keep, scope } from "../torch/index.js";
import { parseOptions } from "../util/index.js";
import { globalMasks } from "./global.js";
import { largestGroups, straightThrough } from "./magnitudes.js";
import type { Method } from "./method.js";
import { groupMass } from "./score-init.js";
import { layoutOf } from "./structure.js";
import { checkStructured, keptOf, structured } from "./structure-options.js";

export const magnitudeOptions = z
  .strictObject({
    ...structured,
    scope: z
      .enum(["layer", "global"])
      .default("layer")
      .describe(
        "what is ranked together: each `layer` by itself (default), or the weights of all; global needs `weights`",
      ),
  })
  .superRefine((given, context) => {
    checkStructured(given, context);
    if (given.scope === "global" && given.structure !== "weights") {
      context.addIssue({
        code: "custom",
        path: ["scope"],
        message: "to be layer for groups of weights",
        input: "global",
      });
    }
  });

export function magnitude(options: z.input<typeof magnitudeOptions>): Method {
  const parsed = parseOptions("magnitude", magnitudeOptions, options);
  const { choice, count } = keptOf(parsed);
  const { keepRatio = 1 } = parsed;
  return {
    name: "magnitude",
    searches: false,
    init(model) {
      const layout = layoutOf(model, choice);
      const weights = pick(model.params, model.prunable);
      if (!layout) return { scores: cloneParams(weights) };
      const masses = scope(() =>
        cloneParams(new Map(Array.from(weights, ([name, w]) => [name, groupMass(w, layout.weights.get(name))]))),
      );
      return { scores: keep(masses, { forever: true }), layout };
    },
    masks: (state) => (parsed.scope === "global" ? globalMasks(state.scores, keepRatio) : largestGroups(state, count)),
    pullBack: (arrived) => ({ scores: straightThrough(arrived) }),
  };
}

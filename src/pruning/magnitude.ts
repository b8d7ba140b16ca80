// Least-weight-magnitude pruning (LWM; Han, Pool, Tran, Dally, NeurIPS 2015, arXiv 1506.02626), per layer: the scores
// are the weights themselves, so there is nothing to search.
import { z } from "zod";
import { cloneParams, pick } from "../nn/index.js";
import { parseOptions } from "../util/index.js";
import { keepRatio } from "./hydra.js";
import { magnitudeMasks, straightThrough } from "./magnitudes.js";
import type { Method } from "./method.js";

export const magnitudeOptions = z.strictObject({ keepRatio });

export function magnitude(options: z.input<typeof magnitudeOptions>): Method {
  const parsed = parseOptions("magnitude", magnitudeOptions, options);
  return {
    name: "magnitude",
    searches: false,
    init: (model) => ({ scores: cloneParams(pick(model.params, model.prunable)) }),
    masks: ({ scores }) => magnitudeMasks(scores, parsed.keepRatio),
    pullBack: (arrived) => ({ scores: straightThrough(arrived) }),
  };
}

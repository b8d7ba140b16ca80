// HYDRA (Sehwag, Wang, Mittal, Jana, "HYDRA: Pruning Adversarially Robust Neural Networks", NeurIPS 2020,
// arXiv 2002.10509): with weights frozen,
//   minimise over s the robust loss of w ⊙ m(s), m(s) = the keepRatio largest |s| of each layer,
// the gradient passing straight through the mask: dL/ds = sign(s) ⊙ w ⊙ dL/d(w ⊙ m).
// Ours in addition: scores of groups (filters, channels, ...), whose gradient is the sum over the group, and n:m patterns.
import { z } from "zod";
import { pick } from "../nn/index.js";
import { parseOptions } from "../util/index.js";
import { largestGroups, straightThrough } from "./magnitudes.js";
import type { Method } from "./method.js";
import { initialScores, scoreInit } from "./score-init.js";
import { layoutOf } from "./structure.js";
import { checkStructured, keptOf, structured } from "./structure-options.js";

export { keepRatio } from "./structure-options.js";

export const hydraOptions = z.strictObject({ ...structured, scoreInit }).superRefine(checkStructured);

export function hydra(options: z.input<typeof hydraOptions>): Method {
  const parsed = parseOptions("hydra", hydraOptions, options);
  const { choice, count } = keptOf(parsed);
  return {
    name: "hydra",
    searches: true,
    init(model, rng) {
      const layout = layoutOf(model, choice);
      return { scores: initialScores(pick(model.params, model.prunable), parsed.scoreInit, rng, layout), layout };
    },
    masks: (state) => largestGroups(state, count),
    pullBack: (arrived) => ({ scores: straightThrough(arrived) }),
  };
}

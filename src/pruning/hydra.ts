// HYDRA (Sehwag, Wang, Mittal, Jana, "HYDRA: Pruning Adversarially Robust Neural Networks", NeurIPS 2020,
// arXiv 2002.10509): with weights frozen,
//   minimise over s the robust loss of w ⊙ m(s), m(s) = the keepRatio largest |s| of each layer,
// the gradient passing straight through the mask: dL/ds = sign(s) ⊙ w ⊙ dL/d(w ⊙ m).
import { z } from "zod";
import { pick } from "../nn/index.js";
import { parseOptions } from "../util/index.js";
import { magnitudeMasks, straightThrough } from "./magnitudes.js";
import type { Method } from "./method.js";
import { initialScores, scoreInit } from "./score-init.js";

export const keepRatio = z.number().gt(0).max(1).describe("fraction of each layer's weights that is kept, in (0, 1]");
export const hydraOptions = z.strictObject({ keepRatio, scoreInit });

export function hydra(options: z.input<typeof hydraOptions>): Method {
  const parsed = parseOptions("hydra", hydraOptions, options);
  return {
    name: "hydra",
    searches: true,
    init: (model, rng) => ({ scores: initialScores(pick(model.params, model.prunable), parsed.scoreInit, rng) }),
    masks: ({ scores }) => magnitudeMasks(scores, parsed.keepRatio),
    pullBack: (arrived) => ({ scores: straightThrough(arrived) }),
  };
}

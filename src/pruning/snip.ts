// SNIP (Lee, Ajanthan, Torr, "SNIP: Single-shot Network Pruning based on Connection Sensitivity", ICLR 2019,
// arXiv 1810.02340): with every weight kept,
//   s = |dL/dm| = |w ⊙ dL/dθ| on one training batch, and the keepRatio largest of all layers together stay.
// HYDRA's code draws scores first and takes |dL/ds|, which is the same, since |sign(s)| = 1. Ours: L is the robust loss of
// the stage, since that is what the network must do well; `loss: crossEntropy` on clean images is the paper's and HYDRA's.
import { z } from "zod";
import { cloneParams, mapParams, param, pick } from "../nn/index.js";
import { ops, scope } from "../torch/index.js";
import { expected, parseOptions, UsageError } from "../util/index.js";
import { globalMasks } from "./global.js";
import { magnitudeMasks, straightThrough } from "./magnitudes.js";
import type { Method } from "./method.js";
import { keepRatio } from "./structure-options.js";

export const snipOptions = z.strictObject({
  keepRatio,
  scope: z
    .enum(["global", "layer"])
    .default("global")
    .describe(
      "what is ranked together: the weights of all layers (default), or parity with HYDRA: each `layer` by itself",
    ),
  loss: z
    .enum(["robust", "crossEntropy"])
    .default("robust")
    .describe("whose gradient ranks: the stage's robust loss (default), or parity: `crossEntropy` of the clean images"),
  batches: z.int().min(1).default(1).describe("training batches that the gradient is the mean of; default 1"),
});

export function snip(options: z.input<typeof snipOptions>): Method {
  const parsed = parseOptions("snip", snipOptions, options);
  return {
    name: "snip",
    searches: false,
    init(model, _rng, gradients) {
      if (!gradients) throw new UsageError(expected("snip", "gradients of the network, as a search gives", gradients));
      return scope(() => {
        const arrived = gradients({ loss: parsed.loss, batches: parsed.batches });
        const weights = pick(model.params, model.prunable);
        return { scores: cloneParams(mapParams(weights, (w, name) => ops.abs(ops.mul(w, param(arrived, name))))) };
      });
    },
    masks: ({ scores }) =>
      parsed.scope === "global" ? globalMasks(scores, parsed.keepRatio) : magnitudeMasks(scores, parsed.keepRatio),
    pullBack: (arrived) => ({ scores: straightThrough(arrived) }),
  };
}

// Robust Scratch Tickets (Fu, Yu, Zhang, Wu, Ouyang, Cox, Lin, "Drawing Robust Scratch Tickets: Subnetworks with Inborn
// Robustness Are Found within Randomly Initialized Networks", NeurIPS 2021, arXiv 2110.14068): weights are drawn and never
// trained; with batch norm fixed at weight 1 and bias 0,
//   minimise over s the robust loss of w ⊙ m(s),  dL/ds = sign(s) ⊙ sum over the group of w ⊙ dL/d(w ⊙ m),
// m(s) = the keepRatio largest |s| of each layer, groups being weights, rows, kernels or filters. Scores begin uniform in
// ±1/sqrt(fan_in) of their own shape, filter scores standard normal. Biases of linear layers are set to zero, as the
// reference's classifier has none. Where it says `filters`, ours share one mask among layers whose outputs are added, and
// the classifier keeps all of them. The reference crafts its examples with batch norm in training mode, which moves the
// running statistics at each attack step: `attackMode: train` of the loss; by default examples see running statistics.
import { z } from "zod";
import type { Model } from "../models/index.js";
import { type Params, pick } from "../nn/index.js";
import { keep, ops, scope, type Tensor } from "../torch/index.js";
import { parseOptions, type Rng } from "../util/index.js";
import { largestGroups, straightThrough } from "./magnitudes.js";
import type { Method } from "./method.js";
import { drawnWeight, type WeightInit, weightInit } from "./rst-weights.js";
import { initialScores } from "./score-init.js";
import { layoutOf } from "./structure.js";
import { checkStructured, keptOf, structured } from "./structure-options.js";

export const rstOptions = z
  .strictObject({
    ...structured,
    weightInit,
    scaleFan: z
      .boolean()
      .default(false)
      .describe("parity with the reference's `scale_fan`: the fan-in times 1 - keepRatio; default false"),
  })
  .superRefine((given, context) => {
    checkStructured(given, context);
    if (given.scaleFan && (given.keepRatio === undefined || given.keepRatio === 1)) {
      const message = "to be false without a keepRatio below 1";
      context.addIssue({ code: "custom", path: ["scaleFan"], message, input: given.scaleFan });
    }
  });

/** A random network in place of the model's: prunable weights drawn, the weights of norms 1, all biases 0. */
function randomParams(model: Model, options: { init: WeightInit; fanFactor: number }, rng: Rng): Map<string, Tensor> {
  const prunable = new Set(model.prunable);
  const fresh = (name: string, before: Tensor): Tensor => {
    if (prunable.has(name)) return ops.to(drawnWeight(before.shape, options, rng.at("weight", name)), before.dtype);
    return name.endsWith(".weight") ? ops.onesLike(before) : ops.zerosLike(before);
  };
  const drawn = [...model.params].filter(([name]) => prunable.has(name) || /\.(weight|bias)$/.test(name));
  return keep(
    scope(() => new Map(drawn.map(([name, before]) => [name, fresh(name, before)]))),
    { forever: true },
  );
}

export function rst(options: z.input<typeof rstOptions>): Method {
  const parsed = parseOptions("rst", rstOptions, options);
  const { choice, count } = keptOf(parsed);
  const fanFactor = parsed.scaleFan ? 1 - (parsed.keepRatio ?? 0) : 1;
  return {
    name: "rst",
    searches: true,
    trainsBatchNorm: false,
    initWeights: (model, rng) => randomParams(model, { init: parsed.weightInit, fanFactor }, rng),
    init(model, rng) {
      const layout = layoutOf(model, choice);
      const weights: Params = pick(model.params, model.prunable);
      const init = choice.structure === "filters" || choice.structure === "channels" ? "normal" : "uniform";
      return { scores: initialScores(weights, init, rng, layout), layout };
    },
    masks: (state) => largestGroups(state, count),
    pullBack: (arrived) => ({ scores: straightThrough(arrived) }),
  };
}

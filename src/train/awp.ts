// AWP, adversarial weight perturbation (Wu, Xia, Wang, "Adversarial Weight Perturbation Helps Robust Generalization",
// NeurIPS 2020, arXiv 2004.05884), of the weights that pretraining and finetuning learn:
//   g = dL/dw at (w, xAdv);  v_l = gamma ||w_l ⊙ m_l|| g_l / (||g_l|| + 1e-20) for each convolution and linear weight;
//   the optimiser's step is taken at w + v, with dL/dw on the same xAdv, and v is taken away again.
// L is the whole robust loss (of TRADES both terms), norms are those of whole tensors, and the pass at w + v moves batch
// norm's statistics, as in the authors' code, which climbs on a copy of the network. Their settings: gamma 0.01 for PGD-AT,
// 0.005 with warmup 10 for TRADES, warmup 5 for SVHN.
// Deviations: on a pruned network norms are those of the kept weights (`norm: all` counts the others, as the authors' code
// would), and only they move; a g_l too small or large to square in float32 is divided by its largest entry first;
// w itself is never written: a step at w + v with weight decay there, and v taken away, is a step at w whose gradient
// has weightDecay v added, without the rounding errors. `restoreBeforeStep` leaves that term out, which is SAM's order.
import { z } from "zod";
import { mapParams, type Params } from "../nn/index.js";
import { steepestShift } from "../sharpness/index.js";
import { ops, type Tensor } from "../torch/index.js";
import { parseOptions } from "../util/index.js";
import {
  movingPass,
  perturbedWeights,
  type WeightGradient,
  type WeightObjective,
  warmupEpochs,
} from "./weight-gradient.js";

export const awpOptions = z.strictObject({
  gamma: z
    .number()
    .min(0)
    .default(0.01)
    .describe("radius of the perturbation relative to a layer's weights; default 0.01"),
  warmup: warmupEpochs,
  norm: z
    .enum(["kept", "all"])
    .default("kept")
    .describe("weights whose norm gamma is relative to: kept, or pruned ones too; default kept"),
  statistics: movingPass("perturbed"),
  restoreBeforeStep: z
    .boolean()
    .default(false)
    .describe("take the step, and so weight decay, at w in place of w + v, as SAM does; default false"),
});

/** Weights of convolutions and linear layers; neither batch norm's nor biases. */
const isPerturbed = (name: string, { shape }: Tensor) => shape.length >= 2 && name.includes("weight");

/** v, of the layers that are perturbed. */
function shiftOf({ params, masks }: WeightObjective, gradients: Params, options: z.output<typeof awpOptions>): Params {
  const weights = new Map([...params].filter(([name, tensor]) => isPerturbed(name, tensor)));
  const kept = (tensor: Tensor, name: string) => {
    const mask = masks?.get(name);
    return mask ? ops.mul(tensor, mask) : tensor;
  };
  const measured = options.norm === "kept" ? mapParams(weights, kept) : weights;
  return steepestShift(measured, gradients, options.gamma, "l2");
}

/** `gamma: 0` runs both passes and gives `plain`'s bits. Cost: one more forward (of TRADES two) and backward a step. */
export function awpWeights(options: z.input<typeof awpOptions> = {}): WeightGradient {
  const parsed = parseOptions("awp", awpOptions, options);
  const decayAt = parsed.restoreBeforeStep ? "w" : "w+v";
  return perturbedWeights("awp", { ...parsed, decayAt }, (objective, gradients) =>
    shiftOf(objective, gradients, parsed),
  );
}

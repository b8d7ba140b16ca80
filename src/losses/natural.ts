// Training on the images as they are: minimise mean CE(f(x), y). Nothing is crafted; the threat is what is measured against.
import { z } from "zod";
import type { Threat } from "../attacks/index.js";
import { ops } from "../torch/index.js";
import { parseOptions } from "../util/index.js";
import { labelSmoothing, meanCrossEntropy, type RobustLoss } from "./loss.js";

export const naturalOptions = z.strictObject({ labelSmoothing });

/** Statistics move once a step, on the clean batch; the accuracy that a step reports is the clean one. */
export function natural(threat: Threat, options: z.input<typeof naturalOptions> = {}): RobustLoss {
  const { labelSmoothing: smoothing } = parseOptions("natural", naturalOptions, options);
  return {
    name: "natural",
    threat,
    softLabels: true,
    craft: (_victim, x) => ops.detach(x),
    evaluate(forward, { x, y }) {
      const robustLogits = forward(x);
      return { loss: meanCrossEntropy(robustLogits, y, smoothing), robustLogits };
    },
  };
}

import type { Victim } from "../attacks/index.js";
import { type FoldOptions, folded, localNetwork, type Model } from "../models/index.js";
import { countPasses, type Passes } from "../nn/index.js";
import { ops } from "../torch/index.js";

/**
 * A network to search on: the same function in less time, up to rounding, and in bfloat16 up to that. What it says counts
 * for nothing by itself: who uses it must let the untouched network confirm what was found. Its tensors belong to the
 * scope it is made in.
 */
export function fastVictim(model: Model, options: FoldOptions & { readonly passes?: Passes } = {}): Victim {
  const { passes = countPasses(), ...precision } = options;
  const state = folded(model, precision);
  return {
    passes,
    local: localNetwork(model, state, passes),
    logits(x) {
      passes.forward += 1;
      const logits = model.forward(state, x, { batchNorm: "running" });
      return logits.dtype === "bfloat16" ? ops.to(logits, "float32") : logits;
    },
  };
}

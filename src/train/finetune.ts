import type { Model } from "../models/index.js";
import { disposeParams } from "../nn/index.js";
import type { Masks, Method } from "../pruning/index.js";
import { rng, UsageError } from "../util/index.js";
import type { Distillation } from "./distill.js";
import type { WeightStageOptions } from "./options.js";
import { startOf } from "./start.js";
import { trainWeights } from "./weights.js";

export interface FinetuneOptions extends WeightStageOptions {
  /** Which weights stay; the others are exact zeros in the result. */
  readonly masks: Masks;
  /** A method that draws weights (RST), to begin with new ones of its kind instead of the model's; default the model's. */
  readonly redraw?: Method | undefined;
  /** A dense network that the loss also draws the pruned one towards; default none. */
  readonly distill?: Distillation | undefined;
}

/** Trains what the masks kept; returns a new model. */
export async function finetune(model: Model, options: FinetuneOptions): Promise<Model> {
  const { redraw, ...rest } = options;
  if (redraw === undefined) return trainWeights(model, { ...rest, stage: "finetune" });
  if (redraw.initWeights === undefined) {
    throw new UsageError(`finetune: expected redraw by a method that draws weights, got ${redraw.name}`);
  }
  const seed = options.seed ?? options.run?.manifest.seed ?? 0;
  const start = startOf(model, redraw, rng(seed, "finetune", "weights"));
  try {
    return await trainWeights(start.model, { ...rest, stage: "finetune" });
  } finally {
    disposeParams(...start.drawn);
  }
}

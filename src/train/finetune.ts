import type { Model } from "../models/index.js";
import type { Masks } from "../pruning/index.js";
import type { StageOptions } from "./options.js";
import { trainWeights } from "./weights.js";

export interface FinetuneOptions extends StageOptions {
  /** Which weights stay; the others are exact zeros in the result. */
  readonly masks: Masks;
}

/** Trains what the masks kept; returns a new model. */
export async function finetune(model: Model, options: FinetuneOptions): Promise<Model> {
  return trainWeights(model, { ...options, stage: "finetune" });
}

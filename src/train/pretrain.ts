import type { Model } from "../models/index.js";
import type { WeightStageOptions } from "./options.js";
import { trainWeights } from "./weights.js";

/** Robust training of a dense network; returns a new model, the given one is not changed. */
export async function pretrain(model: Model, options: WeightStageOptions): Promise<Model> {
  return trainWeights(model, { ...options, stage: "pretrain" });
}

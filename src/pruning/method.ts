import type { Model } from "../models/index.js";
import type { Params } from "../nn/index.js";
import type { Rng } from "../util/index.js";
import type { Masks } from "./mask.js";

/** What a pruning method learns: named tensors and nothing else, so every checkpoint has one format. */
export interface MethodState {
  /** Importance scores by weight name: what the search trains and S2AP perturbs. */
  readonly scores: Params;
}

/** Where scores were evaluated and the gradient that arrived at the dense weights θ = w ⊙ m there. */
export interface Arrived {
  readonly scores: Params;
  readonly weights: Params;
  /** dL/dθ for every entry, pruned ones included. */
  readonly weightGradients: Params;
}

/** A way to choose which weights stay: pure functions over plain state. */
export interface Method {
  readonly name: string;
  /** Whether scores are learned; a method that only ranks weights needs no search epochs. */
  readonly searches: boolean;
  /** State for a trained model, which is not changed; no scope owns its tensors. */
  init(model: Model, rng: Rng): MethodState;
  /** Masks of all prunable weights. */
  masks(scores: Params): Masks;
  /** dL/ds from dL/dθ, through the mask as if it were the identity (straight-through). */
  pullBack(arrived: Arrived): Params;
}

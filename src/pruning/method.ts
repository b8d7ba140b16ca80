import type { Model } from "../models/index.js";
import type { Params } from "../nn/index.js";
import type { Rng } from "../util/index.js";
import type { Masks } from "./mask.js";
import type { Layout } from "./structure.js";

/** What a pruning method learns: named tensors and plain numbers, so every checkpoint has one format. */
export interface MethodState {
  /** Importance scores by weight name: what the search trains and S2AP perturbs. */
  readonly scores: Params;
  /** Further tensors that the optimiser trains, by weight name: HARP's rates. Default: none. */
  readonly trained?: Params | undefined;
  /** Numbers that the method sets itself at the end of an epoch, the same names throughout: HARP's frozen gain. */
  readonly numbers?: Readonly<Record<string, number>> | undefined;
  /** How scores stand for weights where they are not one each: made by `init` from the model's shape, not saved. */
  readonly layout?: Layout | undefined;
}

/** Where masks were taken and the gradient that arrived at the dense weights θ = w ⊙ m there. */
export interface Arrived extends MethodState {
  readonly weights: Params;
  /** dL/dθ for every entry, pruned ones included. */
  readonly weightGradients: Params;
}

/** Gradients of a method's state; `trained` has those of the further tensors, where the method has any. */
export interface Pulled {
  readonly scores: Params;
  readonly trained?: Params | undefined;
}

/** Which gradient of the network with all of its weights: of what loss, as the mean over how many training batches. */
export interface DenseGradientOptions {
  readonly loss: "robust" | "crossEntropy";
  readonly batches: number;
}

/** dL/dw of every prunable weight of the network as it is before the search. */
export type DenseGradients = (options: DenseGradientOptions) => Params;

/** What a method adds to the robust loss, as a function of its further tensors alone. */
export interface Penalty {
  readonly loss: number;
  /** d loss / d tensor of each entry of `trained`, by weight name. */
  readonly trained: Params;
}

/** Where a search stands: epochs done (the 0-based number of the current one), and of how many. */
export interface SearchEpoch {
  readonly epoch: number;
  readonly epochs: number;
}

/** What the optimiser calls a method's further tensor: its name among the gradients of `rest`, and in its own state. */
export const trainedKey = (name: string) => `trained.${name}`;

/** A way to choose which weights stay: pure functions over plain state. */
export interface Method {
  readonly name: string;
  /** Whether scores are learned; a method that only ranks weights needs no search epochs. */
  readonly searches: boolean;
  /** State for a trained model, which is not changed; no scope owns its tensors. A search gives `gradients`: SNIP asks for them. */
  init(model: Model, rng: Rng, gradients?: DenseGradients): MethodState;
  /** Masks of all prunable weights. */
  masks(state: MethodState): Masks;
  /** dL/ds from dL/dθ, through the mask as if it were the identity (straight-through), and what else arrives. */
  pullBack(arrived: Arrived): Pulled;
  /** Added to the robust loss at every step; default none. */
  penalty?(state: MethodState, progress: SearchEpoch): Penalty;
  /** The numbers of the state after an epoch; default: as they were. */
  epochEnd?(state: MethodState, progress: SearchEpoch): Readonly<Record<string, number>>;
  /** Whether this epoch's state may be chosen as the best: HARP asks for the budget; default yes. */
  candidate?(state: MethodState): boolean;
  /** Share of each layer that the state keeps, where the method decides that itself: for reports. */
  keepRatios?(state: MethodState): Readonly<Record<string, number>>;
  /** Whether the optimiser moves the scores; default true. */
  readonly trainsScores?: boolean;
  /** Whether the optimiser's weight decay acts on the further tensors; default true. */
  readonly decaysTrained?: boolean;
  /**
   * Parameters that take the place of the model's before the search, by name: RST draws them. `init` sees the result.
   * No scope owns them.
   */
  initWeights?(model: Model, rng: Rng): Params;
  /** Whether batch norm's affine parameters train in the search; default true. */
  readonly trainsBatchNorm?: boolean;
}

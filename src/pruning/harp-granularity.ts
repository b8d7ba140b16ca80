import type { Model } from "../models/index.js";
import type { Tensor } from "../torch/index.js";
import type { Rng } from "../util/index.js";
import type { Masks } from "./mask.js";
import type { Arrived, MethodState } from "./method.js";
import type { Rates } from "./rates-initial.js";

/** Scores before a search, and what masks have to know of the network's shape. */
export type Start = Pick<MethodState, "scores" | "layout">;

/** What arrived at the masks: gradients of scores, and of the rates as numbers that masks have, by their owners. */
export interface Received {
  readonly scores: Map<string, Tensor>;
  /** dL/dr, tensors of one entry. */
  readonly rates: Map<string, Tensor>;
}

/** How much of the network rates keep, of what the budget counts. */
export interface Usage {
  /** Of the whole network's, in [0,1]. */
  readonly share: number;
  /** The share that is allowed. */
  readonly budget: number;
  /** d share / d rate, by the rates' names. */
  readonly slopes: Rates;
}

/** What HARP's masks are made of: single weights, or input channels. All rates are those of `owners`. */
export interface Granularity {
  start(model: Model, rng: Rng): Start;
  /** Names of the weights that have a rate of their own. */
  owners(start: Start, model: Model): readonly string[];
  /** Of every prunable weight: its own, or the one of the layer that it follows. */
  rates(state: MethodState, own: Rates): Rates;
  masks(state: MethodState, rates: Rates): Masks;
  receive(arrived: Arrived): Received;
  /** Of the rates of the owners. */
  usage(state: MethodState, own: Rates): Usage;
}

import {
  type FmnOptions,
  type FmnSearchOptions,
  type FmnTrial,
  searchFmnOptions,
  type Threat,
} from "../attacks/index.js";
import type { Split } from "../data/index.js";
import { bindNetwork, type Model } from "../models/index.js";
import { countPasses } from "../nn/index.js";
import { scope } from "../torch/index.js";
import { blockImages } from "./block-images.js";

/** A search for FMN's options in the manner of HO-FMN, as data. */
export interface FmnOptionSearch {
  /** Positions in the split, at most 128 of them. */
  readonly images: { readonly first: number; readonly count: number };
  readonly trials: number;
  /** Gradient steps of a trial. */
  readonly steps: number;
}

/** What a trial said, and what it took. */
export interface FmnTrialMade {
  readonly trial: FmnTrial;
  readonly passes: { readonly forward: number; readonly backward: number };
  readonly seconds: number;
}

/**
 * FMN's options with the least median distance on some images of a split, by the network in float32 with running
 * batch-norm statistics; deterministic in the seed. DataError where the images are not in [0,1] or the labels no classes.
 */
export function fmnOptionsOn(
  model: Model,
  split: Split,
  threat: Threat,
  { images: { first, count }, trials, steps }: FmnOptionSearch,
  options: Pick<FmnSearchOptions, "loss" | "seed" | "known" | "poll"> & {
    readonly onTrial?: (made: FmnTrialMade) => void;
  } = {},
): FmnOptions {
  return scope(() => {
    const passes = countPasses();
    const { victim } = bindNetwork(model, model, { passes });
    const indices = Array.from({ length: count }, (_, i) => first + i);
    const images = blockImages(split, { indices, dtype: "float32", classes: split.dataset.numClasses });
    const { x, y } = images.load(0);
    let [before, started] = [{ ...passes }, performance.now()];
    const onTrial = (trial: FmnTrial) => {
      const [forward, backward] = [passes.forward - before.forward, passes.backward - before.backward];
      const seconds = (performance.now() - started) / 1000;
      [before, started] = [{ ...passes }, performance.now()];
      options.onTrial?.({ trial, passes: { forward, backward }, seconds });
    };
    return searchFmnOptions(threat, victim, x, y, { ...options, trials, steps, onTrial }).options;
  });
}

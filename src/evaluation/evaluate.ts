import { type Attack, accuracy, type Victim } from "../attacks/index.js";
import type { Split } from "../data/index.js";
import { bindNetwork, type Model } from "../models/index.js";
import { countPasses } from "../nn/index.js";
import { beginPeakMemory } from "../torch/index.js";
import { peakMemory, rng, wilson } from "../util/index.js";
import { leftTheBall } from "./checks.js";
import type { Check } from "./robustness.js";

export interface EvaluateOptions {
  /** Test images from the front of the split; default all. */
  readonly examples?: number | undefined;
  readonly batchSize?: number | undefined;
  /** Of the attack's noise, which is keyed per image; default 0. */
  readonly seed?: number | undefined;
  readonly shouldStop?: (() => void) | undefined;
  readonly onProgress?:
    | ((progress: { readonly done: number; readonly of: number; readonly robust: number }) => void)
    | undefined;
}

/** What one attack leaves of a network; accuracies in [0,1] over all examples, clean mistakes included. */
export interface Measured {
  /** `clean` where nothing attacked. */
  readonly attack: string;
  readonly norm: string | null;
  /** Radius as written; empty for `clean`. */
  readonly eps: string;
  readonly examples: number;
  readonly cleanAccuracy: number;
  /** 95 % Wilson interval. */
  readonly cleanInterval: readonly [low: number, high: number];
  readonly robustAccuracy: number;
  readonly interval: readonly [low: number, high: number];
  readonly passes: { readonly forward: number; readonly backward: number };
  readonly seconds: number;
  /** Most bytes resident meanwhile, where it was measured. */
  readonly peakMemory?: number;
  /** What a reader should know first, where there is anything. */
  readonly checks?: readonly Check[];
}

/** Clean accuracy, and robust accuracy under `attack` where one is given: float32, running batch-norm statistics. */
export function evaluate(
  model: Model,
  split: Split,
  attack: Attack | undefined,
  options: EvaluateOptions = {},
): Measured {
  const passes = countPasses();
  const { victim }: { victim: Victim } = bindNetwork(model, model, { passes });
  beginPeakMemory();
  const started = performance.now();
  const { examples, batchSize, shouldStop, onProgress } = options;
  const found = accuracy(victim, split, attack, {
    rng: rng(options.seed ?? 0, "evaluation"),
    ...(examples !== undefined && { examples }),
    ...(batchSize !== undefined && { batchSize }),
    ...(shouldStop && { poll: shouldStop }),
    ...(onProgress && { onProgress }),
  });
  const name = attack?.name ?? "clean";
  const checks = found.outside > 0 ? leftTheBall(new Map([[name, found.outside]])) : [];
  return {
    attack: name,
    norm: attack?.threat.norm ?? null,
    eps: attack?.threat.epsText ?? "",
    examples: found.examples,
    cleanAccuracy: found.cleanAccuracy,
    cleanInterval: wilson(found.correct, found.examples),
    robustAccuracy: found.robustAccuracy,
    interval: wilson(found.robust, found.examples),
    passes,
    seconds: (performance.now() - started) / 1000,
    peakMemory: peakMemory(),
    ...(checks.length > 0 && { checks }),
  };
}

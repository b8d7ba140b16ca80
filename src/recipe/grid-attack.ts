// The networks of a grid under the recipe's last attack, image by image: AutoAttack whole, with a record that can be gone on with.
import { accuracy } from "../attacks/index.js";
import type { Split } from "../data/index.js";
import type { Robustness } from "../evaluation/index.js";
import { bindNetwork, type Model } from "../models/index.js";
import { countPasses, disposeParams } from "../nn/index.js";
import type { AccuracyData, CostLine } from "../report/index.js";
import { beginPeakMemory, scope } from "../torch/index.js";
import { StoppedError } from "../train/index.js";
import { peakMemory, rng } from "../util/index.js";
import { buildEvaluation, buildThreat } from "./build.js";
import { measureAutoAttack } from "./measure.js";
import { loadModel } from "./model-file.js";
import type { EvaluationRecipe, Recipe } from "./schema.js";

export interface AttackedOptions {
  readonly split: Split;
  /** Of the attack's noise: the same for all cells, whatever their own seed. */
  readonly seed: number;
  /** Folder of AutoAttack's record. */
  readonly record?: string | undefined;
  readonly shouldStop?: (() => boolean) | undefined;
  readonly onProgress?: ((progress: { done: number; of: number; robust: number }, attack: string) => void) | undefined;
}

export interface Attacked {
  readonly accuracy: AccuracyData;
  readonly cost: CostLine;
}

/** What each image of AutoAttack came to. */
function ofList({ preset: attack, eps, images, passes, seconds }: Robustness): Attacked {
  const ordered = [...images].sort((a, b) => a.index - b.index);
  const clean = ordered.map((image) => (image.clean === image.label ? "1" : "0")).join("");
  const robust = ordered.map(({ brokenBy }) => (brokenBy === null ? "1" : "0")).join("");
  const cost = { what: attack, ...passes, seconds, peakMemory: peakMemory() };
  return { accuracy: { attack, eps, clean, robust }, cost };
}

/** A network under one attack, or none. */
function ofAttack(model: Model, recipe: Recipe, item: EvaluationRecipe, options: AttackedOptions & Polled): Attacked {
  const { split, seed, poll, onProgress } = options;
  const attack = buildEvaluation(item, buildThreat(recipe));
  const passes = countPasses();
  const { victim } = bindNetwork(model, model, { passes });
  const name = attack?.name ?? "clean";
  beginPeakMemory();
  const started = performance.now();
  const { predictions, examples } = accuracy(victim, split, attack, {
    rng: rng(seed, "evaluation"),
    poll,
    onProgress: (progress) => onProgress?.(progress, name),
    ...(item.examples !== undefined && { examples: item.examples }),
  });
  const cost = { what: name, ...passes, seconds: (performance.now() - started) / 1000, peakMemory: peakMemory() };
  const labels = scope(() => split.ordered(0, examples).y.toNumbers());
  const hits = (found: Int32Array) => Array.from(found, (c, i) => (c === labels[i] ? "1" : "0")).join("");
  const eps = attack?.threat.epsText ?? "";
  return {
    accuracy: { attack: name, eps, clean: hits(predictions.clean), robust: hits(predictions.adversarial) },
    cost,
  };
}

interface Polled {
  /** Throws StoppedError when it is time. */
  poll(): void;
}

/** A network under the recipe's last attack. */
function attackedNetwork(model: Model, recipe: Recipe, options: AttackedOptions): Attacked {
  const { split, seed, shouldStop, onProgress, record } = options;
  const item = recipe.evaluation.findLast(({ name }) => name !== "clean") ?? { name: "clean" };
  const poll = () => {
    if (shouldStop?.()) throw new StoppedError("evaluation");
  };
  if (item.name !== "autoattack") return ofAttack(model, recipe, item, { ...options, poll });
  const found = measureAutoAttack(model, split, item, buildThreat(recipe), {
    ...{ seed, record, shouldStop: poll },
    onProgress: (progress) => onProgress?.(progress, item.name),
  });
  return ofList(found);
}

/** A network's file, or a finished stage's result, under the recipe's last attack. */
export function attackedFile(path: string, recipe: Recipe, options: AttackedOptions): Attacked {
  const model = loadModel(path, recipe.model);
  try {
    return attackedNetwork(model, recipe, options);
  } finally {
    disposeParams(model.params, model.buffers);
  }
}

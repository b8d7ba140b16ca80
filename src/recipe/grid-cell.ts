// What a grid keeps of a cell: numbers, and what became of each test image, so that cells can be compared image by image.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { accuracy } from "../attacks/index.js";
import type { Split } from "../data/index.js";
import { bindNetwork, type Model } from "../models/index.js";
import { disposeParams } from "../nn/index.js";
import type { AccuracyData, CellNumbers } from "../report/index.js";
import { canonicalJson, type EpochDone, readEvents } from "../run/index.js";
import { scope } from "../torch/index.js";
import { StoppedError } from "../train/index.js";
import { rng, sha256, writeFileAtomic } from "../util/index.js";
import { buildEvaluation, buildThreat } from "./build.js";
import { loadModel } from "./model-file.js";
import type { Row } from "./row.js";
import type { Recipe } from "./schema.js";

export interface AttackedOptions {
  readonly split: Split;
  /** Of the attack's noise: the same for all cells, whatever their own seed. */
  readonly seed: number;
  readonly shouldStop?: (() => boolean) | undefined;
  readonly onProgress?: ((progress: { done: number; of: number; robust: number }, attack: string) => void) | undefined;
}

/** A network under the recipe's last attack, image by image. */
export function attackedNetwork(model: Model, recipe: Recipe, options: AttackedOptions): AccuracyData {
  const { split, seed, shouldStop, onProgress } = options;
  const item = recipe.evaluation.findLast(({ name }) => name !== "clean") ?? { name: "clean" };
  const attack = buildEvaluation(item, buildThreat(recipe));
  const { victim } = bindNetwork(model, model);
  const poll = () => {
    if (shouldStop?.()) throw new StoppedError("evaluation");
  };
  const name = attack?.name ?? "clean";
  const { predictions, examples } = accuracy(victim, split, attack, {
    rng: rng(seed, "evaluation"),
    poll,
    onProgress: (progress) => onProgress?.(progress, name),
    ...(item.examples !== undefined && { examples: item.examples }),
  });
  const labels = scope(() => split.ordered(0, examples).y.toNumbers());
  const hits = (found: Int32Array) => Array.from(found, (c, i) => (c === labels[i] ? "1" : "0")).join("");
  const eps = attack?.threat.epsText ?? "";
  return { attack: name, eps, clean: hits(predictions.clean), robust: hits(predictions.adversarial) };
}

/** The same of a network's file, or of a finished stage's result. */
export function attackedFile(path: string, recipe: Recipe, options: AttackedOptions): AccuracyData {
  const model = loadModel(path, recipe.model);
  try {
    return attackedNetwork(model, recipe, options);
  } finally {
    disposeParams(model.params, model.buffers);
  }
}

/** What a finished run and the attacks on its network, before and after finetuning, say of its cell. */
export function cellNumbers(folder: string, recipe: Recipe, row: Row, options: AttackedOptions): CellNumbers {
  const attacked = (path: string) => attackedFile(path, recipe, options);
  const epochs = readEvents(folder).filter((event): event is EpochDone => event.type === "epoch");
  const search = epochs.filter(({ stage }) => stage === "search");
  const passes = new Map(epochs.map(({ stage, passes: { forward, backward } }) => [stage, forward + backward]));
  return {
    sparsity: row.sparsity,
    before: attacked(join(folder, "checkpoints", "search.safetensors")),
    after: attacked(join(folder, "model.safetensors")),
    passes: Object.fromEntries(passes),
    seconds: row.stageSeconds,
    maskDistances: search.flatMap(({ maskDistance }) => (maskDistance ? [maskDistance.perKept] : [])),
    swapFraction: search.at(-1)?.swapFraction ?? null,
  };
}

/** Names what a cell's numbers depend on: they are good for no other recipe and no other dense network. */
export function cellKey(recipe: Recipe, dense: string | undefined): string {
  return sha256(Buffer.from(canonicalJson({ recipe, dense: dense ?? null })));
}

/** Numbers under a key; undefined when there are none, or none of this key, or none that can be read. */
export function readKept<T>(path: string, key: string): T | undefined {
  if (!existsSync(path)) return undefined;
  try {
    const kept = JSON.parse(readFileSync(path, "utf8")) as { key?: unknown; value?: T };
    return kept.key === key ? kept.value : undefined;
  } catch {
    return undefined;
  }
}

export function writeKept(path: string, key: string, value: unknown): void {
  writeFileAtomic(path, `${JSON.stringify({ format: 1, key, value }, undefined, 1)}\n`);
}

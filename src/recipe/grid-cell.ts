// What a grid keeps of a cell: numbers, and what became of each test image, so that cells can be compared image by image.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { accuracy } from "../attacks/index.js";
import type { Split } from "../data/index.js";
import { bindNetwork, type Model } from "../models/index.js";
import { countPasses, disposeParams } from "../nn/index.js";
import type { AccuracyData, CellNumbers, CostLine } from "../report/index.js";
import { canonicalJson, type EpochDone, readEvents } from "../run/index.js";
import { scope } from "../torch/index.js";
import { StoppedError } from "../train/index.js";
import { peakMemory, resetPeakMemory, rng, writeFileAtomic } from "../util/index.js";
import { buildEvaluation, buildThreat } from "./build.js";
import { completed } from "./completed.js";
import { loadModel } from "./model-file.js";
import { type Row, stageCosts } from "./row.js";
import type { Recipe } from "./schema.js";

export interface AttackedOptions {
  readonly split: Split;
  /** Of the attack's noise: the same for all cells, whatever their own seed. */
  readonly seed: number;
  readonly shouldStop?: (() => boolean) | undefined;
  readonly onProgress?: ((progress: { done: number; of: number; robust: number }, attack: string) => void) | undefined;
}

export interface Attacked {
  readonly accuracy: AccuracyData;
  readonly cost: CostLine;
}

/** A network under the recipe's last attack, image by image. */
function attackedNetwork(model: Model, recipe: Recipe, options: AttackedOptions): Attacked {
  const { split, seed, shouldStop, onProgress } = options;
  const item = recipe.evaluation.findLast(({ name }) => name !== "clean") ?? { name: "clean" };
  const attack = buildEvaluation(item, buildThreat(recipe));
  const passes = countPasses();
  const { victim } = bindNetwork(model, model, { passes });
  const poll = () => {
    if (shouldStop?.()) throw new StoppedError("evaluation");
  };
  const name = attack?.name ?? "clean";
  resetPeakMemory();
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

/** The same of a network's file, or of a finished stage's result. */
export function attackedFile(path: string, recipe: Recipe, options: AttackedOptions): Attacked {
  const model = loadModel(path, recipe.model);
  try {
    return attackedNetwork(model, recipe, options);
  } finally {
    disposeParams(model.params, model.buffers);
  }
}

/** What a finished run and the attacks on its network, before and after finetuning, say of its cell. */
export function cellNumbers(folder: string, recipe: Recipe, row: Row, options: AttackedOptions): CellNumbers {
  const attacked = (path: string) => attackedFile(join(folder, path), recipe, options);
  const events = readEvents(folder);
  const search = events.filter((event): event is EpochDone => event.type === "epoch" && event.stage === "search");
  const stages = stageCosts(events);
  const searched = "checkpoints/search.safetensors";
  const before = existsSync(join(folder, searched)) ? attacked(searched) : undefined;
  // Without finetuning the result is the searched network.
  const ends = before !== undefined && recipe.stages.finetune === undefined;
  const after = ends ? undefined : attacked("model.safetensors");
  const attack = ({ cost }: Attacked, when: string): CostLine => ({ ...cost, what: `${cost.what}, ${when}` });
  return {
    sparsity: row.sparsity,
    before: (before ?? (after as Attacked)).accuracy,
    after: after?.accuracy ?? null,
    passes: Object.fromEntries(stages.map(({ what, forward, backward }) => [what, forward + backward])),
    seconds: row.stageSeconds,
    maskDistances: search.flatMap(({ maskDistance }) => (maskDistance ? [maskDistance.perKept] : [])),
    swapFraction: search.at(-1)?.swapFraction ?? null,
    cost: [...stages, ...(before ? [attack(before, "before")] : []), ...(after ? [attack(after, "after")] : [])],
  };
}

/** What a cell's numbers depend on: they are good for no other recipe and no other dense network. */
export interface KeptOf {
  readonly recipe: Recipe;
  /** SHA-256 of the dense network that it began with; none where it trains its own. */
  readonly dense?: string | undefined;
}

/** Recipes as they are with the defaults of today: an option that came since changes nothing where it is not set. */
const named = ({ recipe, dense }: KeptOf) => canonicalJson({ recipe: completed(recipe), dense: dense ?? null });

/** Numbers that were kept of this; undefined when there are none, or only of something else, or none that can be read. */
export function readKept<T>(path: string, of: KeptOf): T | undefined {
  if (!existsSync(path)) return undefined;
  try {
    const kept = JSON.parse(readFileSync(path, "utf8")) as { of?: KeptOf; value?: T };
    return kept.of !== undefined && named(kept.of) === named(of) ? kept.value : undefined;
  } catch {
    return undefined;
  }
}

export function writeKept(path: string, of: KeptOf, value: unknown): void {
  writeFileAtomic(path, `${JSON.stringify({ format: 2, of, value }, undefined, 1)}\n`);
}

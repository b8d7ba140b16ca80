// From the names of a resolved recipe to the objects that the stages take.
import { type Attack, attacks, pgd, type Threat, threatOf } from "../attacks/index.js";
import { datasets, type Splits } from "../data/index.js";
import { losses, type RobustLoss } from "../losses/index.js";
import { type Model, models } from "../models/index.js";
import { type Optimizer, type OptimizerContext, optimizers, type Schedule, schedules } from "../optim/index.js";
import { type Method, methods } from "../pruning/index.js";
import { gradients, type ScoreGradient } from "../sharpness/index.js";
import { EMULATED_BFLOAT16, hasBfloat16, type Precision } from "../torch/index.js";
import { type WeightGradient, weightGradients } from "../train/index.js";
import { type AnyEntry, parseOptions, type Registry } from "../util/index.js";
import type { EvaluationRecipe, Named, Recipe, StageRecipe } from "./schema.js";

function make<C, T>(rows: Registry<AnyEntry<C, T>>, { name, ...options }: Named, context: C): T {
  const row = rows.get(name);
  return row.create(parseOptions(name, row.options, options), context);
}

export function buildThreat(recipe: Pick<Recipe, "threat">): Threat {
  return threatOf(recipe.threat);
}

export function buildData(recipe: Pick<Recipe, "data">, onProgress?: (message: string) => void): Promise<Splits> {
  return make(datasets as Registry<AnyEntry<{ onProgress?: typeof onProgress }, Promise<Splits>>>, recipe.data, {
    onProgress,
  });
}

/** A network with fresh weights, drawn from the recipe's seed. */
export function buildModel(spec: Recipe["model"], seed: number): Model {
  const { arch, ...options } = spec;
  return make(models as Registry<AnyEntry<{ seed: number }, Model>>, { name: arch, ...options }, { seed });
}

type AttackRows = Registry<AnyEntry<{ threat: Threat }, Attack>>;

export function buildLoss(named: StageRecipe["loss"], threat: Threat): RobustLoss {
  const { attack, ...loss } = named;
  // A loss that crafts its examples itself reads the threat only.
  const inner = attack === undefined ? selectionAttack(threat) : make(attacks as AttackRows, attack, { threat });
  return make(losses as Registry<AnyEntry<{ attack: Attack }, RobustLoss>>, loss as Named, { attack: inner });
}

export function buildOptimizer(named: StageRecipe["optimizer"]): Optimizer {
  const { schedule, ...optimizer } = named;
  const built = make(schedules as Registry<AnyEntry<object, Schedule>>, schedule, {});
  return make(optimizers as Registry<AnyEntry<OptimizerContext, Optimizer>>, optimizer as Named, { schedule: built });
}

export function buildMethod(named: Named): Method {
  return make(methods as Registry<AnyEntry<object, Method>>, named, {});
}

export function buildGradient(named: Named): ScoreGradient {
  return make(gradients as Registry<AnyEntry<object, ScoreGradient>>, named, {});
}

export function buildWeightGradient(named: Named): WeightGradient {
  return make(weightGradients as Registry<AnyEntry<object, WeightGradient>>, named, {});
}

/** The attack of an evaluation; none for `clean`. Of a list of attacks, the first: what pictures are made with. */
export function buildEvaluation(item: EvaluationRecipe, threat: Threat): Attack | undefined {
  const { examples: _examples, ...named } = item;
  if (named.name === "clean") return undefined;
  if (named.name === "autoattack") return make(attacks as AttackRows, { name: "apgd-ce" }, { threat });
  return make(attacks as AttackRows, named as Named, { threat });
}

/** PGD-10 at the recipe's threat: what chooses among epochs. */
export function selectionAttack(threat: Threat): Attack {
  return pgd(threat, { steps: 10 });
}

/** The arithmetic of training here, and a sentence when it is not what one might expect. */
export function choosePrecision(recipe: Recipe): { readonly precision: Precision; readonly note?: string } {
  const native = hasBfloat16();
  if (recipe.precision === "auto") {
    if (native) return { precision: "bfloat16" };
    return { precision: "float32", note: "this CPU has no bfloat16: training runs in float32, about half as fast" };
  }
  if (recipe.precision === "bfloat16" && !native) {
    return { precision: "bfloat16", note: EMULATED_BFLOAT16 };
  }
  return { precision: recipe.precision };
}

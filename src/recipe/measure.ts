import type { Threat } from "../attacks/index.js";
import type { Split } from "../data/index.js";
import {
  attackList,
  buildAttacks,
  type EvaluateOptions,
  evaluate,
  type Measured,
  preset,
  type Robustness,
} from "../evaluation/index.js";
import type { Model } from "../models/index.js";
import { buildEvaluation } from "./build.js";
import type { EvaluationRecipe } from "./schema.js";

/** A list of attacks as one measurement. */
function asMeasured(attack: string, found: Robustness): Measured {
  const { norm, eps, examples, cleanAccuracy, cleanInterval, robustAccuracy, interval, passes, seconds } = found;
  return { attack, norm, eps, examples, cleanAccuracy, cleanInterval, robustAccuracy, interval, passes, seconds };
}

/** One measurement of a recipe's evaluation, under `threat` where it attacks. */
export function measure(
  model: Model,
  split: Split,
  item: EvaluationRecipe,
  threat: () => Threat,
  options: Omit<EvaluateOptions, "examples"> & { readonly examples?: number | undefined },
): Measured {
  const asked = { ...options, examples: options.examples ?? item.examples };
  if (item.name !== "autoattack") {
    const attack = item.name === "clean" ? undefined : buildEvaluation(item, threat());
    return evaluate(model, split, attack, asked);
  }
  const name = `aa-${item.version}`;
  const attacks = buildAttacks(preset(name).lists[threat().norm], threat());
  const found = attackList(model, split, {
    ...{ threat: threat(), attacks, preset: name, examples: asked.examples, seed: asked.seed },
    ...{ batchSize: asked.batchSize, shouldStop: asked.shouldStop },
    onProgress: ({ done, of, standing }) => asked.onProgress?.({ done, of, robust: standing }),
  });
  return asMeasured(name, found);
}

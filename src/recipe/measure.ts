import type { Threat } from "../attacks/index.js";
import type { Split } from "../data/index.js";
import {
  type AttackOutcome,
  attackList,
  buildAttacks,
  type EvaluateOptions,
  evaluate,
  evaluationMode,
  type Measured,
  preset,
  type Robustness,
  timeLeft,
} from "../evaluation/index.js";
import type { Model } from "../models/index.js";
import { beginPeakMemory, scope } from "../torch/index.js";
import { peakMemory } from "../util/index.js";
import { buildEvaluation } from "./build.js";
import type { EvaluationRecipe } from "./schema.js";

/** One measurement; of a list of attacks with what each of them left. */
export interface MeasuredItem extends Measured {
  readonly attacks?: readonly AttackOutcome[];
}

/** Of a list of attacks, which counts units of work: robust accuracy is at most this. */
interface Bound {
  readonly accuracy: number;
  readonly interval: Measured["interval"];
  readonly secondsLeft: number | undefined;
}

export interface MeasureOptions extends Omit<EvaluateOptions, "examples" | "onProgress"> {
  /** Instead of the item's own. */
  readonly examples?: number | undefined;
  /** Folder where a list of attacks keeps a record, so that a stopped one goes on inside the attack at work. */
  readonly record?: string | undefined;
  /** Share of zero weights that is claimed of the network; lists of attacks compare it with the measured one. */
  readonly sparsity?: number | undefined;
  readonly onProgress?:
    | ((progress: {
        readonly done: number;
        readonly of: number;
        readonly robust: number;
        readonly bound?: Bound;
      }) => void)
    | undefined;
  /** Told of whatever a measurement warns of; its checks stand in the result. */
  readonly onWarning?: ((text: string) => void) | undefined;
}

/** A list of attacks as one measurement. */
function asMeasured(attack: string, found: Robustness): MeasuredItem {
  const { norm, eps, examples, cleanAccuracy, cleanInterval, robustAccuracy, interval, passes, seconds } = found;
  const numbers = { norm, eps, examples, cleanAccuracy, cleanInterval, robustAccuracy, interval, passes, seconds };
  return { attack, ...numbers, peakMemory: peakMemory(), checks: found.checks, attacks: found.attacks };
}

/** A recipe's `autoattack`, image by image. Peak memory is counted from its start. */
export function measureAutoAttack(
  model: Model,
  split: Split,
  item: EvaluationRecipe,
  threat: Threat,
  options: MeasureOptions,
): Robustness {
  const name = `aa-${item.version}`;
  const attacks = buildAttacks(preset(name).lists[threat.norm], threat);
  const left = timeLeft();
  beginPeakMemory();
  const { record, onWarning, onProgress, seed, batchSize, shouldStop, sparsity } = options;
  return scope(() =>
    attackList(model, split, {
      ...evaluationMode(model),
      ...{ threat, attacks, preset: name, examples: options.examples ?? item.examples, seed },
      ...{ batchSize, shouldStop, sparsity, onWarning },
      ...(record !== undefined && { record: { folder: record } }),
      onProgress: ({ work, standing, bound, interval }) =>
        onProgress?.({
          ...{ ...work, robust: standing },
          bound: { accuracy: bound, interval, secondsLeft: left(work.done, work.of) },
        }),
    }),
  );
}

/** One measurement of a recipe's evaluation, under `threat` where it attacks. */
export function measure(
  model: Model,
  split: Split,
  item: EvaluationRecipe,
  threat: () => Threat,
  options: MeasureOptions,
): MeasuredItem {
  if (item.name === "autoattack") {
    return asMeasured(`aa-${item.version}`, measureAutoAttack(model, split, item, threat(), options));
  }
  const attack = item.name === "clean" ? undefined : buildEvaluation(item, threat());
  return evaluate(model, split, attack, { ...options, examples: options.examples ?? item.examples });
}

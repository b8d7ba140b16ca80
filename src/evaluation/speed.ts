// The two ways to run a list of attacks: ours, which saves whatever cannot change a claim, and that of the reference.
import { attacks } from "../attacks/index.js";
import type { Model } from "../models/index.js";
import { hasBfloat16 } from "../torch/index.js";
import { fastVictim } from "./fast-victim.js";
import type { AttackListOptions } from "./list.js";
import type { AttackSpec } from "./presets.js";

type Mode = Pick<AttackListOptions, "leave" | "pace" | "search" | "victim">;

export interface EvaluationModeOptions {
  readonly faithful?: boolean | undefined;
  /** Of the search; default `bfloat16` where the CPU has it, else `float32`. What counts is float32 either way. */
  readonly precision?: "float32" | "bfloat16" | undefined;
}

/**
 * A folded network searches, in bfloat16 where the CPU has it; broken images leave; small passes run on fewer threads.
 * `faithful` does none of this, for comparison. To be called in a scope, which then owns the folded network.
 */
export function evaluationMode(model: Model, options: EvaluationModeOptions = {}): Mode {
  if (options.faithful) return { leave: false, pace: false };
  const precision = options.precision ?? (hasBfloat16() ? "bfloat16" : "float32");
  return { victim: fastVictim(model, { precision }), search: `folded ${precision}` };
}

/** The attacks as the reference runs them, where one of ours saves work. */
export function faithfulSpecs(specs: readonly AttackSpec[]): AttackSpec[] {
  return specs.map(({ name, options }) => {
    const known = (attacks.get(name).options as { readonly shape?: object }).shape ?? {};
    return { name, options: { ...options, ...("faithful" in known && { faithful: true }) } };
  });
}

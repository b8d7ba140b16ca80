import { setImmediate } from "node:timers/promises";
import type { Split } from "../data/index.js";
import type { Model } from "../models/index.js";
import { UsageError } from "../util/index.js";
import { evaluation } from "./engine.js";
import type { AttackListOptions } from "./list.js";
import { type AttackSpec, buildAttacks, preset } from "./presets.js";
import type { Robustness } from "./robustness.js";

export interface AutoAttackOptions extends Omit<AttackListOptions, "attacks" | "preset"> {
  /** A version of AutoAttack, or a list of attacks of one's own; default `standard`. */
  readonly version?: "standard" | "plus" | "rand" | readonly AttackSpec[] | undefined;
}

/** Runs a list of attacks, each on what those before it left standing. */
export function attackList(model: Model, split: Split, options: AttackListOptions): Robustness {
  const units = evaluation(model, split, options);
  for (;;) {
    const next = units.next();
    if (next.done) return next.value;
  }
}

/** AutoAttack (Croce and Hein, ICML 2020, arXiv 2003.01690). Other work gets its turn between units of work. */
export async function autoAttack(model: Model, split: Split, options: AutoAttackOptions): Promise<Robustness> {
  const { version = "standard", ...rest } = options;
  const { threat } = options;
  const named = typeof version === "string";
  const name = named ? `aa-${version}` : "custom";
  const list = named ? preset(name).lists[threat.norm] : version;
  if (list.length === 0) throw new UsageError("autoAttack: expected at least one attack, got an empty list");
  const units = evaluation(model, split, { ...rest, preset: name, attacks: buildAttacks(list, threat) });
  for (;;) {
    const next = units.next();
    if (next.done) return next.value;
    await setImmediate();
  }
}

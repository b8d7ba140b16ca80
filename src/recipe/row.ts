import type { Measured } from "../evaluation/index.js";
import type { RunEvent } from "../run/index.js";
import type { Recipe } from "./schema.js";
import type { StagesOutcome } from "./stages.js";

/** One network of a results table; accuracies and sparsity in [0,1]. */
export interface Row {
  readonly name: string;
  /** Measured share of zero weights. */
  readonly sparsity: number;
  readonly cleanAccuracy: number;
  readonly cleanInterval: readonly [low: number, high: number];
  readonly robustAccuracy: number;
  readonly robustInterval: readonly [low: number, high: number];
  readonly attack: string;
  readonly examples: number;
  /** As written. */
  readonly eps: string;
  readonly seed: number;
  /** On `selection`, before finetuning. */
  readonly maskRobustAccuracy: number | null;
  /** Last search epoch's Hamming distance / 2k. */
  readonly maskDistance: number | null;
  readonly swapFraction: number | null;
  readonly sharpnessGap: number | null;
  /** Forward and backward passes of all stages of this run. */
  readonly passes: number;
  readonly seconds: number;
  readonly stageSeconds: Readonly<Record<string, number>>;
  /** Folder, relative to the table's file. */
  readonly run: string;
}

interface RowSources {
  readonly outcome: StagesOutcome;
  readonly measured: readonly Measured[];
  readonly sparsity: number;
  readonly events: readonly RunEvent[];
}

/** Passes and seconds of each stage, from the log: a resumed run's time is the sum of its parts. */
function spent(events: readonly RunEvent[]): { passes: number; stageSeconds: Record<string, number> } {
  const stageSeconds: Record<string, number> = {};
  const passes: Record<string, number> = {};
  for (const event of events) {
    if (event.type !== "epoch") continue;
    stageSeconds[event.stage] = (stageSeconds[event.stage] ?? 0) + event.seconds;
    passes[event.stage] = event.passes.forward + event.passes.backward;
  }
  return { passes: Object.values(passes).reduce((a, b) => a + b, 0), stageSeconds };
}

/** The row of a finished run: its last attack's numbers, the clean ones where nothing attacked. */
export function rowOf(name: string, recipe: Recipe, { outcome, measured, sparsity, events }: RowSources): Row {
  const attacked = measured.findLast((m) => m.attack !== "clean") ?? measured.at(-1);
  const last = outcome.searchHistory.at(-1);
  const { passes, stageSeconds } = spent(events);
  return {
    name,
    sparsity,
    cleanAccuracy: attacked?.cleanAccuracy ?? Number.NaN,
    cleanInterval: attacked?.cleanInterval ?? [0, 1],
    robustAccuracy: attacked?.robustAccuracy ?? Number.NaN,
    robustInterval: attacked?.interval ?? [0, 1],
    attack: attacked?.attack ?? "clean",
    examples: attacked?.examples ?? 0,
    eps: attacked?.eps ?? "",
    seed: recipe.seed,
    maskRobustAccuracy: outcome.maskRobustAccuracy,
    maskDistance: last?.maskDistance?.perKept ?? null,
    swapFraction: last?.swapFraction ?? null,
    sharpnessGap: last?.sharpnessGap ?? null,
    passes,
    seconds: Object.values(stageSeconds).reduce((a, b) => a + b, 0),
    stageSeconds,
    run: ".",
  };
}

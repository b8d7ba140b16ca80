import type { Measured } from "../evaluation/index.js";
import type { CostLine } from "../report/index.js";
import type { EpochDone, RunEvent } from "../run/index.js";
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

/** What each stage of a run took, from its log: a resumed run's time is the sum of its parts. */
export function stageCosts(events: readonly RunEvent[]): CostLine[] {
  const epochs = events.filter((event): event is EpochDone => event.type === "epoch");
  return [...new Set(epochs.map(({ stage }) => stage))].map((stage) => {
    const own = epochs.filter((epoch) => epoch.stage === stage);
    const peaks = own.flatMap((epoch) => epoch.peakMemory ?? []);
    return {
      what: stage,
      // Passes are cumulative.
      ...(own.at(-1) as EpochDone).passes,
      seconds: own.reduce((sum, epoch) => sum + epoch.seconds, 0),
      peakMemory: peaks.length === 0 ? null : Math.max(...peaks),
    };
  });
}

/** The row of a finished run: its last attack's numbers, the clean ones where nothing attacked. */
export function rowOf(name: string, recipe: Recipe, { outcome, measured, sparsity, events }: RowSources): Row {
  const attacked = measured.findLast((m) => m.attack !== "clean") ?? measured.at(-1);
  const last = outcome.searchHistory.at(-1);
  const costs = stageCosts(events);
  const stageSeconds = Object.fromEntries(costs.map(({ what, seconds }) => [what, seconds]));
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
    passes: costs.reduce((sum, { forward, backward }) => sum + forward + backward, 0),
    seconds: Object.values(stageSeconds).reduce((a, b) => a + b, 0),
    stageSeconds,
    run: ".",
  };
}

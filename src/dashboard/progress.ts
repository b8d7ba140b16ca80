import { STAGES, type Stage } from "../run/events.js";
import type { RunLog, StageLog } from "./run-log.js";

/** How far a run is. */
export interface Progress {
  /** Of the planned epochs, in [0, 1]; null where no plan is known. */
  readonly share: number | null;
  /** Seconds to the end of training at the present pace; null where nothing tells. */
  readonly secondsLeft: number | null;
  readonly stage: Stage | null;
  /** Epochs of that stage, done (with parts) and planned. */
  readonly epoch: number;
  readonly epochs: number;
}

/** Epochs that a resolved recipe plans for each stage. */
export function plannedEpochs(recipe: unknown): Partial<Record<Stage, number>> {
  const stages = (recipe as { stages?: unknown } | null)?.stages;
  if (typeof stages !== "object" || stages === null) return {};
  const planned: Partial<Record<Stage, number>> = {};
  for (const stage of STAGES) {
    const epochs = (stages as Record<string, { epochs?: unknown } | undefined>)[stage]?.epochs;
    if (typeof epochs === "number" && Number.isFinite(epochs) && epochs >= 0) planned[stage] = epochs;
  }
  return planned;
}

const doneEpochs = ({ epochs, steps, step, done }: StageLog): number =>
  done ? epochs : steps > 0 ? Math.min(epochs, step / steps) : 0;

const EPOCHS_OF_PACE = 3;

/** Seconds that an epoch takes: the mean of the newest ones, or what the samples of the first one say. */
function secondsPerEpoch({ epochLog, samples, last, steps, startedAt }: StageLog): number | null {
  const newest = epochLog.slice(-EPOCHS_OF_PACE).map(({ seconds }) => seconds);
  if (newest.length > 0) return newest.reduce((a, b) => a + b) / newest.length;
  const from = samples[0];
  if (from === undefined || last === null || startedAt === null || last.step <= 0) return null;
  const seconds = (Date.parse(last.at) - Date.parse(startedAt)) / 1000;
  return Number.isFinite(seconds) ? (seconds / last.step) * steps : null;
}

/**
 * How far a run is. A run that began from another's network logs no stages before its first one, so these do not count. Stages that
 * have not begun are reckoned at the pace of the newest one. A run that is `done` without a stage had nothing to train: it took its network
 * as it was.
 */
export function progressOf(
  log: RunLog,
  planned: Partial<Record<Stage, number>>,
  { done: over = false } = {},
): Progress {
  if (over && log.stages.length === 0) return { share: 1, secondsLeft: 0, stage: null, epoch: 0, epochs: 0 };
  const begun = new Map(log.stages.map((stage) => [stage.stage, stage]));
  const first = STAGES.findIndex((stage) => begun.has(stage));
  const stages = STAGES.slice(Math.max(0, first)).filter((stage) => begun.has(stage) || planned[stage] !== undefined);
  const epochsOf = (stage: Stage) => begun.get(stage)?.epochs ?? planned[stage] ?? 0;
  const now = log.stages.at(-1);
  const whole = stages.reduce((sum, stage) => sum + epochsOf(stage), 0);
  const done = log.stages.reduce((sum, stage) => sum + doneEpochs(stage), 0);
  const pace = now === undefined ? null : (secondsPerEpoch(now) ?? log.stages.map(secondsPerEpoch).findLast((p) => p));
  return {
    share: whole > 0 ? Math.min(1, done / whole) : null,
    secondsLeft: typeof pace === "number" && whole > 0 ? Math.max(0, whole - done) * pace : null,
    stage: now?.stage ?? null,
    epoch: now === undefined ? 0 : doneEpochs(now),
    epochs: now?.epochs ?? 0,
  };
}

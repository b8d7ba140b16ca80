// What a page shows of a run's events, gathered one event at a time. The server gathers what is on disk, and the page goes
// on from there with the events that arrive: both run this file, so a page that followed a run shows what a fresh one would.
import type { EpochDone, Evaluated, RunEvent, Stage, StepTaken, Warned } from "../run/events.js";

/** A stage as its events tell it. */
export interface StageLog {
  readonly stage: Stage;
  /** Planned. */
  epochs: number;
  /** Optimizer steps per epoch. */
  steps: number;
  /** Optimizer steps done. */
  step: number;
  done: boolean;
  /** ISO 8601; null until it began, or ended. */
  startedAt: string | null;
  endedAt: string | null;
  /** One for each epoch that ended, by epoch. */
  readonly epochLog: EpochDone[];
  /** Every `stride`-th sample of training. */
  readonly samples: StepTaken[];
  stride: number;
  /** Samples seen; tells which one is kept next. */
  seen: number;
  /** Newest sample. */
  last: StepTaken | null;
}

export interface RunLog {
  readonly stages: StageLog[];
  readonly evaluations: Evaluated[];
  readonly warnings: Warned[];
  /** The newest events that are no samples of training, oldest first. */
  readonly recent: RunEvent[];
  /** Events seen. */
  count: number;
  /** Time of the newest event. */
  lastAt: string | null;
}

/** Samples of a stage that are kept: twice the pixels of a chart. When there are more, every second one goes. */
export const MOST_SAMPLES = 2000;
const MOST_RECENT = 200;
const MOST_WARNINGS = 200;
const MOST_EPOCHS = 5000;

export function emptyLog(): RunLog {
  return { stages: [], evaluations: [], warnings: [], recent: [], count: 0, lastAt: null };
}

function stageOf(log: RunLog, stage: Stage): StageLog {
  const found = log.stages.find((each) => each.stage === stage);
  if (found !== undefined) return found;
  const made: StageLog = {
    ...{ stage, epochs: 0, steps: 0, step: 0, done: false, startedAt: null, endedAt: null },
    ...{ epochLog: [], samples: [], stride: 1, seen: 0, last: null },
  };
  log.stages.push(made);
  return made;
}

function addSample(stage: StageLog, event: StepTaken): void {
  stage.last = event;
  stage.step = event.step;
  stage.startedAt ??= event.at;
  if (stage.seen++ % stage.stride !== 0) return;
  stage.samples.push(event);
  if (stage.samples.length <= MOST_SAMPLES) return;
  // Real values, thinned: the first, third, fifth, ... stay, and the stride doubles.
  const kept = stage.samples.filter((_, i) => i % 2 === 0);
  stage.samples.splice(0, stage.samples.length, ...kept);
  stage.stride *= 2;
}

/** An epoch that ran again after an interruption counts once, as it went last. */
function addEpoch(stage: StageLog, event: EpochDone): void {
  const { epochLog } = stage;
  let at = epochLog.length;
  while (at > 0 && (epochLog[at - 1] as EpochDone).epoch >= event.epoch) at--;
  const same = epochLog[at]?.epoch === event.epoch ? 1 : 0;
  epochLog.splice(at, same, event);
  if (epochLog.length > MOST_EPOCHS) epochLog.shift();
  stage.startedAt ??= event.at;
  stage.step = Math.max(stage.step, (event.epoch + 1) * stage.steps);
}

function pushBounded<T>(list: T[], value: T, most: number): void {
  list.push(value);
  if (list.length > most) list.shift();
}

/** Adds an event in place. Whatever a damaged or foreign log holds, unknown types are counted and nothing else. */
export function addEvent(log: RunLog, event: RunEvent): void {
  log.count++;
  if (typeof event.at === "string") log.lastAt = event.at;
  if (event.type === "step") addSample(stageOf(log, event.stage), event);
  else pushBounded(log.recent, event, MOST_RECENT);
  if (event.type === "epoch") addEpoch(stageOf(log, event.stage), event);
  else if (event.type === "evaluation") log.evaluations.push(event);
  else if (event.type === "warning") pushBounded(log.warnings, event, MOST_WARNINGS);
  else if (event.type === "stage") {
    const stage = stageOf(log, event.stage);
    stage.epochs = event.epochs;
    stage.steps = event.steps;
    stage.step = Math.max(stage.step, event.step);
    if (event.status === "start") stage.startedAt ??= event.at;
    stage.done = event.status === "done";
    stage.endedAt = stage.done ? event.at : null;
  }
}

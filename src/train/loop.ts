// What all stages share: steps, epochs, the log, checkpoints, stopping and going on.
import { setImmediate } from "node:timers/promises";
import { accuracy, type Victim } from "../attacks/index.js";
import { type Batch, imageShape } from "../data/index.js";
import { cloneParams, copyInto, disposeParams, type Params, type Passes } from "../nn/index.js";
import type { Progress } from "../optim/index.js";
import type { EpochDone, Stage } from "../run/index.js";
import { beginPeakMemory, present, scope, type Tensor } from "../torch/index.js";
import { peakMemory, type Rng, resetPeakMemory, rng } from "../util/index.js";
import { type Groups, newestCheckpoint, writeCheckpoint } from "./checkpoint.js";
import { assertFinite, notFinite } from "./finite.js";
import { type History, type StageOptions, StoppedError, selectionAttackOf } from "./options.js";
import { alarmOf, measureProbe, stopIfOverfitting, warnOfOverfitting } from "./probe.js";
import { rewind } from "./result.js";

/** What one step says of itself. */
export interface StepReport {
  readonly loss: number;
  /** Share of the batch that its adversarial examples did not fool. */
  readonly robustAccuracy: number;
  /** Further numbers, averaged over the steps of the epoch that have them. */
  readonly log: Readonly<Record<string, number>>;
}

export interface StepContext extends Progress {
  readonly batch: Batch;
  readonly rng: Rng;
  /** Throws when the stage is to stop; for attacks to call before each of their steps. */
  readonly poll: () => void;
  /** What a loss that replays its batches remembers. */
  readonly memory: Params | undefined;
  /** Whether to fill in the numbers that cost extra work. */
  readonly detailed: boolean;
}

/** What a stage brings to the loop. Its tensors are its own, written in place; the loop saves and restores them. */
export interface StageWork {
  readonly stage: Stage;
  /** All tensors that a step changes, by group; groups may grow. */
  readonly groups: Map<string, Map<string, Tensor>>;
  /** Groups whose best values are kept: what the stage passes on. */
  readonly result: readonly string[];
  readonly passes: Passes;
  /** Told how many epochs are done where the loop begins or goes on: what is left of later ones is void. */
  begin?(epochs: number): void;
  /** One optimiser step; runs in a scope. */
  step(context: StepContext): StepReport;
  /** The network as it would be passed on now, for measuring. */
  victim(): Victim;
  /** First epoch that may be chosen: what a warm-up leaves is not yet the method's. */
  readonly candidatesFrom: number;
  /** Entries of the epoch's event besides the common ones; may change the stage's own records. */
  epochDone(means: Readonly<Record<string, number>>, epoch: number): Partial<EpochDone>;
  /** Whether the epoch that was just done may be chosen; default yes. */
  candidate?(): boolean;
}

interface Meters {
  steps: number;
  loss: number;
  robust: number;
  seconds: number;
  log: Record<string, [sum: number, count: number]>;
}

interface Position {
  readonly stage: Stage;
  step: number;
  eventsBytes: number;
  meters: Meters;
  passes: Passes;
  best: { epoch: number; robustAccuracy: number; cleanAccuracy: number } | null;
  history: Omit<EpochDone, "at">[];
}

const freshMeters = (): Meters => ({ steps: 0, loss: 0, robust: 0, seconds: 0, log: {} });
const YIELD_SECONDS = 0.05;
const DETAILED_EVERY = 20;
/** The group of what a loss that replays its batches remembers. */
const MEMORY = "memory";

const batchesAnEpoch = ({ train, batches = train.steps }: StageOptions) => batches;
/** Optimiser steps an epoch: a loss may make several on each batch. */
const stepsAnEpoch = (options: StageOptions) => batchesAnEpoch(options) * (options.loss.replay?.count ?? 1);

function restore(work: StageWork, groups: Groups): void {
  for (const [group, saved] of groups) {
    const mine = work.groups.get(group) ?? new Map();
    work.groups.set(group, mine);
    for (const [name, tensor] of saved) {
      const target = mine.get(name);
      if (target === undefined) mine.set(name, tensor);
      else {
        copyInto(new Map([[name, target]]), saved);
        tensor.dispose();
      }
    }
  }
}

function begin(work: StageWork, options: StageOptions): Position {
  const { run } = options;
  const saved = run && newestCheckpoint<Position>(run, options.onWarning ?? (() => {}));
  if (run && saved && saved.meta.stage === work.stage) {
    restore(work, saved.groups);
    Object.assign(work.passes, saved.meta.passes);
    run.truncate(saved.meta.eventsBytes);
    return saved.meta;
  }
  if (saved) for (const params of saved.groups.values()) disposeParams(params);
  const position: Position = {
    stage: work.stage,
    step: 0,
    eventsBytes: 0,
    meters: freshMeters(),
    passes: work.passes,
    best: null,
    history: [],
  };
  if (run) rewind(run);
  run?.append({
    type: "stage",
    stage: work.stage,
    status: "start",
    epochs: options.epochs,
    steps: stepsAnEpoch(options),
    step: 0,
  });
  return position;
}

function save(work: StageWork, position: Position, options: StageOptions): void {
  const { run } = options;
  if (run === undefined) return;
  position.eventsBytes = run.byteLength;
  writeCheckpoint(run, work.groups, { ...position, passes: work.passes });
}

const means = ({ log }: Meters) =>
  Object.fromEntries(Object.entries(log).map(([key, [sum, count]]) => [key, sum / count]));

function record(meters: Meters, report: StepReport, seconds: number): void {
  meters.steps += 1;
  meters.loss += report.loss;
  meters.robust += report.robustAccuracy;
  meters.seconds += seconds;
  for (const [key, value] of Object.entries(report.log)) {
    const [sum, count] = meters.log[key] ?? [0, 0];
    meters.log[key] = [sum + value, count + 1];
  }
}

/** Keeps the stage's result when it is the most robust so far; cleaner wins a tie, then the earlier. */
function keepBest(work: StageWork, position: Position, event: Omit<EpochDone, "at">): void {
  const { best } = position;
  const { robustAccuracy, cleanAccuracy, epoch } = event;
  const better =
    best === null ||
    robustAccuracy > best.robustAccuracy ||
    (robustAccuracy === best.robustAccuracy && cleanAccuracy > best.cleanAccuracy);
  if (!better) return;
  position.best = { epoch, robustAccuracy, cleanAccuracy };
  for (const group of work.result) {
    const now = work.groups.get(group) as Params;
    const kept = work.groups.get(`best.${group}`);
    if (kept) copyInto(kept, now);
    else work.groups.set(`best.${group}`, cloneParams(now));
  }
}

function endEpoch(work: StageWork, position: Position, options: StageOptions, key: Rng, poll: () => void): void {
  const epoch = position.step / stepsAnEpoch(options) - 1;
  const started = performance.now();
  const measured = scope(() =>
    accuracy(work.victim(), options.selection, selectionAttackOf(options), { rng: key.at("selection"), poll }),
  );
  const probe = alarmOf(options) === "off" ? undefined : scope(() => measureProbe(work.victim(), options, key, poll));
  const { meters } = position;
  const event: Omit<EpochDone, "at"> = {
    type: "epoch",
    stage: work.stage,
    epoch,
    loss: meters.loss / meters.steps,
    lr: options.optimizer.lr(progressAt(position.step - 1, options)),
    cleanAccuracy: measured.cleanAccuracy,
    robustAccuracy: measured.robustAccuracy,
    selectionExamples: measured.examples,
    passes: { ...work.passes },
    seconds: meters.seconds + (performance.now() - started) / 1000,
    peakMemory: peakMemory(),
    ...(probe && { probe }),
    ...scope(() => work.epochDone(means(meters), epoch)),
  };
  position.meters = freshMeters();
  position.history.push(event);
  const candidate = epoch >= work.candidatesFrom && (work.candidate?.() ?? true);
  if (options.choose !== "last" && candidate) keepBest(work, position, event);
  options.run?.append(event);
  options.onEpoch?.(event);
  warnOfOverfitting(position.history, options, options.run);
}

function progressAt(step: number, options: StageOptions): Progress {
  const { epochs } = options;
  const steps = stepsAnEpoch(options);
  return { step, steps: epochs * steps, epoch: Math.floor(step / steps), epochs };
}

function oneStep(work: StageWork, position: Position, options: StageOptions, key: Rng, poll: () => void): StepReport {
  const at = progressAt(position.step, options);
  const { train, loss } = options;
  const index = position.step % stepsAnEpoch(options);
  const detailed = index % DETAILED_EVERY === 0;
  const memory = work.groups.get(MEMORY);
  const passes = { ...work.passes };
  const report = scope(() => {
    const nth = at.epoch * batchesAnEpoch(options) + Math.floor(index / (loss.replay?.count ?? 1));
    const batch = train.batch(Math.floor(nth / train.steps), nth % train.steps, key.at("data"));
    try {
      return work.step({ ...at, batch, rng: key.at("step", position.step), poll, memory, detailed });
    } catch (error) {
      // A step that was broken off will be done again whole.
      Object.assign(work.passes, passes);
      throw error;
    }
  });
  if (!Number.isFinite(report.loss)) throw notFinite(work.stage, position.step, "the loss", report.loss);
  // Scores without gradient, and statistics, could carry an infinity on for ever.
  for (const group of work.result) {
    assertFinite(work.stage, position.step, group, present(work.groups.get(group), group));
  }
  return report;
}

function report(work: StageWork, position: Position, options: StageOptions, batchSize: number, seconds: number): void {
  const { meters, step } = position;
  const { optimizer } = options;
  const at = progressAt(step - 1, options);
  const shared = { stage: work.stage, epoch: at.epoch, step, imagesPerSecond: batchSize / seconds };
  const [loss, robustAccuracy] = [meters.loss / meters.steps, meters.robust / meters.steps];
  options.onProgress?.({ ...shared, epochs: at.epochs, steps: at.steps, loss, robustAccuracy });
  const every = Math.max(1, Math.floor(stepsAnEpoch(options) / 10));
  if (step % every === 0) options.run?.append({ type: "step", ...shared, loss, lr: optimizer.lr(at), robustAccuracy });
}

/** Memory of a loss that has one, in the shape of a whole batch. */
function remember(work: StageWork, { train, loss }: StageOptions): void {
  const size = Math.min(train.batchSize, train.length);
  const memory = loss.replay?.memory([size, ...imageShape(train.dataset)]);
  if (memory) work.groups.set(MEMORY, memory);
}

/**
 * Runs a stage from where it stands to its end and leaves the tensors to pass on in `work.groups` (the best epoch's,
 * unless `choose: "last"`). Between steps the event loop gets its turn.
 */
export async function runLoop(work: StageWork, options: StageOptions): Promise<History> {
  const { train, epochs, run, shouldStop, checkpointSeconds = 60 } = options;
  const seed = options.seed ?? run?.manifest.seed ?? 0;
  const key = rng(seed, work.stage);
  remember(work, options);
  const position = begin(work, options);
  work.begin?.(position.history.length);
  const perEpoch = stepsAnEpoch(options);
  const steps = epochs * perEpoch;
  beginPeakMemory();
  const poll = () => {
    if (shouldStop?.()) throw new StoppedError(work.stage);
  };
  let saved = performance.now();
  let yielded = saved;
  const finishEpoch = () => {
    endEpoch(work, position, options, key, poll);
    resetPeakMemory();
    save(work, position, options);
    saved = performance.now();
    stopIfOverfitting(position.history, options);
  };
  try {
    if (position.meters.steps === perEpoch) finishEpoch();
    else stopIfOverfitting(position.history, options);
    while (position.step < steps) {
      poll();
      const started = performance.now();
      const done = oneStep(work, position, options, key, poll);
      const seconds = (performance.now() - started) / 1000;
      position.step += 1;
      record(position.meters, done, seconds);
      report(work, position, options, train.batchSize, seconds);
      if (position.step % perEpoch === 0) finishEpoch();
      else if (performance.now() - saved >= checkpointSeconds * 1000) {
        save(work, position, options);
        saved = performance.now();
      }
      if (performance.now() - yielded > YIELD_SECONDS * 1000) {
        await setImmediate();
        yielded = performance.now();
      }
    }
  } catch (error) {
    if (error instanceof StoppedError) save(work, position, options);
    dispose(work);
    throw error;
  }
  run?.append({ type: "stage", stage: work.stage, status: "done", epochs, steps: perEpoch, step: steps });
  return position.history;
}

/** The group to pass on: its best values where an epoch was chosen, else as it is. The stage owns the tensors. */
export function chosen(work: StageWork, group: string): Params {
  return (work.groups.get(`best.${group}`) ?? work.groups.get(group)) as Params;
}

/** Frees everything the stage owned. */
export function dispose(work: StageWork): void {
  for (const params of work.groups.values()) disposeParams(params);
}

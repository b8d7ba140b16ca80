import type { RunUpdate } from "../recipe/run.js";
import type { EpochDone, Evaluated, RunEvent, StageChanged } from "../run/index.js";
import type { StageProgress } from "../train/index.js";
import { count, duration, number, percent } from "./format.js";
import type { Report } from "./jobs.js";
import type { Terminal } from "./terminal.js";

/** Shows how a run goes: on a terminal as one live line a stage, elsewhere as plain lines. */
export interface Progress {
  update(update: Report): void;
  /** Says something, above the live line. */
  say(text: string): void;
  /** Leaves the terminal as it was. */
  close(): void;
}

type Bound = NonNullable<(RunUpdate & { readonly kind: "evaluation" })["bound"]>;

const BAR = 16;

/** Seconds that the live line stays with one of several runs. */
const TURN = 3;

function bar(share: number): string {
  const full = Math.min(BAR, Math.floor(share * BAR));
  return `[${"=".repeat(full)}${" ".repeat(BAR - full)}]`;
}

/** The live line: stage, epoch, loss, robust accuracy so far, images a second, time to go. */
export function stepLine(progress: StageProgress, secondsLeft: number | undefined): string {
  const { stage, epoch, epochs, step, steps, loss, robustAccuracy, imagesPerSecond } = progress;
  const parts = [
    `${stage} ${epoch + 1}/${epochs}`,
    `${bar(step / steps)} ${Math.floor((100 * step) / steps)} %`,
    `loss ${number(loss)}`,
    `robust ${percent(robustAccuracy)}`,
    `${count(Math.round(imagesPerSecond))} images/s`,
  ];
  if (secondsLeft !== undefined) parts.push(`${duration(secondsLeft)} left`);
  return parts.join("  ");
}

export function epochLine(event: EpochDone, epochs: number): string {
  return [
    `${event.stage} ${event.epoch + 1}${epochs > 0 ? `/${epochs}` : ""}: loss ${number(event.loss)}`,
    `clean ${percent(event.cleanAccuracy)}`,
    `robust ${percent(event.robustAccuracy)} (${count(event.selectionExamples)} selection images)`,
    ...(event.maskDistance ? [`mask distance ${number(event.maskDistance.perKept)}`] : []),
    duration(event.seconds),
  ].join(", ");
}

export function evaluationLine(event: Evaluated): string {
  const [low, high] = event.interval;
  const accuracy =
    event.attack === "clean"
      ? `accuracy ${percent(event.cleanAccuracy)}`
      : `clean ${percent(event.cleanAccuracy)}, robust ${percent(event.robustAccuracy)} at ${event.eps}`;
  const interval = `95 % interval ${percent(low)} to ${percent(high)}`;
  return `${event.attack}: ${accuracy}, ${interval}, ${count(event.examples)} test images, ${duration(event.seconds)}`;
}

function doneLine(stage: StageChanged, last: EpochDone | undefined, seconds: number): string {
  const epochs = `${stage.epochs} epoch${stage.epochs === 1 ? "" : "s"}`;
  if (last === undefined) return `${stage.stage}: done, ${epochs}`;
  const accuracy = `clean ${percent(last.cleanAccuracy)}, robust ${percent(last.robustAccuracy)}`;
  return `${stage.stage}: done, ${epochs}, last loss ${number(last.loss)}, ${accuracy}, ${duration(seconds)}`;
}

function boundText({ accuracy, interval: [low, high], secondsLeft }: Bound): string {
  // The interval is last: it is what a narrow terminal can cut off.
  const left = secondsLeft === undefined ? "" : `, ${duration(secondsLeft)} left`;
  return `robust at most ${percent(accuracy)}${left} (${percent(low)} to ${percent(high)})`;
}

/** The live line of an evaluation. */
export function attackLine(told: RunUpdate & { readonly kind: "evaluation" }): string {
  const { attack, done, of, robust, bound } = told;
  if (bound !== undefined) return `${attack}  ${bar(done / of)} ${boundText(bound)}`;
  return `${attack}  ${bar(done / of)} ${count(done)}/${count(of)} images  ${percent(robust / Math.max(1, done))} right`;
}

/** The live line of other measurements. */
export function measuringLine({ what, done, of, secondsLeft }: RunUpdate & { readonly kind: "measuring" }): string {
  const left = secondsLeft === undefined ? "" : `  about ${duration(secondsLeft)} left`;
  return `${what}  ${bar(done / of)} ${Math.floor((100 * done) / of)} %${left}`;
}

/** Time to go, from the pace since this stage was first seen: a resumed stage counts only what it did since. */
export function pace(clock: () => number): (run: string, progress: StageProgress) => number | undefined {
  const begun = new Map<string, { readonly step: number; readonly time: number }>();
  return (run, { stage, step, steps }) => {
    const key = `${run} ${stage}`;
    let from = begun.get(key);
    if (from === undefined || step < from.step) {
      from = { step, time: clock() };
      begun.set(key, from);
    }
    const done = step - from.step;
    return done < 3 ? undefined : ((clock() - from.time) / done) * (steps - step);
  };
}

interface StageSeen {
  epochs: number;
  seconds: number;
  last: EpochDone | undefined;
}

/** The part of the display that is drawn over and over; nothing at all where nobody watches. */
function liveLine(terminal: Terminal, clock: () => number) {
  let drawn: number | undefined;
  let turn = { run: "", since: Number.NEGATIVE_INFINITY };
  return {
    draw(run: string, text: string) {
      // Ten times a second is as much as an eye can use.
      if (!terminal.live || (drawn !== undefined && clock() - drawn < 0.1)) return;
      const now = clock();
      // Runs at the same time take turns.
      if (run !== turn.run) {
        if (now - turn.since < TURN) return;
        turn = { run, since: now };
      }
      drawn = now;
      terminal.raw(`\r${text.slice(0, Math.max(0, terminal.columns - 1))}\x1b[K`);
    },
    wipe() {
      if (drawn !== undefined) terminal.raw("\r\x1b[K");
      drawn = undefined;
    },
  };
}

/** What is said of stages: on a terminal when they are done, elsewhere of each epoch too. */
function stageTeller(everyEpoch: boolean, say: (text: string) => void) {
  const seen = new Map<string, StageSeen>();
  const of = (run: string, stage: string): StageSeen => {
    const key = `${run} ${stage}`;
    const known = seen.get(key) ?? { epochs: 0, seconds: 0, last: undefined };
    seen.set(key, known);
    return known;
  };
  return {
    /** A stage that was stopped earlier begins without an event. */
    step(run: string, prefix: string, { stage, epoch, epochs }: StageProgress) {
      const known = of(run, stage);
      if (known.epochs === 0 && everyEpoch) say(`${prefix}${stage}: going on in epoch ${epoch + 1} of ${epochs}`);
      known.epochs = epochs;
    },
    stage(run: string, prefix: string, event: StageChanged) {
      const known = of(run, event.stage);
      known.epochs = event.epochs;
      // A method without a search has nothing to tell of it.
      if (event.epochs === 0) return;
      if (event.status === "done") say(prefix + doneLine(event, known.last, known.seconds));
      else if (everyEpoch) say(`${prefix}${event.stage}: ${event.epochs} epochs of ${event.steps} steps`);
    },
    epoch(run: string, prefix: string, event: EpochDone) {
      const known = of(run, event.stage);
      known.seconds += event.seconds;
      known.last = event;
      if (everyEpoch) say(prefix + epochLine(event, known.epochs));
    },
  };
}

export interface ProgressOptions {
  /** In seconds. */
  readonly clock?: () => number;
}

/** Makes the display for a terminal. */
export function showProgress(terminal: Terminal, options: ProgressOptions = {}): Progress {
  const { clock = () => performance.now() / 1000 } = options;
  const left = pace(clock);
  const line = liveLine(terminal, clock);
  const say = (text: string) => {
    line.wipe();
    terminal.err(text);
  };
  const teller = stageTeller(!terminal.live, say);

  function event(run: string, prefix: string, happened: RunEvent): void {
    if (happened.type === "stage") teller.stage(run, prefix, happened);
    else if (happened.type === "epoch") teller.epoch(run, prefix, happened);
    else if (happened.type === "evaluation") say(prefix + evaluationLine(happened));
    else if (happened.type === "warning") say(terminal.paint("yellow", `${prefix}warning: ${happened.message}`));
  }

  function update(told: Report): void {
    if (told.kind === "folder") return;
    const prefix = "run" in told && told.run !== "" ? `${told.run}: ` : "";
    if (told.kind === "message") say(terminal.paint("dim", told.text));
    else if (told.kind === "warning") say(terminal.paint("yellow", `warning: ${told.text}`));
    else if (told.kind === "event") event(told.run, prefix, told.event);
    else if (told.kind === "evaluation") line.draw(told.run, prefix + attackLine(told));
    else if (told.kind === "measuring") line.draw(told.run, prefix + measuringLine(told));
    else {
      teller.step(told.run, prefix, told.progress);
      line.draw(told.run, prefix + stepLine(told.progress, left(told.run, told.progress)));
    }
  }

  return { update, say, close: line.wipe };
}

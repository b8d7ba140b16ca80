import type { SearchProgress } from "../attacks/index.js";
import type { Tensor } from "../torch/index.js";
import type { Line, UnitLine } from "./lines.js";

/** Which search of which images a snapshot belongs to. */
export interface SearchPlace {
  readonly attack: string;
  readonly run: string;
  readonly block: number;
  readonly part: number;
}

/** What some work took. */
export interface Spent {
  readonly passes: readonly [forward: number, backward: number];
  readonly seconds: number;
}

export const addSpent = (a: Spent, b: Spent): { passes: [number, number]; seconds: number } => ({
  passes: [a.passes[0] + b.passes[0], a.passes[1] + b.passes[1]],
  seconds: a.seconds + b.seconds,
});

/** A search in progress, as it was saved. Its tensors are the caller's. */
export interface Snapshot {
  readonly progress: SearchProgress;
  /** Positions of images whose gradient was all zero at the start. */
  readonly zeroGradient: readonly number[];
  readonly spent: Spent;
}

/** Where finished units of work go. */
export interface Journal {
  /** All that is done so far, by whatever process. */
  readonly lines: readonly Line[];
  append(line: Line): void;
  /** Appends a unit and the points [B,C,H,W] of its broken images, in their order. */
  appendUnit(line: Omit<UnitLine, "points">, points: Tensor | undefined): UnitLine;
  /** Whether enough time has passed since the last snapshot. */
  wantsSnapshot(): boolean;
  save(place: SearchPlace, snapshot: Snapshot): void;
  /** The saved progress of this very search. */
  saved(place: SearchPlace): Snapshot | undefined;
  close(): void;
}

/** For evaluations that leave nothing behind. */
export function memoryJournal(): Journal {
  const lines: Line[] = [];
  return {
    lines,
    append: (line) => void lines.push(line),
    appendUnit(line) {
      const whole = { ...line, points: null };
      lines.push(whole);
      return whole;
    },
    wantsSnapshot: () => false,
    save: () => undefined,
    saved: () => undefined,
    close: () => undefined,
  };
}

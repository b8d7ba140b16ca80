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

/** A search in progress, as it was saved. Its tensors are the caller's. */
export interface Snapshot {
  readonly progress: SearchProgress;
  /** Positions of images whose gradient was all zero at the start. */
  readonly zeroGradient: readonly number[];
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

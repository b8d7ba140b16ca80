import type { RunEvent } from "../run/index.js";

/** A run folder as a tracker sees it. */
export interface Source {
  readonly folder: string;
  /** Name of the folder. */
  readonly name: string;
  /** Name of the folder it lies in: runs that belong together. */
  readonly experiment: string;
}

/** Where events go besides the run folder. What it throws is told as a warning and never stops a run. */
export interface Sink {
  readonly name: string;
  /**
   * Takes events. `whole`: they are all that the log holds (at the start, and after a resumed run cut its log back); what
   * was written before and is not among them is gone.
   */
  write(events: readonly RunEvent[], whole: boolean): void;
  /** Waits, within limits, until what was taken has arrived, and says how the run stands. */
  close(): Promise<void>;
}

/** Opens a sink for one run. */
export type OpenSink = (source: Source, warn: (text: string) => void) => Sink;

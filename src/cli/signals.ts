import { expected, UsageError } from "../util/index.js";

/** Exit codes of a process that was interrupted: 128 plus the signal's number. */
export const SIGNAL_CODES = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;
export type StopSignal = keyof typeof SIGNAL_CODES;
const SIGNALS = Object.keys(SIGNAL_CODES) as StopSignal[];

/** What the worker polls between two attack steps: 0 go on, 1 stop and save. */
export type StopFlag = Int32Array<SharedArrayBuffer>;

export function stopFlag(): StopFlag {
  return new Int32Array(new SharedArrayBuffer(4));
}

export function isSet(flag: StopFlag): boolean {
  return Atomics.load(flag, 0) !== 0;
}

/** The part of `process` that is needed here. */
export interface SignalSource {
  on(signal: StopSignal, listener: () => void): unknown;
  off(signal: StopSignal, listener: () => void): unknown;
}

export interface Stopper extends Disposable {
  readonly flag: StopFlag;
  /** What asked to stop: a signal, or the time limit. */
  readonly reason: StopSignal | "time" | undefined;
  /** Asks to stop when this many seconds have passed. */
  limit(seconds: number): void;
}

export interface StopperOptions {
  readonly source?: SignalSource;
  /** Told once, of what asked to stop. */
  readonly onStop: (reason: StopSignal | "time") => void;
  /** Called before the process is left at once. */
  readonly onLeave?: () => void;
  /** Leaves at once; default: by the signal itself. */
  readonly leave?: (signal: StopSignal) => void;
}

/**
 * Ends the process as the signal does by default, which a shell reports as 130, 143 or 129. `process.exit` would wait
 * for the worker, and that may be deep inside libtorch.
 */
function dieBy(signal: StopSignal): void {
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
}

/** The first signal asks the worker to stop with its state saved; a second one leaves at once. */
export function watchSignals(options: StopperOptions): Stopper {
  const { source = process, onStop, onLeave, leave = dieBy } = options;
  const flag = stopFlag();
  let reason: Stopper["reason"];
  let timer: NodeJS.Timeout | undefined;
  const stop = (why: StopSignal | "time") => {
    reason = why;
    Atomics.store(flag, 0, 1);
    onStop(why);
  };
  const listeners = SIGNALS.map((signal) => {
    // After the time limit a first Ctrl-C is still only the first: the state is being saved.
    const listener = () => {
      if (reason === undefined || reason === "time") return stop(signal);
      onLeave?.();
      return leave(signal);
    };
    source.on(signal, listener);
    return () => source.off(signal, listener);
  });
  return {
    flag,
    get reason() {
      return reason;
    },
    limit(seconds) {
      // Longer than a timer can count is no limit.
      if (seconds * 1000 < 2 ** 31) timer = setTimeout(() => reason ?? stop("time"), seconds * 1000);
    },
    [Symbol.dispose]() {
      clearTimeout(timer);
      for (const remove of listeners) remove();
    },
  };
}

const UNITS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600 };

/** `90s`, `30m`, `1.5h`, `1h30m` in seconds. */
export function parseDuration(text: string): number {
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)([smh])/g)];
  const seconds = parts.reduce((sum, [, amount, unit]) => sum + Number(amount) * (UNITS[unit ?? ""] ?? 0), 0);
  if (parts.length === 0 || parts.map(([whole]) => whole).join("") !== text || seconds <= 0) {
    throw new UsageError(expected("--max-time", "a duration such as 90s, 30m or 1h30m", text));
  }
  return seconds;
}

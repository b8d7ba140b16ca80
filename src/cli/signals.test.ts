import { EventEmitter } from "node:events";
import { afterEach, describe, expect, test, vi } from "vitest";
import { UsageError } from "../util/index.js";
import { isSet, parseDuration, SIGNAL_CODES, watchSignals } from "./signals.js";

afterEach(() => {
  vi.useRealTimers();
});

function watch() {
  const source = new EventEmitter();
  const onStop = vi.fn();
  const leave = vi.fn();
  const onLeave = vi.fn();
  return { source, onStop, leave, onLeave, stopper: watchSignals({ source, onStop, leave, onLeave }) };
}

describe("watchSignals", () => {
  test.each(["SIGINT", "SIGTERM", "SIGHUP"] as const)(
    "the first %s asks to stop, the second leaves at once",
    (signal) => {
      const { source, onStop, leave, onLeave, stopper } = watch();
      expect(isSet(stopper.flag)).toBe(false);
      source.emit(signal);
      expect(isSet(stopper.flag)).toBe(true);
      expect(stopper.reason).toBe(signal);
      expect(onStop.mock.calls).toEqual([[signal]]);
      expect(leave).not.toHaveBeenCalled();
      source.emit(signal);
      expect(onLeave).toHaveBeenCalledOnce();
      expect(leave.mock.calls).toEqual([[signal]]);
      stopper[Symbol.dispose]();
      expect(source.eventNames()).toEqual([]);
    },
  );

  test("a time limit asks to stop; a signal after it is the first one", () => {
    vi.useFakeTimers();
    const { source, onStop, leave, stopper } = watch();
    stopper.limit(60);
    vi.advanceTimersByTime(59_000);
    expect(isSet(stopper.flag)).toBe(false);
    vi.advanceTimersByTime(2000);
    expect([isSet(stopper.flag), stopper.reason]).toEqual([true, "time"]);
    source.emit("SIGINT");
    expect(stopper.reason).toBe("SIGINT");
    expect(leave).not.toHaveBeenCalled();
    expect(onStop.mock.calls).toEqual([["time"], ["SIGINT"]]);
    source.emit("SIGTERM");
    expect(leave.mock.calls).toEqual([["SIGTERM"]]);
  });

  test("a limit that was not reached leaves no timer behind", () => {
    vi.useFakeTimers();
    const { stopper } = watch();
    stopper.limit(60);
    stopper.limit(1e9);
    stopper[Symbol.dispose]();
    expect(vi.getTimerCount()).toBe(0);
  });

  test("exit codes are those of shells", () => {
    expect(SIGNAL_CODES).toEqual({ SIGINT: 130, SIGTERM: 143, SIGHUP: 129 });
  });
});

describe("parseDuration", () => {
  test.each([
    ["90s", 90],
    ["30m", 1800],
    ["1.5h", 5400],
    ["1h30m", 5400],
    ["1h1m1s", 3661],
  ])("%s", (text, seconds) => {
    expect(parseDuration(text)).toBe(seconds);
  });

  test.each(["", "90", "s", "1d", "-5m", "0s", "5m!", "m5"])("%j is refused", (text) => {
    expect(() => parseDuration(text)).toThrow(UsageError);
    expect(() => parseDuration(text)).toThrow("--max-time: expected a duration such as 90s, 30m or 1h30m, got");
  });
});

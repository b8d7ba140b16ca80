import { closeSync, fstatSync, fsyncSync, ftruncateSync, openSync, readFileSync, readSync, writeSync } from "node:fs";
import { DataError, diskError } from "../util/index.js";
import type { NewEvent, RunEvent } from "./events.js";

const NEWLINE = 0x0a;

/** The writing end of `events.jsonl`: whole lines, appended. */
export interface EventLog extends Disposable {
  /** Where the next line begins; a checkpoint stores it and a resumed run truncates to it. */
  readonly byteLength: number;
  /** Stamps an event with the time and appends it; returns what was written. */
  append(event: NewEvent): RunEvent;
  /** Flushes to the disk; call it before a checkpoint that names `byteLength` is written. */
  sync(): void;
  /** Drops everything from this byte on; DataError when the log is shorter or the byte is inside a line. */
  truncate(byteLength: number): void;
  close(): void;
}

/** Number of bytes up to and with the last newline: what is behind it is a line that a crash cut off. */
function wholeLines(path: string): number {
  try {
    return readFileSync(path).lastIndexOf(NEWLINE) + 1;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return 0;
    throw diskError(path, error, "read");
  }
}

function openForAppend(path: string): number {
  try {
    return openSync(path, "a+");
  } catch (error) {
    throw diskError(path, error);
  }
}

/** Opens an event log for writing, and drops the part of a line that a killed writer may have left. */
export function openLog(path: string): EventLog {
  let byteLength = wholeLines(path);
  const descriptor = openForAppend(path);
  let open = true;
  if (fstatSync(descriptor).size > byteLength) ftruncateSync(descriptor, byteLength);

  function writeLine(line: Buffer): void {
    try {
      // One call, so that a reader never sees part of a line, unless the disk is full in the middle of it.
      let done = writeSync(descriptor, line, 0, line.length);
      while (done < line.length) done += writeSync(descriptor, line, done, line.length - done);
    } catch (error) {
      ftruncateSync(descriptor, byteLength);
      throw diskError(path, error);
    }
    byteLength += line.length;
  }

  function truncate(to: number): void {
    const inside = Number.isInteger(to) && to >= 0 && to <= byteLength;
    const before = Buffer.alloc(1, NEWLINE);
    if (inside && to > 0) readSync(descriptor, before, 0, 1, to - 1);
    if (!inside || before[0] !== NEWLINE) {
      const message = `${path}: expected a line to end at byte ${to} of ${byteLength}, as the checkpoint says`;
      throw new DataError(message, { code: "data/event-log" });
    }
    ftruncateSync(descriptor, to);
    byteLength = to;
  }

  function close(): void {
    if (open) closeSync(descriptor);
    open = false;
  }

  return {
    get byteLength() {
      return byteLength;
    },
    append(event) {
      const { type, ...rest } = event;
      const stamped = { type, at: new Date().toISOString(), ...rest } as RunEvent;
      writeLine(Buffer.from(`${JSON.stringify(stamped)}\n`, "utf8"));
      if (stamped.type !== "step") fsyncSync(descriptor);
      return stamped;
    },
    sync: () => fsyncSync(descriptor),
    truncate,
    close,
    [Symbol.dispose]: close,
  };
}

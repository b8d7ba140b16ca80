import { closeSync, existsSync, fstatSync, openSync, readSync } from "node:fs";
import { join } from "node:path";
import { DataError, diskError } from "../util/index.js";
import type { RunEvent } from "./events.js";

const NEWLINE = 0x0a;
const TAIL = 256;

/** What is new in an event log. */
export interface NewEvents {
  readonly events: readonly RunEvent[];
  /** The log was cut back since the last call (the run was resumed): forget what was read before. */
  readonly restarted: boolean;
}

/** Reads an event log while another process writes it. */
export interface EventReader {
  /** Byte behind the last line that was read. */
  readonly offset: number;
  /** The lines written since the last call, whole ones only. */
  poll(): NewEvents;
}

function readBytes(path: string, from: number): Buffer | undefined {
  let descriptor: number;
  try {
    descriptor = openSync(path, "r");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw diskError(path, error, "read");
  }
  try {
    const size = fstatSync(descriptor).size;
    if (size < from) return undefined;
    const bytes = Buffer.alloc(size - from);
    let done = 0;
    for (let got = -1; got !== 0 && done < bytes.length; done += got) {
      got = readSync(descriptor, bytes, done, bytes.length - done, from + done);
    }
    return bytes.subarray(0, done);
  } finally {
    closeSync(descriptor);
  }
}

function parseLines(path: string, bytes: Buffer, offset: number): RunEvent[] {
  const events: RunEvent[] = [];
  for (let start = 0; start < bytes.length; ) {
    const end = bytes.indexOf(NEWLINE, start);
    events.push(parseLine(path, bytes.toString("utf8", start, end), offset + start));
    start = end + 1;
  }
  return events;
}

function parseLine(path: string, line: string, at: number): RunEvent {
  try {
    const event = JSON.parse(line) as RunEvent | null;
    if (typeof event?.type === "string") return event;
  } catch {
    // Said below, for bytes that are no JSON and for JSON that is no event alike.
  }
  throw new DataError(`${path}: expected an event at byte ${at}, got ${JSON.stringify(line.slice(0, 60))}`, {
    code: "data/event-log",
  });
}

/** An incremental reader of a run folder's events. */
export function eventReader(folder: string): EventReader {
  const path = join(folder, "events.jsonl");
  let offset = 0;
  // The last bytes that were read: a log that was cut back and has grown past our offset shows other ones there.
  let tail = Buffer.alloc(0);

  function poll(): NewEvents {
    const bytes = readBytes(path, offset - tail.length);
    const same = bytes?.subarray(0, tail.length).equals(tail) ?? false;
    if (!same && offset > 0) {
      offset = 0;
      tail = Buffer.alloc(0);
      return { events: poll().events, restarted: true };
    }
    const fresh = bytes?.subarray(tail.length) ?? Buffer.alloc(0);
    const whole = fresh.subarray(0, fresh.lastIndexOf(NEWLINE) + 1);
    const events = parseLines(path, whole, offset);
    tail = Buffer.concat([tail, whole]).subarray(-TAIL);
    offset += whole.length;
    return { events, restarted: false };
  }

  return {
    get offset() {
      return offset;
    },
    poll,
  };
}

/** All events of a run folder so far; DataError when it is none, or when a line is damaged. */
export function readEvents(folder: string): readonly RunEvent[] {
  if (!existsSync(join(folder, "events.jsonl")) && !existsSync(join(folder, "run.json"))) {
    throw new DataError(`${folder}: expected a run folder, got one without run.json and events.jsonl`, {
      code: "data/not-a-run",
    });
  }
  return eventReader(folder).poll().events;
}

import { closeSync, existsSync, fstatSync, openSync, readSync } from "node:fs";
import { join } from "node:path";
import { DataError, diskError, sha256 } from "../util/index.js";
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
  /** `offset` and a hash of what stands before it: another reader goes on from there, if the log still holds that. */
  readonly cursor: string;
  /** The lines written since the last call, whole ones only. */
  poll(): NewEvents;
}

export interface EventReaderOptions {
  /** Where another reader stopped; where the log does not hold that any more, the first poll says `restarted`. */
  readonly after?: string | undefined;
  /** Bytes that one poll reads at most, unless a line is longer; default all there are. */
  readonly most?: number;
  /** Told of each damaged line, which is then left out; default: it is a DataError. */
  readonly onDamaged?: (error: DataError) => void;
}

/** The bytes from there to the end, or `most` of them; undefined where the file is shorter or missing. */
function readBytes(path: string, from: number, most: number): Buffer | undefined {
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
    const bytes = Buffer.alloc(Math.min(size - from, most));
    let done = 0;
    for (let got = -1; got !== 0 && done < bytes.length; done += got) {
      got = readSync(descriptor, bytes, done, bytes.length - done, from + done);
    }
    return bytes.subarray(0, done);
  } finally {
    closeSync(descriptor);
  }
}

type OnDamaged = EventReaderOptions["onDamaged"];

function parseLines(path: string, bytes: Buffer, offset: number, onDamaged: OnDamaged): RunEvent[] {
  const events: RunEvent[] = [];
  for (let start = 0; start < bytes.length; ) {
    const end = bytes.indexOf(NEWLINE, start);
    try {
      events.push(parseLine(path, bytes.toString("utf8", start, end), offset + start));
    } catch (error) {
      if (onDamaged === undefined) throw error;
      onDamaged(error as DataError);
    }
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

const hashOf = (tail: Buffer) => sha256(tail).slice(0, 16);

/** Offset and last bytes that a cursor names, if the log holds them. */
function resume(path: string, cursor: string): { offset: number; tail: Buffer } | undefined {
  const [, digits, hash] = /^(\d{1,15})-([0-9a-f]{16})$/.exec(cursor) ?? [];
  const offset = Number(digits);
  const length = Math.min(TAIL, offset);
  const tail = digits === undefined ? undefined : readBytes(path, offset - length, length);
  return tail?.length === length && hashOf(tail) === hash ? { offset, tail } : undefined;
}

/** An incremental reader of a run folder's events. */
export function eventReader(folder: string, { after, most, onDamaged }: EventReaderOptions = {}): EventReader {
  const path = join(folder, "events.jsonl");
  const start = after === undefined ? undefined : resume(path, after);
  let lost = after !== undefined && start === undefined;
  let offset = start?.offset ?? 0;
  // The last bytes that were read: a log that was cut back and has grown past our offset shows other ones there.
  let tail = start?.tail ?? Buffer.alloc(0);

  /** Whole lines behind `offset`; undefined where the log is not the one that was read. */
  function fresh(limit: number): Buffer | undefined {
    const bytes = readBytes(path, offset - tail.length, tail.length + limit);
    if (offset > 0 && !bytes?.subarray(0, tail.length).equals(tail)) return undefined;
    const read = bytes?.subarray(tail.length) ?? Buffer.alloc(0);
    const whole = read.subarray(0, read.lastIndexOf(NEWLINE) + 1);
    return whole.length === 0 && read.length === limit ? fresh(2 * limit) : whole;
  }

  function poll(): NewEvents {
    const whole = fresh(most ?? Number.POSITIVE_INFINITY);
    if (whole === undefined) {
      offset = 0;
      tail = Buffer.alloc(0);
      lost = false;
      return { events: poll().events, restarted: true };
    }
    const events = parseLines(path, whole, offset, onDamaged);
    const restarted = lost;
    lost = false;
    tail = Buffer.concat([tail, whole]).subarray(-TAIL);
    offset += whole.length;
    return { events, restarted };
  }

  return {
    get offset() {
      return offset;
    },
    get cursor() {
      return `${offset}-${hashOf(tail)}`;
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

// TensorBoard's event file of a run. It is a function of the events alone: the same log gives the same bytes. So writing
// again, or going on after a crash or a resumed run, keeps the records that still hold, cuts off the rest, and appends what
// is missing; no point is there twice.
import { closeSync, ftruncateSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { RunEvent } from "../run/index.js";
import { diskError, makeFolder, writeAll } from "../util/index.js";
import { pointsOf, timeOf } from "./points.js";
import type { Sink } from "./sink.js";
import { scalarEncoder, versionEvent } from "./tf-event.js";
import { frame } from "./tf-record.js";

/** TensorBoard takes every file with `tfevents` in its name. */
const FILE = "events.out.tfevents.s2ap";

function headOf(events: readonly RunEvent[]): Buffer {
  const first = events[0];
  return frame(versionEvent(first === undefined ? 0 : timeOf(first) / 1000));
}

function readFound(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return Buffer.alloc(0);
    throw diskError(path, error, "read");
  }
}

/** How many of the records the file begins with, and their length in bytes. */
function common(found: Buffer, records: readonly Buffer[]): { count: number; length: number } {
  let length = 0;
  let count = 0;
  for (const record of records) {
    if (!found.subarray(length, length + record.length).equals(record)) break;
    length += record.length;
    count += 1;
  }
  return { count, length };
}

/** Cuts the file to `length` bytes and appends records in one write. */
function writeFrom(path: string, length: number, records: readonly Buffer[]): number {
  const data = Buffer.concat(records);
  try {
    const descriptor = openSync(path, "a");
    try {
      ftruncateSync(descriptor, length);
      writeAll(descriptor, data);
    } finally {
      closeSync(descriptor);
    }
  } catch (error) {
    throw diskError(path, error);
  }
  return length + data.length;
}

/** Writes the curves of one run into an event file in this folder. */
export function tensorboard(folder: string): Sink {
  const path = join(folder, FILE);
  const encode = scalarEncoder();
  const recordsOf = (event: RunEvent): Buffer[] => {
    const points = pointsOf(event);
    if (points.length === 0) return [];
    return [frame(encode(timeOf(event) / 1000, points[0]?.step ?? 0, points))];
  };
  let length = 0;
  return {
    name: "tensorboard",
    write(events, whole) {
      if (!whole) {
        const records = events.flatMap(recordsOf);
        if (records.length > 0) length = writeFrom(path, length, records);
        return;
      }
      makeFolder(folder);
      const records = [headOf(events), ...events.flatMap(recordsOf)];
      const found = readFound(path);
      const same = common(found, records);
      length = same.length;
      if (same.count < records.length || found.length > length) {
        length = writeFrom(path, same.length, records.slice(same.count));
      }
    },
    close: async () => {},
  };
}

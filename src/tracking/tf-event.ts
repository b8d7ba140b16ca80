// The messages of TensorBoard's event files that scalars need, in protobuf's wire format (event.proto and summary.proto of
// TensorFlow; developers.google.com/protocol-buffers/docs/encoding):
//   Event   { double wall_time = 1; int64 step = 2; string file_version = 3; Summary summary = 5; }
//   Summary { repeated Value value = 1; }     Value { string tag = 1; float simple_value = 2; }
import type { Point } from "./points.js";

const FIXED64 = 1;
const BYTES = 2;
const FIXED32 = 5;
const key = (field: number, wire: number) => field * 8 + wire;

function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  // Steps may pass 2^31, where shifts would not do.
  for (; rest > 0x7f; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 0x80);
  bytes.push(rest);
  return bytes;
}

function wallTime(seconds: number): Buffer {
  const time = Buffer.alloc(9);
  time[0] = key(1, FIXED64);
  time.writeDoubleLE(seconds, 1);
  return time;
}

/** The message that every event file begins with. */
export function versionEvent(seconds: number): Buffer {
  const version = Buffer.from("brain.Event:2");
  return Buffer.concat([wallTime(seconds), Buffer.from([key(3, BYTES), version.length]), version]);
}

/** A value of this tag in its summary, up to the four bytes of its number. */
function valueHead(tag: string): Buffer {
  const text = Buffer.from(tag);
  const inner = [key(1, BYTES), ...varint(text.length)];
  const length = inner.length + text.length + 1 + 4;
  return Buffer.concat([
    Buffer.from([key(1, BYTES), ...varint(length), ...inner]),
    text,
    Buffer.from([key(2, FIXED32)]),
  ]);
}

/** Encodes scalars; it keeps the heads of the tags it has met, for a long log has few and meets them often. */
export function scalarEncoder(): (seconds: number, step: number, points: readonly Point[]) => Buffer {
  const heads = new Map<string, Buffer>();
  const headOf = (tag: string): Buffer => {
    const head = heads.get(tag) ?? valueHead(tag);
    heads.set(tag, head);
    return head;
  };
  return (seconds, step, points) => {
    const summary = points.reduce((sum, { tag }) => sum + headOf(tag).length + 4, 0);
    const middle = [key(2, 0), ...varint(step), key(5, BYTES), ...varint(summary)];
    const event = Buffer.alloc(9 + middle.length + summary);
    event[0] = key(1, FIXED64);
    event.writeDoubleLE(seconds, 1);
    event.set(middle, 9);
    let at = 9 + middle.length;
    for (const { tag, value } of points) {
      const head = headOf(tag);
      head.copy(event, at);
      at = event.writeFloatLE(value, at + head.length);
    }
    return event;
  };
}

// The messages of TensorBoard's event files that scalars need, in protobuf's wire format (event.proto and summary.proto of
// TensorFlow; developers.google.com/protocol-buffers/docs/encoding):
//   Event   { double wall_time = 1; int64 step = 2; string file_version = 3; Summary summary = 5; }
//   Summary { repeated Value value = 1; }     Value { string tag = 1; float simple_value = 2; }
import type { Point } from "./points.js";

const VARINT = 0;
const FIXED64 = 1;
const BYTES = 2;
const FIXED32 = 5;

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  // Steps may pass 2^31, where shifts would not do.
  for (; rest > 0x7f; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 0x80);
  bytes.push(rest);
  return Buffer.from(bytes);
}

const key = (field: number, wire: number) => varint(field * 8 + wire);

function bytes(field: number, data: Uint8Array): Buffer {
  return Buffer.concat([key(field, BYTES), varint(data.length), data]);
}

function double(field: number, value: number): Buffer {
  const data = Buffer.alloc(8);
  data.writeDoubleLE(value);
  return Buffer.concat([key(field, FIXED64), data]);
}

function float(field: number, value: number): Buffer {
  const data = Buffer.alloc(4);
  data.writeFloatLE(value);
  return Buffer.concat([key(field, FIXED32), data]);
}

/** The message that every event file begins with. */
export function versionEvent(seconds: number): Buffer {
  return Buffer.concat([double(1, seconds), bytes(3, Buffer.from("brain.Event:2"))]);
}

/** Points of one step; `seconds` since 1970. */
export function scalarEvent(seconds: number, step: number, points: readonly Point[]): Buffer {
  const values = points.map(({ tag, value }) => bytes(1, Buffer.concat([bytes(1, Buffer.from(tag)), float(2, value)])));
  return Buffer.concat([double(1, seconds), key(2, VARINT), varint(step), bytes(5, Buffer.concat(values))]);
}

// The header of a .npy array (NumPy Enhancement Proposal 1, versions 1.0 to 3.0): magic, version, length, and a Python dict
// of type, order and shape. Only what labelled images need is taken: whole numbers, in C order, little-endian.
import { DataError, expected } from "../util/index.js";

/** Whole numbers of 1 to 8 bytes. */
export interface NpyType {
  readonly bytes: 1 | 2 | 4 | 8;
  readonly signed: boolean;
}

export interface NpyHeader {
  readonly type: NpyType;
  readonly shape: readonly number[];
  /** Bytes in front of the values. */
  readonly offset: number;
  /** Bytes of the values. */
  readonly length: number;
}

/** The most that a header is: magic, version, a length field and as many characters as NumPy itself accepts. */
export const LONGEST_HEADER = 12 + 10_000;

const MAGIC = Buffer.from("\x93NUMPY", "latin1");
/** The dict as NumPy writes it: keys in this order, a trailing comma, spaces and a newline to fill up. */
const DICT =
  /^\{'descr': '([<|>=])([a-zA-Z])(\d{1,4})', 'fortran_order': (False|True), 'shape': \(((?:\d{1,16}, ?)*(?:\d{1,16})?)\),? ?\} *\n?$/;

export function bad(where: string, what: string, got: unknown): DataError {
  return new DataError(expected(where, what, got), { code: "data/npz" });
}

/** The dict's text, and where it ends. */
function textOf(where: string, bytes: Buffer): { readonly text: string; readonly offset: number } {
  if (bytes.length < 10 || !bytes.subarray(0, 6).equals(MAGIC)) {
    throw bad(where, "an array in npy format", `${bytes.length} bytes of something else`);
  }
  const version = bytes.readUInt8(6);
  if (version < 1 || version > 3) throw bad(where, "npy version 1, 2 or 3", version);
  const begin = version === 1 ? 10 : 12;
  if (bytes.length < begin) throw bad(where, "a whole npy header", `${bytes.length} bytes`);
  const length = version === 1 ? bytes.readUInt16LE(8) : bytes.readUInt32LE(8);
  const offset = begin + length;
  if (offset > LONGEST_HEADER) throw bad(where, "an npy header of at most 10000 characters", length);
  if (bytes.length < offset) throw bad(where, `a whole npy header of ${offset} bytes`, `${bytes.length} bytes`);
  return { text: bytes.toString("latin1", begin, offset), offset };
}

function typeOf(where: string, order: string, kind: string, size: number): NpyType {
  const described = `${order}${kind}${size}`;
  const whole = (kind === "i" || kind === "u") && (size === 1 || size === 2 || size === 4 || size === 8);
  if (!whole || (size > 1 && order !== "<")) {
    throw bad(where, "whole numbers, little-endian, of 1, 2, 4 or 8 bytes", described);
  }
  return { bytes: size, signed: kind === "i" };
}

/** Reads the header at the front of an array's bytes (its first `LONGEST_HEADER` are enough); `where` names the array. */
export function npyHeader(where: string, front: Uint8Array): NpyHeader {
  const bytes = Buffer.from(front.buffer, front.byteOffset, front.byteLength);
  const { text, offset } = textOf(where, bytes);
  const [, order = "", kind = "", size = "", fortran, extents = ""] = DICT.exec(text) ?? [];
  if (fortran === undefined) throw bad(where, "an npy header with descr, fortran_order and shape", text.trimEnd());
  if (fortran === "True") throw bad(where, "values in C order", "Fortran order");
  const type = typeOf(where, order, kind, Number(size));
  const shape = (extents.match(/\d+/g) ?? []).map(Number);
  const length = shape.reduce((product, extent) => product * extent, type.bytes);
  if (!Number.isSafeInteger(length)) throw bad(where, "a shape whose size can be counted", shape);
  return { type, shape, offset, length };
}

/** The values of an array of labels, as numbers. */
export function npyNumbers(where: string, values: Uint8Array, { bytes, signed }: NpyType): number[] {
  const view = new DataView(values.buffer, values.byteOffset, values.byteLength);
  const read: Readonly<Record<NpyType["bytes"], (at: number) => number | bigint>> = {
    1: (at) => (signed ? view.getInt8(at) : view.getUint8(at)),
    2: (at) => (signed ? view.getInt16(at, true) : view.getUint16(at, true)),
    4: (at) => (signed ? view.getInt32(at, true) : view.getUint32(at, true)),
    8: (at) => (signed ? view.getBigInt64(at, true) : view.getBigUint64(at, true)),
  };
  if (values.byteLength % bytes !== 0) throw bad(where, `a multiple of ${bytes} bytes`, values.byteLength);
  return Array.from({ length: values.byteLength / bytes }, (_, i) => Number(read[bytes](i * bytes)));
}

// Writes MATLAB files of version 5, right ones and wrong ones, in either byte order.
import { deflateSync } from "node:zlib";

export interface MatArray {
  readonly name: string;
  /** Number of the class, e.g. 9 for uint8. */
  readonly classOf: number;
  readonly shape: readonly number[];
  /** Number of the type that the values are stored in, e.g. 2 for bytes. */
  readonly type: number;
  readonly values: Uint8Array;
  /** Flags beside the class, e.g. 0x0800 for complex. */
  readonly flags?: number;
}

interface MatForm {
  readonly bigEndian?: boolean;
  readonly compressed?: boolean;
}

/** Appends `count` bytes at the end of each array's contents. */
interface MatLies extends MatForm {
  readonly more?: number;
}

function words(values: readonly number[], bigEndian: boolean): Buffer {
  const bytes = Buffer.alloc(4 * values.length);
  for (const [i, value] of values.entries()) {
    if (bigEndian) bytes.writeUInt32BE(value >>> 0, 4 * i);
    else bytes.writeUInt32LE(value >>> 0, 4 * i);
  }
  return bytes;
}

/** An element: tag, bytes, padding; up to 4 bytes lie in the tag. */
export function matElement(type: number, bytes: Uint8Array, bigEndian = false): Buffer {
  if (bytes.length > 0 && bytes.length <= 4) {
    const small = Buffer.alloc(4);
    small.set(bytes);
    return Buffer.concat([words([(bytes.length << 16) | type], bigEndian), small]);
  }
  return Buffer.concat([words([type, bytes.length], bigEndian), bytes, Buffer.alloc((8 - (bytes.length % 8)) % 8)]);
}

/** The element of an array. */
function arrayElement(
  { name, classOf, shape, type, values, flags = 0 }: MatArray,
  { bigEndian = false, compressed = false, more = 0 }: MatLies,
): Buffer {
  const contents = Buffer.concat([
    matElement(6, words([classOf | flags, 0], bigEndian), bigEndian),
    matElement(5, words(shape, bigEndian), bigEndian),
    matElement(1, Buffer.from(name), bigEndian),
    matElement(type, values, bigEndian),
    Buffer.alloc(more),
  ]);
  const whole = Buffer.concat([words([14, contents.length], bigEndian), contents]);
  if (!compressed) return whole;
  const packed = deflateSync(whole);
  return Buffer.concat([words([15, packed.length], bigEndian), packed]);
}

/** The header of a file. */
export function matFileHeader({ bigEndian = false }: MatForm = {}): Buffer {
  const header = Buffer.alloc(128, " ");
  header.write("MATLAB 5.0 MAT-file");
  header.write(bigEndian ? "\x01\x00MI" : "\x00\x01IM", 124, "latin1");
  return header;
}

/** A file of arrays. */
export function matFileBytes(arrays: readonly MatArray[], form: MatLies = {}): Buffer {
  return Buffer.concat([matFileHeader(form), ...arrays.map((array) => arrayElement(array, form))]);
}

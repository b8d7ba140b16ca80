// Arrays of numbers in a MATLAB file of version 5, plain (`save -v6`) or compressed (`save -v7`, SciPy's do_compression): MathWorks,
// "MAT-File Format". 128 bytes of header (text, version 0x0100, the letters MI in the writer's byte order), then elements: a tag of
// type and length, the bytes, zeros up to a multiple of 8. Up to 4 bytes lie in the tag itself ("small"). An array is an element
// that holds elements: flags with its class, extents, name, values, first index fastest; a compressed one is that through zlib.
// Values may be stored in another type than the class: whole numbers of a double array are bytes where they fit.
// Left out: complex, sparse, cells, structs, text and version 7.3 (HDF5). Arrays that nobody asks for are passed over unread.
// Nothing is believed: elements lie in the file, an array's values take at most 20 times the file's bytes (images, which hardly
// compress, take 1.2 times; files below 50 kB may unpack to 1 MB) and not a byte beyond what its tag says is unpacked.
import { createReadStream } from "node:fs";
import { pipeline } from "node:stream";
import { createInflate } from "node:zlib";
import { DataError, diskError, expected } from "../util/index.js";
import { type ByteSource, withFile } from "../util/source.js";
import { type ByteStream, byteStream, type Sink } from "./byte-stream.js";

/** How values are stored. */
export interface MatStored {
  readonly kind: "int" | "uint" | "float";
  /** Bytes of one value. */
  readonly bytes: 1 | 2 | 4 | 8;
  readonly littleEndian: boolean;
}

/** What is known of an array before its values. */
export interface MatHeader {
  /** `double`, `single`, `int8` to `uint64`. */
  readonly className: string;
  /** Values lie with the first index fastest. */
  readonly shape: readonly number[];
  /** How many values there are. */
  readonly count: number;
  readonly stored: MatStored;
}

/** What to do with an array, by its name: told of its header, it says where the bytes of its values go. */
export type MatWanted = Readonly<Record<string, (header: MatHeader) => Sink>>;

const HEADER = 128;
const [MATRIX, COMPRESSED, INT8, INT32, UINT32] = [14, 15, 1, 5, 6];
const LIMITS = { elements: 1000, expansion: 20, always: 1 << 20, extents: 32, name: 256 };
const CHUNK = 1 << 20;
const COMPLEX = 0x0800;

const CLASSES: readonly (string | undefined)[] = [
  ...[undefined, "cell", "struct", "object", "char", "sparse"],
  ...["double", "single", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"],
];
const FIRST_NUMERIC = 6;

const TYPES: Readonly<Record<number, readonly [MatStored["kind"], MatStored["bytes"]]>> = {
  ...{ 1: ["int", 1], 2: ["uint", 1], 3: ["int", 2], 4: ["uint", 2], 5: ["int", 4], 6: ["uint", 4] },
  ...{ 7: ["float", 4], 9: ["float", 8], 12: ["int", 8], 13: ["uint", 8] },
};

export function badMat(where: string, what: string, got: unknown): DataError {
  return new DataError(expected(where, what, got), { code: "data/mat" });
}

interface Element {
  readonly compressed: boolean;
  /** Where its bytes are, behind the tag. */
  readonly at: number;
  readonly length: number;
}

interface MatFile {
  readonly path: string;
  readonly littleEndian: boolean;
  /** The most that the values of an array may take. */
  readonly most: number;
  readonly elements: readonly Element[];
}

const read32 = (bytes: Buffer, at: number, littleEndian: boolean) =>
  littleEndian ? bytes.readUInt32LE(at) : bytes.readUInt32BE(at);

/** The byte order, once it is sure that this is a version 5 file. */
function isLittleEndian(where: string, header: Buffer): boolean {
  const order = header.toString("latin1", 126, 128);
  if (order !== "IM" && order !== "MI") {
    throw badMat(where, "a MATLAB file of version 5", "a file without its byte order mark");
  }
  const version = order === "IM" ? header.readUInt16LE(124) : header.readUInt16BE(124);
  if (version === 0x0200) {
    throw badMat(where, "a MATLAB file of version 5", "version 7.3 (HDF5): save it anew in MATLAB with -v7");
  }
  if (version !== 0x0100) throw badMat(where, "a MATLAB file of version 5", `version 0x${version.toString(16)}`);
  return order === "IM";
}

/** Where the arrays of a file are. */
function matFile(source: ByteSource): MatFile {
  const { where, length } = source;
  if (length < HEADER) throw badMat(where, `a MATLAB file, which has ${HEADER} bytes at least`, `${length} bytes`);
  const littleEndian = isLittleEndian(where, source.read(0, HEADER));
  const elements: Element[] = [];
  for (let at = HEADER; at < length; ) {
    if (elements.length === LIMITS.elements) throw badMat(where, `at most ${LIMITS.elements} arrays`, "more");
    const tag = source.read(at, 8);
    const [type, size] = [read32(tag, 0, littleEndian), read32(tag, 4, littleEndian)];
    if (type !== MATRIX && type !== COMPRESSED) throw badMat(where, `an array at ${at}`, `an element of type ${type}`);
    if (size === 0 || at + 8 + size > length) {
      const got = `one of ${size} bytes at ${at}: it is cut short or damaged`;
      throw badMat(where, `arrays within its ${length} bytes`, got);
    }
    elements.push({ compressed: type === COMPRESSED, at: at + 8, length: size });
    at += 8 + size;
  }
  return { path: where, littleEndian, most: Math.max(LIMITS.always, LIMITS.expansion * length), elements };
}

interface Tag {
  readonly type: number;
  readonly length: number;
  /** The bytes, where they are in the tag. */
  readonly small?: Buffer;
}

async function readTag(where: string, stream: ByteStream, littleEndian: boolean): Promise<Tag> {
  const bytes = await stream.take(8);
  const first = read32(bytes, 0, littleEndian);
  const length = first >>> 16;
  if (length === 0) return { type: first, length: read32(bytes, 4, littleEndian) };
  if (length > 4) throw badMat(where, "at most 4 bytes in a small element", length);
  return { type: first & 0xffff, length, small: bytes.subarray(4, 4 + length) };
}

const padding = (length: number) => (8 - (length % 8)) % 8;

/** A short element of a known type: flags, extents, name. */
async function readShort(where: string, stream: ByteStream, wanted: Tag, littleEndian: boolean): Promise<Buffer> {
  const { type, length, small } = await readTag(where, stream, littleEndian);
  if (type !== wanted.type || length > wanted.length) {
    const what = `an element of type ${wanted.type} and at most ${wanted.length} bytes`;
    throw badMat(where, what, `type ${type}, ${length} bytes`);
  }
  if (small) return small;
  const bytes = await stream.take(length + padding(length));
  return bytes.subarray(0, length);
}

/** Extents, whose product can be counted. */
function shapeOf(where: string, bytes: Buffer, littleEndian: boolean): number[] {
  const shape = Array.from({ length: Math.floor(bytes.length / 4) }, (_, k) => read32(bytes, 4 * k, littleEndian));
  if (shape.length >= 2 && shape.every((extent) => extent <= 0x7fffffff)) return shape;
  throw badMat(where, "two or more extents, none of them negative", shape);
}

/** The tag of the values, held against the array's shape, class and the file's size. */
function storedOf(where: string, file: MatFile, { type, length }: Tag, count: number): MatStored {
  const [kind, bytes] = TYPES[type] ?? [];
  if (kind === undefined || bytes === undefined) throw badMat(where, "values of a numeric type", `type ${type}`);
  if (count * bytes !== length) throw badMat(where, `${count} values of ${bytes} bytes`, `${length} bytes`);
  if (length > file.most) {
    const what = `values of at most ${file.most} bytes, ${LIMITS.expansion} times the file`;
    throw badMat(where, what, `${length} bytes`);
  }
  return { kind, bytes, littleEndian: file.littleEndian };
}

/** Reads an array of `length` bytes if it is wanted; returns its name. */
async function readMatrix(file: MatFile, stream: ByteStream, length: number, wanted: MatWanted) {
  const { path, littleEndian } = file;
  const start = stream.taken();
  const flags = await readShort(path, stream, { type: UINT32, length: 8 }, littleEndian);
  if (flags.length !== 8) throw badMat(path, "8 bytes of array flags", flags.length);
  const flag = read32(flags, 0, littleEndian);
  const className = CLASSES[flag & 0xff];
  if (className === undefined) return "";
  const extents = await readShort(path, stream, { type: INT32, length: 4 * LIMITS.extents }, littleEndian);
  const name = (await readShort(path, stream, { type: INT8, length: LIMITS.name }, littleEndian)).toString("latin1");
  const begin = Object.hasOwn(wanted, name) ? wanted[name] : undefined;
  if (begin === undefined) return name;
  const where = `${path}: ${name}`;
  const shape = shapeOf(where, extents, littleEndian);
  if ((flag & 0xff) < FIRST_NUMERIC || (flag & COMPLEX) !== 0) {
    throw badMat(where, "an array of real numbers", (flag & COMPLEX) === 0 ? `class ${className}` : "complex numbers");
  }
  const count = shape.reduce((product, extent) => product * extent, 1);
  const tag = await readTag(where, stream, littleEndian);
  const stored = storedOf(where, file, tag, count);
  const sink = begin({ className, shape, count, stored });
  if (tag.small) sink(tag.small, 0);
  else await stream.pour(tag.length, sink);
  const left = length - (stream.taken() - start);
  if (left < 0 || left > 7) throw badMat(where, "an array as long as it says", `${left} bytes left over`);
  await stream.take(left);
  if (!(await stream.atEnd())) throw badMat(where, "an array as long as it says", "more bytes");
  return name;
}

async function readElement(file: MatFile, element: Element, wanted: MatWanted): Promise<string> {
  const { path, littleEndian } = file;
  const { at, length, compressed } = element;
  const bytes = createReadStream(path, { start: at, end: at + length - 1, highWaterMark: CHUNK });
  // The callback is there for its signature: what goes wrong is thrown to who reads.
  const pieces = compressed ? pipeline(bytes, createInflate({ chunkSize: CHUNK }), () => undefined) : bytes;
  try {
    const stream = byteStream(path, pieces);
    if (!compressed) return await readMatrix(file, stream, length, wanted);
    const { type, length: unpacked } = await readTag(path, stream, littleEndian);
    if (type !== MATRIX) throw badMat(path, "a compressed array", `an element of type ${type}`);
    return await readMatrix(file, stream, unpacked, wanted);
  } catch (error) {
    const known = diskError(path, error, "read");
    if (known instanceof DataError) throw known;
    throw new DataError(`${expected(path, "a whole compressed array", error)}; get the file again`, {
      code: "data/mat",
      cause: error,
    });
  } finally {
    bytes.destroy();
    pieces.destroy();
  }
}

/** Reads the wanted arrays of a file, each exactly once. DataError when one is missing or twice, or the file is damaged. */
export async function readMat(path: string, wanted: MatWanted): Promise<void> {
  const file = withFile(path, matFile);
  const names: string[] = [];
  for (const element of file.elements) {
    const name = await readElement(file, element, wanted);
    if (names.includes(name) && Object.hasOwn(wanted, name)) throw badMat(path, "each array once", name);
    names.push(name);
  }
  const missing = Object.keys(wanted).filter((name) => !names.includes(name));
  if (missing.length === 0) return;
  throw badMat(path, `the arrays ${Object.keys(wanted).join(" and ")}`, names.slice(0, 8).join(", ") || "none");
}

/** The values of an array as numbers. */
export function matNumbers(values: Uint8Array, { kind, bytes, littleEndian }: MatStored): number[] {
  const view = new DataView(values.buffer, values.byteOffset, values.byteLength);
  const bits = 8 * bytes;
  const readers: Readonly<Record<string, (at: number) => number | bigint>> = {
    int8: (at) => view.getInt8(at),
    uint8: (at) => view.getUint8(at),
    int16: (at) => view.getInt16(at, littleEndian),
    uint16: (at) => view.getUint16(at, littleEndian),
    int32: (at) => view.getInt32(at, littleEndian),
    uint32: (at) => view.getUint32(at, littleEndian),
    int64: (at) => view.getBigInt64(at, littleEndian),
    uint64: (at) => view.getBigUint64(at, littleEndian),
    float32: (at) => view.getFloat32(at, littleEndian),
    float64: (at) => view.getFloat64(at, littleEndian),
  };
  const read = readers[`${kind}${bits}`] as (at: number) => number | bigint;
  return Array.from({ length: values.byteLength / bytes }, (_, i) => Number(read(i * bytes)));
}

/**
 * Safetensors: 8 bytes little-endian header length, a JSON header of `{"name": {"dtype", "shape", "data_offsets"}}`, raw little-endian
 * row-major data. Reading trusts nothing: every number in the header is checked before it is used, and any oddity is a DataError.
 */
import type { DType } from "../../torch/index.js";
import { expected, UsageError } from "../../util/errors.js";
import { type ByteSource, type Memory, withFile } from "../../util/source.js";
import { budget } from "./budget.js";
import {
  byteLength,
  checkCoverage,
  ELEMENT_SIZE,
  formatHeader,
  type Header,
  type HeaderEntry,
  headerError,
  METADATA_KEY,
  parseHeader,
} from "./safetensors-header.js";

/** A tensor as bytes: little-endian, row-major. */
export interface RawTensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly data: Uint8Array;
}

/** What a file holds; tensors in the header's order. */
export interface SafetensorsFile {
  readonly tensors: ReadonlyMap<string, RawTensor>;
  readonly metadata: Readonly<Record<string, string>>;
}

/** The reference implementation's limit, so that a short file cannot make us parse for minutes. */
const MAX_HEADER_BYTES = 100_000_000;
const PREFIX_BYTES = 8;

function headerLength(prefix: Uint8Array, fileLength: number, where: string): number {
  if (fileLength < PREFIX_BYTES)
    throw headerError(where, "a safetensors file of at least 8 bytes", `${fileLength} bytes`);
  const length = Number(new DataView(prefix.buffer, prefix.byteOffset, PREFIX_BYTES).getBigUint64(0, true));
  const most = Math.min(MAX_HEADER_BYTES, fileLength - PREFIX_BYTES);
  if (length > most) throw headerError(where, `a header of at most ${most} bytes`, `${length} bytes`);
  return length;
}

function headerOf(bytes: Uint8Array, dataLength: number, where: string): Header {
  let text: string;
  try {
    // With `ignoreBOM` a byte order mark stays in the text, where the parser refuses it.
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw headerError(where, "a header in UTF-8", "other bytes");
  }
  const header = parseHeader(text, where, budget(where, dataLength));
  checkCoverage(header.entries, dataLength, where);
  return header;
}

function fileOf(header: Header, where: string, read: (begin: number, end: number) => Uint8Array): SafetensorsFile {
  const tensors = new Map<string, RawTensor>();
  for (const { name, dtype, shape, begin, end } of header.entries) {
    const bytes = read(begin, end);
    // Any other byte in a bool is undefined behaviour in C++.
    if (dtype === "bool" && bytes.some((byte) => byte > 1)) {
      throw headerError(`${where}: tensor ${JSON.stringify(name)}`, "bytes 0 and 1 in a BOOL tensor", "other bytes");
    }
    tensors.set(name, { dtype, shape, data: bytes });
  }
  return { tensors, metadata: header.metadata };
}

/** Reads a whole file from memory; the tensors are views of `bytes`. `where` (usually the path) opens every error text. */
export function decodeSafetensors(bytes: Uint8Array, where: string): SafetensorsFile {
  const length = headerLength(bytes, bytes.length, where);
  const start = PREFIX_BYTES + length;
  const header = headerOf(bytes.subarray(PREFIX_BYTES, start), bytes.length - start, where);
  return fileOf(header, where, (begin, end) => bytes.subarray(start + begin, start + end));
}

function asBytes({ buffer, byteOffset, length }: Buffer): Uint8Array {
  return new Uint8Array(buffer, byteOffset, length);
}

/** The header of an open file, checked, and where its data begins. */
function headerIn({ where, length, read }: ByteSource): { readonly header: Header; readonly start: number } {
  const start = PREFIX_BYTES + headerLength(read(0, Math.min(PREFIX_BYTES, length)), length, where);
  return { header: headerOf(read(PREFIX_BYTES, start - PREFIX_BYTES), length - start, where), start };
}

function decodeFile(source: ByteSource): SafetensorsFile {
  const { header, start } = headerIn(source);
  return fileOf(header, source.where, (begin, end) => asBytes(source.read(start + begin, end - begin)));
}

/**
 * Reads a file, each tensor into memory of its own; none is taken for them before the header has been checked. DataError when it is
 * missing or odd. `memory` makes theirs: with `tensorMemory` of s2ap/torch libtorch can take large ones over (`takeTensors`). By default
 * plain ArrayBuffers.
 */
export function readSafetensors(path: string, options: { readonly memory?: Memory } = {}): SafetensorsFile {
  return withFile(path, decodeFile, options.memory);
}

/** Reads some rows (along the first dimension; default all) of one tensor of a file, and no more; DataError where there are none. */
export function readSafetensorsRows(
  path: string,
  name: string,
  { first = 0, count }: { readonly first?: number; readonly count?: number } = {},
): RawTensor {
  return withFile(path, (source) => {
    const { header, start } = headerIn(source);
    const entry = header.entries.find((each) => each.name === name);
    const [rows, ...rest] = entry?.shape ?? [];
    const wanted = count ?? (rows ?? 0) - first;
    if (entry === undefined || rows === undefined || !(first >= 0 && wanted >= 0 && first + wanted <= rows)) {
      throw headerError(path, `${JSON.stringify(name)} with rows ${first} to ${first + wanted - 1}`, entry?.shape);
    }
    const bytes = byteLength(entry.dtype, rest);
    const data = asBytes(source.read(start + entry.begin + first * bytes, wanted * bytes));
    return { dtype: entry.dtype, shape: [wanted, ...rest], data };
  });
}

/** Reads only the metadata of a file. */
export function readMetadata(path: string): SafetensorsFile["metadata"] {
  return withFile(path, (source) => headerIn(source).header.metadata);
}

function checkTensor(name: string, tensor: RawTensor): void {
  const where = `encodeSafetensors: tensor ${JSON.stringify(name)}`;
  if (name === METADATA_KEY || /\p{Surrogate}/u.test(name)) {
    throw new UsageError(expected(where, `a name of valid text other than ${METADATA_KEY}`, name));
  }
  const size = byteLength(tensor.dtype, tensor.shape);
  if (tensor.data.length !== size) {
    throw new UsageError(expected(where, `${size} bytes for ${tensor.dtype} [${tensor.shape}]`, tensor.data.length));
  }
}

/**
 * The bytes of a file, in chunks (prefix, header, one per tensor; no copy is made). The header keeps the map's order; the data is laid
 * out with wide elements first, so that every tensor is aligned. The same input gives the same bytes.
 */
export function encodeSafetensors(file: {
  readonly tensors: ReadonlyMap<string, RawTensor>;
  readonly metadata?: Readonly<Record<string, string>>;
}): Uint8Array[] {
  for (const [name, tensor] of file.tensors) checkTensor(name, tensor);
  const metadata = file.metadata ?? {};
  for (const [key, value] of Object.entries(metadata)) {
    if (typeof value !== "string" || /\p{Surrogate}/u.test(key + value)) {
      throw new UsageError(expected("encodeSafetensors", `valid text in metadata ${JSON.stringify(key)}`, value));
    }
  }
  const layout = [...file.tensors].sort(([, a], [, b]) => ELEMENT_SIZE[b.dtype] - ELEMENT_SIZE[a.dtype]);
  const placed = new Map<string, HeaderEntry>();
  let begin = 0;
  for (const [name, { dtype, shape, data }] of layout) {
    placed.set(name, { name, dtype, shape, begin, end: begin + data.length });
    begin += data.length;
  }
  const entries = [...file.tensors.keys()].map((name) => placed.get(name) as HeaderEntry);
  const header = formatHeader({ entries, metadata });
  const prefix = new Uint8Array(PREFIX_BYTES);
  new DataView(prefix.buffer).setBigUint64(0, BigInt(header.length), true);
  return [prefix, header, ...layout.map(([, tensor]) => tensor.data)];
}

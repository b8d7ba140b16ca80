// Zip archives, stored or deflated, zip64 included, as NumPy and PyTorch write them. Nothing is believed: sizes are held against the
// file's before any memory is taken, no two entries may share bytes, and checksums are checked.
// Why no library: yauzl reads only asynchronously, two reads an entry, and leaves checksums, overlaps, limits and inflating within a
// bound to us, so hardly less code; yazl writes no extra fields, so stored tensors would not be aligned.
import { crc32, inflateRawSync } from "node:zlib";
import { DataError, expected } from "./errors.js";
import { allocate, type ByteSource } from "./source.js";

/** One file of the archive. */
export interface ZipEntry {
  readonly name: string;
  readonly deflated: boolean;
  readonly crc: number;
  /** Bytes in the archive, and once they are unpacked. */
  readonly packed: number;
  readonly size: number;
  /** Of its local header. */
  readonly at: number;
  /** Where the next entry, or the list of files, begins. */
  readonly before: number;
}

/** How much of a list of files is read. */
export interface ZipLimits {
  readonly entries: number;
  readonly listBytes: number;
}

const END = 0x06054b50;
const END64_LOCATOR = 0x07064b50;
const END64 = 0x06064b50;
const CENTRAL = 0x02014b50;
const LOCAL = 0x04034b50;
const LONGEST_COMMENT = 0xffff;
/** Deflate's best: 258 bytes of output from two bits. */
const MOST_EXPANSION = 1032;
const FULL32 = 0xffffffff;

export function badZip(where: string, what: string, got: unknown): DataError {
  return new DataError(expected(where, what, got), { code: "data/zip" });
}

function whole(where: string, value: bigint): number {
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw badZip(where, "offsets and sizes within the file", value);
  return Number(value);
}

interface Directory {
  readonly entries: number;
  readonly size: number;
  readonly at: number;
}

/** Where the list of files is, from the record at the archive's end. */
function directoryOf({ where, length, read }: ByteSource): Directory {
  const tailAt = Math.max(0, length - (22 + LONGEST_COMMENT));
  const tail = read(tailAt, length - tailAt);
  let end = tail.length - 22;
  while (end >= 0 && tail.readUInt32LE(end) !== END) end--;
  if (end < 0) throw badZip(where, "a zip archive with its list of files at the end", `${length} bytes without one`);
  const [entries, size, at] = [tail.readUInt16LE(end + 10), tail.readUInt32LE(end + 12), tail.readUInt32LE(end + 16)];
  const locatorAt = tailAt + end - 20;
  if (entries !== 0xffff && size !== FULL32 && at !== FULL32) return { entries, size, at };
  if (locatorAt < 0) throw badZip(where, "a zip64 record", "none");
  const locator = read(locatorAt, 20);
  if (locator.readUInt32LE(0) !== END64_LOCATOR) throw badZip(where, "a zip64 record", "none");
  const record = read(within(where, whole(where, locator.readBigUInt64LE(8)), 56, length), 56);
  if (record.readUInt32LE(0) !== END64) throw badZip(where, "a zip64 record", "something else");
  return {
    entries: whole(where, record.readBigUInt64LE(32)),
    size: whole(where, record.readBigUInt64LE(40)),
    at: whole(where, record.readBigUInt64LE(48)),
  };
}

/** `at`, when so many bytes from there lie in the first `length`. */
function within(where: string, at: number, bytes: number, length: number): number {
  if (at + bytes <= length) return at;
  throw badZip(where, `offsets and sizes within its ${length} bytes`, `${bytes} bytes at ${at}`);
}

/** Sizes and offset that did not fit into 32 bits, from the entry's extra field. */
function wide(where: string, extra: Buffer, narrow: readonly number[]): number[] {
  let from: number | undefined;
  for (let at = 0; at + 4 <= extra.length; at += 4 + extra.readUInt16LE(at + 2)) {
    if (extra.readUInt16LE(at) === 1) from = at + 4;
  }
  return narrow.map((value) => {
    if (value !== FULL32) return value;
    if (from === undefined || from + 8 > extra.length) throw badZip(where, "zip64 sizes", "none");
    from += 8;
    return whole(where, extra.readBigUInt64LE(from - 8));
  });
}

type Listed = Omit<ZipEntry, "before">;

function entryAt(path: string, list: Buffer, at: number, length: number): { entry: Listed; next: number } {
  if (at + 46 > list.length || list.readUInt32LE(at) !== CENTRAL) throw badZip(path, "a whole list of files", "less");
  const extraAt = at + 46 + list.readUInt16LE(at + 28);
  const commentAt = extraAt + list.readUInt16LE(at + 30);
  const next = commentAt + list.readUInt16LE(at + 32);
  if (next > list.length) throw badZip(path, "a whole list of files", "less");
  const name = list.toString("latin1", at + 46, extraAt);
  const where = `${path}: ${name}`;
  const method = list.readUInt16LE(at + 10);
  if ((list.readUInt16LE(at + 8) & 1) !== 0) throw badZip(where, "no encryption", "an encrypted file");
  if (method !== 0 && method !== 8) throw badZip(where, "a stored or deflated file", `method ${method}`);
  const narrow = [24, 20, 42].map((k) => list.readUInt32LE(at + k));
  const [size = 0, packed = 0, begin = 0] = wide(where, list.subarray(extraAt, commentAt), narrow);
  within(where, begin, 30 + packed, length);
  const most = method === 0 ? packed : packed * MOST_EXPANSION;
  if (size > most || (method === 0 && size !== packed)) {
    throw badZip(where, `at most ${most} bytes, as ${packed} are in the archive`, size);
  }
  return { entry: { name, deflated: method === 8, crc: list.readUInt32LE(at + 16), packed, size, at: begin }, next };
}

/** The files of an archive, by name, in the list's order. DataError when it is none, or damaged. */
export function zipDirectory(source: ByteSource, limits: ZipLimits): Map<string, ZipEntry> {
  const { where, length } = source;
  const { entries, size, at } = directoryOf(source);
  if (entries > limits.entries) throw badZip(where, `at most ${limits.entries} files`, entries);
  if (size > limits.listBytes) throw badZip(where, `a list of files of at most ${limits.listBytes} bytes`, size);
  const list = source.read(within(where, at, size, length), size);
  const listed: Listed[] = [];
  for (let i = 0, from = 0; i < entries; i++) {
    const { entry, next } = entryAt(where, list, from, length);
    listed.push(entry);
    from = next;
  }
  const starts = listed.map((entry) => entry.at).sort((a, b) => a - b);
  // Turned around, so that of two entries at one place the first, which ends where it begins, counts.
  const before = new Map(starts.map((start, k) => [start, starts[k + 1] ?? at] as const).reverse());
  const found = new Map<string, ZipEntry>();
  for (const entry of listed) {
    if (found.has(entry.name)) throw badZip(where, "each file once", entry.name);
    const limit = before.get(entry.at) as number;
    if (entry.at + 30 + entry.packed > limit) {
      throw badZip(`${where}: ${entry.name}`, `bytes of its own up to ${limit}`, `more: its entry overlaps the next`);
    }
    found.set(entry.name, { ...entry, before: limit });
  }
  return found;
}

/** Where the bytes of a file begin: behind its local header, whose own name and extra field may have other lengths. */
export function zipDataAt(source: ByteSource, { name, at, packed, before }: ZipEntry): number {
  const where = `${source.where}: ${name}`;
  const header = source.read(at, 30);
  if (header.readUInt32LE(0) !== LOCAL) throw badZip(where, `a file at ${at}`, "something else");
  return within(where, at + 30 + header.readUInt16LE(26) + header.readUInt16LE(28), packed, before);
}

function inflate(where: string, packed: Buffer, size: number): Buffer {
  try {
    // One chunk of the whole size (and the byte that shows that there is more), so that the output is in memory once.
    const most = Math.max(64, size + 1);
    return inflateRawSync(packed, { chunkSize: most, maxOutputLength: most });
  } catch (cause) {
    const message = expected(where, `${size} deflated bytes`, cause);
    throw new DataError(message, { code: "data/zip", cause });
  }
}

/**
 * Unpacks a whole file of the archive, never into more than it said; checks its length and, unless told not to, its checksum. It
 * begins at a multiple of 8 bytes.
 */
export function unzip(source: ByteSource, entry: ZipEntry, { checksum = true } = {}): Buffer {
  const where = `${source.where}: ${entry.name}`;
  let crc = 0;
  const sum = (piece: Buffer) => {
    crc = crc32(piece, crc);
  };
  const stored = source.read(zipDataAt(source, entry), entry.packed, checksum && !entry.deflated ? sum : undefined);
  const bytes = entry.deflated ? inflate(where, stored, entry.size) : stored;
  if (bytes.length !== entry.size) throw badZip(where, `${entry.size} bytes`, bytes.length);
  if (checksum && entry.deflated) sum(bytes);
  if (checksum && crc !== entry.crc) throw badZip(where, `checksum ${entry.crc}`, `${crc}: the file is damaged`);
  return bytes.byteOffset % 8 === 0 ? bytes : aligned(where, bytes);
}

/** A copy that may be seen as numbers of any width. */
function aligned(where: string, bytes: Buffer): Buffer {
  const copy = allocate(where, bytes.length);
  copy.set(bytes);
  return copy;
}

// Arrays of an .npz file: a zip archive of .npy files, stored or deflated, as numpy.savez and savez_compressed write it, zip64
// included. Nothing is believed: sizes are held against the file's before any memory is taken, and checksums are checked.
import { createReadStream } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { crc32, createInflateRaw } from "node:zlib";
import { DataError, diskError } from "../util/index.js";
import { bad } from "./npy.js";

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
}

const END = 0x06054b50;
const END64_LOCATOR = 0x07064b50;
const END64 = 0x06064b50;
const CENTRAL = 0x02014b50;
const LOCAL = 0x04034b50;
const LONGEST_COMMENT = 0xffff;
const MOST_ENTRIES = 1000;
const LONGEST_LIST = 1 << 20;
/** Deflate's best: 258 bytes of output from two bits. */
const MOST_EXPANSION = 1032;
const FULL32 = 0xffffffff;
const CHUNK = 1 << 20;

async function readAt(file: FileHandle, path: string, at: number, length: number): Promise<Buffer> {
  const bytes = Buffer.alloc(length);
  const { bytesRead } = await file.read(bytes, 0, length, at);
  if (bytesRead < length) throw bad(path, `${length} bytes at ${at}`, `${bytesRead} bytes`);
  return bytes;
}

function whole(path: string, value: bigint): number {
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw bad(path, "offsets and sizes within the file", value);
  return Number(value);
}

interface Directory {
  readonly entries: number;
  readonly size: number;
  readonly at: number;
}

/** Where the list of files is, from the record at the archive's end. */
async function directoryOf(file: FileHandle, path: string, length: number): Promise<Directory> {
  const tailAt = Math.max(0, length - (22 + LONGEST_COMMENT));
  const tail = await readAt(file, path, tailAt, length - tailAt);
  let end = tail.length - 22;
  while (end >= 0 && tail.readUInt32LE(end) !== END) end--;
  if (end < 0) throw bad(path, "a zip archive, as .npz files are", `${length} bytes of something else`);
  const [entries, size, at] = [tail.readUInt16LE(end + 10), tail.readUInt32LE(end + 12), tail.readUInt32LE(end + 16)];
  const locatorAt = tailAt + end - 20;
  if (entries !== 0xffff && size !== FULL32 && at !== FULL32) return { entries, size, at };
  if (locatorAt < 0) throw bad(path, "a zip64 record", "none");
  const locator = await readAt(file, path, locatorAt, 20);
  if (locator.readUInt32LE(0) !== END64_LOCATOR) throw bad(path, "a zip64 record", "none");
  const record = await readAt(file, path, within(path, whole(path, locator.readBigUInt64LE(8)), 56, length), 56);
  if (record.readUInt32LE(0) !== END64) throw bad(path, "a zip64 record", "something else");
  return {
    entries: whole(path, record.readBigUInt64LE(32)),
    size: whole(path, record.readBigUInt64LE(40)),
    at: whole(path, record.readBigUInt64LE(48)),
  };
}

/** `at`, when so many bytes from there lie in the file. */
function within(path: string, at: number, bytes: number, length: number): number {
  if (at + bytes <= length) return at;
  throw bad(path, `offsets and sizes within its ${length} bytes`, `${bytes} bytes at ${at}`);
}

/** Sizes and offset that did not fit into 32 bits, from the entry's extra field. */
function wide(path: string, extra: Buffer, narrow: readonly number[]): number[] {
  let from: number | undefined;
  for (let at = 0; at + 4 <= extra.length; at += 4 + extra.readUInt16LE(at + 2)) {
    if (extra.readUInt16LE(at) === 1) from = at + 4;
  }
  return narrow.map((value) => {
    if (value !== FULL32) return value;
    if (from === undefined || from + 8 > extra.length) throw bad(path, "zip64 sizes", "none");
    from += 8;
    return whole(path, extra.readBigUInt64LE(from - 8));
  });
}

function entryAt(path: string, list: Buffer, at: number, length: number): { entry: ZipEntry; next: number } {
  if (at + 46 > list.length || list.readUInt32LE(at) !== CENTRAL) throw bad(path, "a whole list of files", "less");
  const [nameLength, extraLength, commentLength] = [28, 30, 32].map((k) => list.readUInt16LE(at + k)) as [
    number,
    number,
    number,
  ];
  const extraAt = at + 46 + nameLength;
  const next = extraAt + extraLength + commentLength;
  if (next > list.length) throw bad(path, "a whole list of files", "less");
  const name = list.toString("latin1", at + 46, extraAt);
  const method = list.readUInt16LE(at + 10);
  if ((list.readUInt16LE(at + 8) & 1) !== 0) throw bad(`${path}: ${name}`, "no encryption", "an encrypted file");
  if (method !== 0 && method !== 8) throw bad(`${path}: ${name}`, "a stored or deflated file", `method ${method}`);
  const narrow = [24, 20, 42].map((k) => list.readUInt32LE(at + k));
  const extra = list.subarray(extraAt, extraAt + extraLength);
  const [size = 0, packed = 0, begin = 0] = wide(`${path}: ${name}`, extra, narrow);
  within(`${path}: ${name}`, begin, 30 + packed, length);
  const most = method === 0 ? packed : packed * MOST_EXPANSION;
  if (size > most || (method === 0 && size !== packed)) {
    throw bad(`${path}: ${name}`, `at most ${most} bytes, as ${packed} are in the archive`, size);
  }
  return { entry: { name, deflated: method === 8, crc: list.readUInt32LE(at + 16), packed, size, at: begin }, next };
}

/** The files of an archive, by name. DataError when it is none, or damaged. */
export async function zipEntries(path: string): Promise<Map<string, ZipEntry>> {
  return onFile(path, async (file) => {
    const { size: length } = await file.stat();
    const { entries, size, at } = await directoryOf(file, path, length);
    if (entries > MOST_ENTRIES) throw bad(path, `at most ${MOST_ENTRIES} files`, entries);
    if (size > LONGEST_LIST) throw bad(path, `a list of files of at most ${LONGEST_LIST} bytes`, size);
    const list = await readAt(file, path, within(path, at, size, length), size);
    const found = new Map<string, ZipEntry>();
    for (let i = 0, from = 0; i < entries; i++) {
      const { entry, next } = entryAt(path, list, from, length);
      if (found.has(entry.name)) throw bad(path, "each file once", entry.name);
      found.set(entry.name, entry);
      from = next;
    }
    return found;
  });
}

async function onFile<T>(path: string, use: (file: FileHandle) => Promise<T>): Promise<T> {
  try {
    await using file = await open(path);
    return await use(file);
  } catch (error) {
    throw diskError(path, error, "read");
  }
}

/** Where the bytes of a file begin: behind its local header, whose own name and extra field may have other lengths. */
async function dataAt(file: FileHandle, path: string, { at, packed }: ZipEntry): Promise<number> {
  const { size: length } = await file.stat();
  const header = await readAt(file, path, at, 30);
  if (header.readUInt32LE(0) !== LOCAL) throw bad(path, `a file at ${at}`, "something else");
  return within(path, at + 30 + header.readUInt16LE(26) + header.readUInt16LE(28), packed, length);
}

/** Unpacks a file of the archive piece by piece, never more than it said; checks its length and checksum. */
export async function readEntry(path: string, entry: ZipEntry, take: (piece: Buffer) => void): Promise<void> {
  const where = `${path}: ${entry.name}`;
  const start = await onFile(path, (file) => dataAt(file, where, entry));
  let [size, crc] = [0, 0];
  const sink = async (pieces: AsyncIterable<Buffer>) => {
    for await (const piece of pieces) {
      size += piece.length;
      if (size > entry.size) throw bad(where, `${entry.size} bytes`, "more");
      crc = crc32(piece, crc);
      take(piece);
    }
  };
  const source =
    entry.packed === 0
      ? Readable.from([])
      : createReadStream(path, { start, end: start + entry.packed - 1, highWaterMark: CHUNK });
  try {
    if (entry.deflated) await pipeline(source, createInflateRaw({ chunkSize: CHUNK }), sink);
    else await pipeline(source, sink);
  } catch (error) {
    const known = diskError(path, error, "read");
    if (known instanceof DataError) throw known;
    throw new DataError(bad(where, "deflated bytes", error).message, { code: "data/npz", cause: error });
  }
  if (size !== entry.size) throw bad(where, `${entry.size} bytes`, size);
  if (crc !== entry.crc) throw bad(where, `checksum ${entry.crc}`, crc);
}

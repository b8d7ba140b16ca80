import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { DataError, expected } from "./errors.js";
import { diskError } from "./files.js";

/** Bytes that are read in parts: a file that is open, or an array. */
export interface ByteSource {
  /** Names the bytes in errors, usually the path. */
  readonly where: string;
  readonly length: number;
  /**
   * So many bytes from there, of their own or views; DataError when the source is shorter. `seen` is given each piece as it is read,
   * while the processor has it at hand.
   */
  read(at: number, length: number, seen?: (piece: Buffer) => void): Buffer;
  /** Memory for so many bytes that are to be read; DataError where there is none. */
  allocate(length: number): Buffer;
  /** Fills `into` with the bytes from there. */
  readInto(at: number, into: Buffer): void;
}

const MOST_AT_ONCE = 1 << 30;
/** Fits into a processor's cache. */
const PIECE = 1 << 20;

function cutShort(where: string, at: number, length: number, whole: number): DataError {
  const got = `the end of the file at ${whole}: it is cut short or damaged`;
  return new DataError(expected(where, `${length} bytes at ${at}`, got), { code: "data/short" });
}

/** Makes memory of so many bytes; throws where there is none. */
export type Memory = (length: number) => ArrayBuffer;

const plainMemory: Memory = (length) => new ArrayBuffer(length);

/** Memory for so many bytes; DataError where there is none. */
export function allocate(where: string, length: number, memory: Memory = plainMemory): Buffer {
  try {
    return Buffer.from(memory(length));
  } catch (cause) {
    const message = expected(where, "values that fit in memory", `${length} bytes`);
    throw new DataError(message, { code: "data/too-large", cause });
  }
}

/** An array of bytes as a source; what is read are views of it. */
export function bytesSource(bytes: Uint8Array, where: string): ByteSource {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const read = (at: number, length: number, seen?: (piece: Buffer) => void) => {
    if (at < 0 || length < 0 || at + length > buffer.length) throw cutShort(where, at, length, buffer.length);
    const bytes = buffer.subarray(at, at + length);
    seen?.(bytes);
    return bytes;
  };
  return {
    where,
    length: buffer.length,
    read,
    allocate: (wanted) => allocate(where, wanted),
    readInto: (at, into) => void into.set(read(at, into.length)),
  };
}

function fileSource(descriptor: number, where: string, length: number, memory?: Memory): ByteSource {
  const check = (at: number, wanted: number) => {
    if (at < 0 || wanted < 0 || at + wanted > length) throw cutShort(where, at, wanted, length);
  };
  const fill = (at: number, into: Buffer, seen?: (piece: Buffer) => void) => {
    check(at, into.length);
    for (let done = 0; done < into.length; ) {
      const most = Math.min(into.length - done, seen ? PIECE : MOST_AT_ONCE);
      const got = readSync(descriptor, into, done, most, at + done);
      if (got === 0) throw cutShort(where, at, into.length, at + done);
      seen?.(into.subarray(done, done + got));
      done += got;
    }
  };
  const read = (at: number, wanted: number, seen?: (piece: Buffer) => void) => {
    check(at, wanted);
    const bytes = allocate(where, wanted, memory);
    fill(at, bytes, seen);
    return bytes;
  };
  return {
    where,
    length,
    read,
    allocate: (wanted) => allocate(where, wanted, memory),
    readInto: (at, into) => fill(at, into),
  };
}

/** Opens a file as a source while `use` runs; what it reads is in `memory`. DataError when there is none, or no plain file. */
export function withFile<T>(path: string, use: (source: ByteSource) => T, memory?: Memory): T {
  let descriptor: number | undefined;
  try {
    descriptor = openSync(path, "r");
    const stat = fstatSync(descriptor);
    if (!stat.isFile()) {
      const message = expected(path, "a file", stat.isDirectory() ? "a folder" : "something else");
      throw new DataError(message, { code: "data/not-a-file" });
    }
    return use(fileSource(descriptor, path, stat.size, memory));
  } catch (error) {
    throw diskError(path, error, "read");
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

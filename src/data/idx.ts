/**
 * The idx format of MNIST: two zero bytes, a byte for the type of the values (8: unsigned bytes), a byte for the number of dimensions,
 * each dimension as 4 bytes (big-endian), then the values, the last dimension fastest. LeCun, Cortes, Burges, "The MNIST database of
 * handwritten digits". We read unsigned bytes of a shape that is known before, plain or in gzip: no more is unpacked than that needs.
 */
import { createReadStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { DataError, diskError, expected } from "../util/index.js";
import { isGzip } from "./gzip.js";

const UNSIGNED_BYTES = 8;
const CHUNK = 1 << 16;

/** Bytes in front of the values of an array of so many dimensions. */
export const idxHeaderLength = (dimensions: number): number => 4 + 4 * dimensions;

/** The header of an array of bytes. */
export function idxHeader(shape: readonly number[]): Uint8Array {
  const header = Buffer.from([0, 0, UNSIGNED_BYTES, shape.length, ...new Array<number>(4 * shape.length).fill(0)]);
  for (const [i, size] of shape.entries()) header.writeUInt32BE(size, 4 + 4 * i);
  return header;
}

function bad(path: string, what: string, got: unknown): DataError {
  return new DataError(`${expected(path, what, got)}; get the file again`, { code: "data/idx" });
}

function checkHeader(path: string, header: Buffer, shape: readonly number[]): void {
  const [first, second, type, dimensions] = header;
  if (first !== 0 || second !== 0) {
    throw bad(path, "an idx file, which begins with two zero bytes", `bytes ${first} and ${second}`);
  }
  if (type !== UNSIGNED_BYTES) throw bad(path, `values that are unsigned bytes (type ${UNSIGNED_BYTES})`, type);
  if (dimensions !== shape.length) throw bad(path, `${shape.length} dimensions`, dimensions);
  const got = shape.map((_, i) => header.readUInt32BE(4 + 4 * i));
  if (String(got) !== String(shape)) throw bad(path, `the shape [${shape}]`, `[${got}]`);
}

/** Fills the array piece by piece, and stops at the first byte that is wrong or too many. */
async function fill(path: string, pieces: AsyncIterable<Uint8Array>, shape: readonly number[]): Promise<Uint8Array> {
  const front = idxHeaderLength(shape.length);
  const bytes = new Uint8Array(shape.reduce((product, size) => product * size, 1) + front);
  let done = 0;
  for await (const piece of pieces) {
    const isNew = done < front;
    bytes.set(piece.subarray(0, bytes.length - done), done);
    done += piece.length;
    if (isNew && done >= front) checkHeader(path, Buffer.from(bytes.buffer, 0, front), shape);
    if (done > bytes.length) throw bad(path, `${bytes.length} bytes, as its header says`, "more");
  }
  if (done < bytes.length) throw bad(path, `${bytes.length} bytes for the shape [${shape}]`, done);
  return bytes;
}

/** The whole file, header and values, unpacked where it is gzip; DataError unless it holds unsigned bytes of this shape. */
export async function readIdx(path: string, shape: readonly number[]): Promise<Uint8Array> {
  // A pipeline that its own end stops may report an AbortError instead of the reason.
  let reason: unknown;
  const take = (pieces: AsyncIterable<Uint8Array>) =>
    fill(path, pieces, shape).catch((error: unknown) => {
      reason = error;
      throw error;
    });
  try {
    const packed = await isGzip(path);
    const input = createReadStream(path, { highWaterMark: CHUNK });
    return await (packed ? pipeline(input, createGunzip({ chunkSize: CHUNK }), take) : pipeline(input, take));
  } catch (error) {
    const known = diskError(path, reason ?? error, "read");
    if (known instanceof DataError) throw known;
    throw bad(path, "a whole gzip file", known);
  }
}

// Arrays of an .npz file: a zip archive of .npy files, stored or deflated, as numpy.savez and savez_compressed write it, zip64
// included. They are unpacked piece by piece, so that no array is in memory twice.
import { createReadStream } from "node:fs";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { crc32, createInflateRaw } from "node:zlib";
import { DataError, diskError, expected } from "../util/index.js";
import { withFile } from "../util/source.js";
import { badZip, type ZipEntry, zipDataAt, zipDirectory } from "../util/zip.js";

export type { ZipEntry } from "../util/zip.js";

const LIMITS = { entries: 1000, listBytes: 1 << 20 };
const CHUNK = 1 << 20;

/** The files of an archive, by name. DataError when it is none, or damaged. */
export function zipEntries(path: string): Map<string, ZipEntry> {
  return withFile(path, (source) => zipDirectory(source, LIMITS));
}

/** Unpacks a file of the archive piece by piece, never more than it said; checks its length and checksum. */
export async function readEntry(path: string, entry: ZipEntry, take: (piece: Buffer) => void): Promise<void> {
  const where = `${path}: ${entry.name}`;
  const start = withFile(path, (source) => zipDataAt(source, entry));
  let [size, crc] = [0, 0];
  const sink = async (pieces: AsyncIterable<Buffer>) => {
    for await (const piece of pieces) {
      size += piece.length;
      if (size > entry.size) throw badZip(where, `${entry.size} bytes`, "more");
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
    throw new DataError(expected(where, "deflated bytes", error), { code: "data/zip", cause: error });
  }
  if (size !== entry.size) throw badZip(where, `${entry.size} bytes`, size);
  if (crc !== entry.crc) throw badZip(where, `checksum ${entry.crc}`, crc);
}

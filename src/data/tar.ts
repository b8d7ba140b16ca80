import { createReadStream } from "node:fs";
import { basename } from "node:path";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { type Extract, extract } from "tar-stream";
import { DataError, diskError, expected } from "../util/index.js";
import { isGzip } from "./gzip.js";

const CHUNK = 1 << 20;

async function take(archive: Extract, wanted: ReadonlySet<string>, maxBytes: number): Promise<Map<string, Uint8Array>> {
  const found = new Map<string, Uint8Array>();
  for await (const entry of archive) {
    const { name, size, type } = entry.header;
    const isWanted = type === "file" && wanted.has(basename(name));
    if (isWanted && size > maxBytes) throw new Error(`${name} of ${size} bytes, more than ${maxBytes}`);
    const parts: Buffer[] = [];
    for await (const part of entry) if (isWanted) parts.push(part as Buffer);
    if (isWanted) found.set(basename(name), Buffer.concat(parts));
  }
  return found;
}

/**
 * The wanted files of a tar or tar.gz archive, by base name, without touching the disk. Nothing larger than `maxBytes` is read.
 * DataError when the archive is missing, truncated or no archive.
 */
export async function readTar(
  path: string,
  wanted: ReadonlySet<string>,
  maxBytes: number,
): Promise<Map<string, Uint8Array>> {
  const archive = extract();
  try {
    const packed = await isGzip(path);
    const input = createReadStream(path, { highWaterMark: CHUNK });
    const feed = packed ? pipeline(input, createGunzip({ chunkSize: CHUNK }), archive) : pipeline(input, archive);
    const [found] = await Promise.all([take(archive, wanted, maxBytes), feed]);
    return found;
  } catch (error) {
    const known = diskError(path, error, "read");
    if (known instanceof DataError) throw known;
    throw new DataError(`${expected(path, "a whole tar or tar.gz archive", error)}; get the file again`, {
      code: "data/archive",
      cause: error,
    });
  }
}

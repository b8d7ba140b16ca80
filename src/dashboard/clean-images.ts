// The images of a data set that is on this machine anyway, read one at a time and without libtorch. Which file is read is
// decided here, never by what a run folder says.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { BINARY_FOLDER, IMAGE_BYTES, OFFICIAL } from "../data/cifar-files.js";
import { cacheFolder } from "../data/fetch.js";
import { contentHash } from "../data/source.js";
import { withFile } from "../util/source.js";
import type { Pixels } from "./pictures.js";

/** Reads the test image at a position; undefined where there is none. */
export type CleanImages = (index: number) => Pixels | undefined;

const RECORD = 1 + IMAGE_BYTES;

/** The test images of CIFAR-10 in the cache of s2ap; undefined for other data, or where they are not there. */
export function cleanImages(sha256: string, cache = cacheFolder()): CleanImages | undefined {
  if (sha256 !== contentHash(OFFICIAL.sha256)) return undefined;
  const path = join(cache, "cifar10", BINARY_FOLDER, "test_batch.bin");
  if (!existsSync(path)) return undefined;
  return (index) =>
    withFile(path, (source) => {
      if ((index + 1) * RECORD > source.length) return undefined;
      const bytes = source.read(index * RECORD + 1, IMAGE_BYTES);
      return { shape: [3, 32, 32], values: Float32Array.from(bytes, (byte) => byte / 255) };
    });
}

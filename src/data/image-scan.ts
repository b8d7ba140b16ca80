// Looks at every image before training: sizes are needed to draw crops, and damage is better known now than in an hour.
import sharp from "sharp";
import { DataError, expected } from "../util/index.js";
import type { ImageFile } from "./decoded-images.js";
import type { OnProgress } from "./fetch.js";
import type { FoundImage } from "./image-files.js";

/** A file that is no image, or a broken one. */
export interface CorruptImage {
  /** From the folder that holds the parts. */
  readonly file: string;
  readonly reason: string;
}

export interface ScanOptions {
  /** Whether all pixels are decoded, not only the header. */
  readonly pixels: boolean;
  /** Images in work at a time. */
  readonly decoders: number;
  readonly onProgress: OnProgress;
}

/** What is found of an image, or why nothing is. */
export type Scanned = ImageFile | { readonly reason: string };

const REPORT_EVERY_MS = 5_000;
const FORMATS: readonly (string | undefined)[] = ["jpeg", "png"];

async function look({ path, bytes }: FoundImage, pixels: boolean): Promise<Scanned> {
  if (bytes < 0) return { reason: "a link that leads nowhere" };
  if (bytes === 0) return { reason: "an empty file" };
  try {
    const image = sharp(path, { failOn: "error", ignoreIcc: true });
    const { format, autoOrient, hasAlpha } = await image.metadata();
    if (!FORMATS.includes(format)) return { reason: `${format}, not JPEG or PNG` };
    // Scaled to one pixel, every line is decoded and none is kept.
    if (pixels) await image.resize(1, 1, { fit: "fill", kernel: "linear", fastShrinkOnLoad: false }).raw().toBuffer();
    return { path, width: autoOrient.width, height: autoOrient.height, ...(hasAlpha && { transparent: true }) };
  } catch (error) {
    return { reason: (error as Error).message.split("\n")[0] as string };
  }
}

/** The reason alone: libvips keeps its reasons in one place for all threads, so that several that fail at once mix them up. */
async function explain(images: readonly FoundImage[], found: Scanned[], pixels: boolean): Promise<void> {
  for (const [at, image] of images.entries()) {
    if ("reason" in (found[at] as Scanned)) found[at] = await look(image, pixels);
  }
}

/** Looks at all images, several at a time; the answers are in the order of the images. */
export async function scanImages(images: readonly FoundImage[], options: ScanOptions): Promise<Scanned[]> {
  const { pixels, decoders, onProgress } = options;
  const found: Scanned[] = [];
  let next = 0;
  let told = performance.now();
  const what = pixels ? "images decoded" : "headers read";
  async function worker(): Promise<void> {
    for (let at = next++; at < images.length; at = next++) {
      found[at] = await look(images[at] as FoundImage, pixels);
      if (performance.now() - told < REPORT_EVERY_MS) continue;
      told = performance.now();
      onProgress(`${at} of ${images.length} ${what}`);
    }
  }
  await Promise.all(Array.from({ length: decoders }, worker));
  await explain(images, found, pixels);
  return found;
}

const SHOWN = 5;

/** DataError that names the first files and counts all. */
export function corruptError(root: string, corrupt: readonly CorruptImage[], of: number): DataError {
  const lines = corrupt.slice(0, SHOWN).map(({ file, reason }) => `  ${file}: ${reason}`);
  if (corrupt.length > SHOWN) lines.push(`  and ${corrupt.length - SHOWN} more`);
  const head = expected(root, "images that can be decoded", `${corrupt.length} of ${of} that cannot`);
  const cure = "Repair or remove them, or leave them out with onCorrupt: skip";
  return new DataError([head, ...lines, cure].join("\n"), { code: "data/corrupt-image" });
}

// Image folders made on the spot.
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import sharp, { type Sharp } from "sharp";

/** Bytes [height,width,3] of a smooth pattern that differs with `seed`. */
export function pattern(width: number, height: number, seed = 0): Buffer {
  const bytes = Buffer.alloc(width * height * 3);
  for (let y = 0, at = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      for (let c = 0; c < 3; c++) bytes[at++] = 127 + 90 * Math.sin((x * (c + 1) + y * (3 - c)) / 9 + seed);
    }
  }
  return bytes;
}

export function picture(width: number, height: number, seed = 0): Sharp {
  return sharp(pattern(width, height, seed), { raw: { width, height, channels: 3 } });
}

export const jpeg = (width: number, height: number, seed = 0): Promise<Buffer> =>
  picture(width, height, seed).jpeg({ quality: 92 }).toBuffer();
export const png = (width: number, height: number, seed = 0): Promise<Buffer> =>
  picture(width, height, seed).png().toBuffer();

/** Writes files by their paths below a folder. */
export function writeTree(root: string, files: Readonly<Record<string, Uint8Array | string>>): string {
  for (const [name, bytes] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), bytes);
  }
  return root;
}

/** `train` and `val` with some JPEGs and PNGs of different sizes in each of the classes. */
export async function imageTree(
  root: string,
  options: { readonly classes?: readonly string[]; readonly train?: number; readonly val?: number } = {},
): Promise<string> {
  const { classes = ["cat", "dog"], train = 6, val = 3 } = options;
  for (const [part, count] of [
    ["train", train],
    ["val", val],
  ] as const) {
    for (const [label, name] of classes.entries()) {
      for (let i = 0; i < count; i++) {
        const make = i % 3 === 2 ? png : jpeg;
        const extension = i % 3 === 2 ? "png" : "jpg";
        const bytes = await make(40 + 7 * (i % 4), 36 + 9 * (i % 3), label * 2 + i / 10);
        writeTree(root, { [`${part}/${name}/${i}.${extension}`]: bytes });
      }
    }
  }
  return root;
}

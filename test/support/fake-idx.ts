import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

/** An idx file of unsigned bytes, written by the format's description and not by the code under test. */
export function idxFile(shape: readonly number[], values: Uint8Array): Buffer {
  const sizes = shape.map((size) => [size >>> 24, (size >>> 16) & 255, (size >>> 8) & 255, size & 255]);
  return Buffer.concat([Buffer.from([0, 0, 8, shape.length, ...sizes.flat()]), values]);
}

/** Grey images of 28 x 28 that a small network tells apart: a bright square whose place names the class, on a noisy ground. */
export function squares(count: number): { readonly images: Uint8Array; readonly labels: Uint8Array } {
  const images = new Uint8Array(count * 784);
  const labels = Uint8Array.from({ length: count }, (_, i) => (i * 7) % 10);
  for (const [i, label] of labels.entries()) {
    const [top, left] = [5 * Math.floor(label / 5) + 8, 4 * (label % 5) + 4];
    for (let at = 0; at < 784; at++) {
      const [row, column] = [Math.floor(at / 28), at % 28];
      const inside = row >= top && row < top + 4 && column >= left && column < left + 4;
      images[i * 784 + at] = inside ? 255 : (i * 31 + at * 17) & 31;
    }
  }
  return { images, labels };
}

/** Writes the four files of an MNIST of so many images and returns them by name, unpacked. */
export function fakeMnist(
  folder: string,
  counts: readonly [train: number, test: number],
  { gzip = false }: { readonly gzip?: boolean } = {},
): Map<string, Buffer> {
  mkdirSync(folder, { recursive: true });
  const files = new Map<string, Buffer>();
  for (const [part, count] of [
    ["train", counts[0]],
    ["t10k", counts[1]],
  ] as const) {
    const { images, labels } = squares(count);
    files.set(`${part}-images-idx3-ubyte`, idxFile([count, 28, 28], images));
    files.set(`${part}-labels-idx1-ubyte`, idxFile([count], labels));
  }
  for (const [name, bytes] of files) {
    const path = join(folder, gzip ? `${name}.gz` : name);
    writeFileSync(path, gzip ? gzipSync(bytes, { level: 1 }) : bytes);
  }
  return files;
}

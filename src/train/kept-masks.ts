// The masks that a search leaves of its epochs, at one bit a weight: `masks/epoch-0000.safetensors` before the first step, and so on by
// epochs done. Of each layer the file has the packed bytes as uint8, and the shapes of the weights in its metadata. Written atomically;
// the same search writes the same bytes. Nothing here calls libtorch, so reports can read it.
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { checkSeal, sealed } from "../nn/checkpoint/checksum.js";
import { encodeSafetensors, type RawTensor, readSafetensors } from "../nn/checkpoint/safetensors.js";
import { bytesOf, type PackedMasks, packed } from "../pruning/packed-mask.js";
import { DataError, makeFolder, removeHalfWritten, writeFileAtomic } from "../util/index.js";
import { epochFile, epochsIn, type KeepEpochs } from "./kept-epochs.js";

const FOLDER = "masks";
const MOST = 100;

/** Path of the masks after so many epochs. */
export const maskFile = (folder: string, done: number): string => join(folder, FOLDER, epochFile(done));

/** Unless one says otherwise: all epochs; of more than 100 every k-th, so that 100 at most remain beside the start. */
export const everyMask = (epochs: number): KeepEpochs => ({ every: Math.max(1, Math.ceil(epochs / MOST)) });

/** Writes the masks after so many epochs into a run folder. */
export function keepMasks(folder: string, done: number, masks: PackedMasks): void {
  makeFolder(join(folder, FOLDER));
  const tensors = new Map<string, RawTensor>();
  for (const [name, mask] of masks) {
    const data = bytesOf(mask);
    tensors.set(name, { dtype: "uint8", shape: [data.length], data });
  }
  const shapes = Object.fromEntries(Array.from(masks, ([name, { shape }]) => [name, shape]));
  const metadata = sealed(tensors, { epochs: String(done), shapes: JSON.stringify(shapes) });
  writeFileAtomic(maskFile(folder, done), encodeSafetensors({ tensors, metadata }));
}

/** Removes the masks of later epochs than so many done, which a search that goes on from there writes anew. */
export function forgetMasks(folder: string, done: number): void {
  if (!existsSync(join(folder, FOLDER))) return;
  removeHalfWritten(join(folder, FOLDER));
  for (const later of keptMasks(folder).filter((epoch) => epoch > done)) rmSync(maskFile(folder, later));
}

/** The epochs whose masks a run folder has kept, by epochs done, in order. */
export const keptMasks = (folder: string): number[] => epochsIn(join(folder, FOLDER));

const shapesSchema = z.record(z.string(), z.array(z.int().min(0)));

function shapesOf(path: string, text: string | undefined): z.output<typeof shapesSchema> {
  try {
    return shapesSchema.parse(JSON.parse(text ?? ""));
  } catch (cause) {
    throw new DataError(`${path}: expected packed masks with their shapes, got other safetensors`, {
      code: "data/packed-mask",
      cause,
    });
  }
}

/** Kept masks of a run folder. DataError where the file is not there or damaged. */
export function loadKeptMasks(folder: string, done: number): PackedMasks {
  const path = maskFile(folder, done);
  const file = readSafetensors(path);
  checkSeal(path, file);
  const shapes = shapesOf(path, file.metadata.shapes);
  return new Map(
    Array.from(
      file.tensors,
      ([name, { data }]) => [name, packed(shapes[name] ?? [], data, `${path}: ${name}`)] as const,
    ),
  );
}

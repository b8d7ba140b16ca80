// The images in a record's safetensors files, read one at a time and without libtorch.
import { join } from "node:path";
// From its own file: the layer's index would load libtorch.
import { type RawTensor, readSafetensorsRows } from "../nn/checkpoint/safetensors.js";
import { DataError } from "../util/index.js";
import { type Found, isInside } from "./folders.js";
import type { Pixels } from "./pictures.js";

/** Images by their position in the data set. */
export interface StoredImages {
  readonly positions: readonly number[];
  /** undefined where that image is not there. */
  read(index: number): Pixels | undefined;
}

const NONE: StoredImages = { positions: [], read: () => undefined };
const MOST_PIXELS = 2 ** 22;

/** Values of one image in [0, 1]; undefined of a type that no record has. */
function valuesOf({ dtype, data }: RawTensor): Float32Array | undefined {
  if (dtype === "uint8") return Float32Array.from(data, (byte) => byte / 255);
  const { buffer } = data.slice();
  if (dtype === "float32") return new Float32Array(buffer);
  return dtype === "float64" ? Float32Array.from(new Float64Array(buffer)) : undefined;
}

function openImages(path: string): StoredImages {
  const { shape, ...none } = readSafetensorsRows(path, "images", { count: 0 });
  const indices = readSafetensorsRows(path, "indices");
  const [, channels = 0, height = 0, width = 0] = shape;
  const drawable = (channels === 1 || channels === 3) && height * width > 0 && height * width <= MOST_PIXELS;
  if (!drawable || valuesOf({ shape, ...none }) === undefined || indices.dtype !== "int64") return NONE;
  const positions = Array.from(new BigInt64Array(indices.data.slice().buffer), Number);
  const rows = new Map(positions.map((index, row) => [index, row]));
  return {
    positions,
    read(index) {
      const first = rows.get(index);
      const values =
        first === undefined ? undefined : valuesOf(readSafetensorsRows(path, "images", { first, count: 1 }));
      return values && { shape: [channels, height, width], values };
    },
  };
}

/** The tensors `images` and `indices` of a file of a record: none where it is missing, damaged or no pictures. */
export function storedImages(found: Found, name: string): StoredImages {
  if (!isInside(found, name)) return NONE;
  try {
    return openImages(join(found.folder, name));
  } catch (error) {
    if (error instanceof DataError) return NONE;
    throw error;
  }
}

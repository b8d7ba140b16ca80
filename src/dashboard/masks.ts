import { statSync } from "node:fs";
import { join } from "node:path";
// From its own file: the layer's index would load libtorch.
import { type RawTensor, readSafetensors } from "../nn/checkpoint/safetensors.js";
import type { MaskDifferences } from "./api.js";
import { type Found, isInside } from "./folders.js";

const MASKS = "masks.safetensors";
/** Masks are read whole: a byte for each weight. */
const MOST_BYTES = 512 * 2 ** 20;

type Masks = ReadonlyMap<string, RawTensor>;

/** The masks of a run; none where it has none, or none that can be read. */
function masksOf(found: Found): Masks {
  const path = join(found.folder, MASKS);
  try {
    if (!isInside(found, MASKS) || statSync(path).size > MOST_BYTES) return new Map();
    const all = [...readSafetensors(path).tensors];
    return new Map(all.filter(([, { dtype }]) => dtype === "uint8" || dtype === "bool"));
  } catch {
    return new Map();
  }
}

interface Counts {
  /** Weights that the first mask keeps. */
  readonly kept: number;
  /** Those of them that the other one leaves out. */
  readonly left: number;
}

function countsOf(first: RawTensor, other: RawTensor | undefined): Counts | undefined {
  if (other?.shape.join() !== first.shape.join()) return undefined;
  let [kept, left] = [0, 0];
  for (let i = 0; i < first.data.length; i++) {
    if (first.data[i] === 0) continue;
    kept++;
    if (other.data[i] === 0) left++;
  }
  return { kept, left };
}

const share = ({ kept, left }: Counts) => (kept === 0 ? null : left / kept);

/** How far the masks of the other runs lie from the first one's; runs without masks of the same layers are left out. */
export function maskDifferences([first, ...others]: readonly Found[]): MaskDifferences {
  const masks = [...(first === undefined ? new Map<string, RawTensor>() : masksOf(first))];
  const runs = others.flatMap((found) => {
    const theirs = masksOf(found);
    const counts = masks.flatMap(([name, mask]) => countsOf(mask, theirs.get(name)) ?? []);
    if (masks.length === 0 || counts.length < masks.length) return [];
    const sum = (of: (each: Counts) => number) => counts.reduce((total, each) => total + of(each), 0);
    const total = share({ kept: sum(({ kept }) => kept), left: sum(({ left }) => left) });
    return [{ id: found.id, total, layers: counts.map(share) }];
  });
  return { layers: masks.map(([name]) => name), runs };
}

// `masks/epoch-0000.safetensors` and so on: the masks that a search left of its epochs, at one bit a weight.
import { maskMatrix } from "../evaluation/stability/overlap.js";
import { keptMasks, loadKeptMasks, maskFile } from "../train/kept-masks.js";
import { DataError, evenly } from "../util/index.js";
import type { EpochMasksData } from "./data.js";
import { shortPath } from "./json.js";

/** As many as a picture can show; of more, these are spread evenly. */
const most = 21;

/** Compares the masks of a run folder with one another; `null` where there are fewer than two, or one is damaged. */
export function readEpochMasks(folder: string, problems: string[]): EpochMasksData | null {
  const kept = keptMasks(folder);
  if (kept.length < 2) return null;
  const epochs = evenly(kept.length, most).map((i) => kept[i] as number);
  const files = epochs.map((epoch) => maskFile(folder, epoch));
  try {
    const { jaccard } = maskMatrix(epochs.map((epoch) => loadKeptMasks(folder, epoch)));
    return { epochs, jaccard, files };
  } catch (error) {
    if (!(error instanceof DataError)) throw error;
    const damaged = files.find((file) => error.message.startsWith(file)) ?? files[0] ?? folder;
    problems.push(`${shortPath(damaged)} cannot be read.`);
    return null;
  }
}

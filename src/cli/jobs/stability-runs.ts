// The runs that a comparison is of: their folders, masks, networks and logs.
import { existsSync, readdirSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import {
  churnOf,
  type MaskMatrix,
  type MaskSeries,
  maskMatrix,
  type SeriesPoint,
  searchSeries,
} from "../../evaluation/index.js";
import type { Masks } from "../../pruning/index.js";
import { loadMasks } from "../../recipe/model-file.js";
import type { Recipe } from "../../recipe/schema.js";
import { findManifest, type Manifest, readEvents, readManifest } from "../../run/index.js";
import { keptMasks, loadKeptMasks } from "../../train/index.js";
import { DataError, diskError, UsageError } from "../../util/index.js";

export interface StabilityRun {
  /** Last part of the folder's name; the whole path where two are called the same. */
  readonly name: string;
  readonly folder: string;
  readonly manifest: Manifest;
  readonly recipe: Recipe | undefined;
}

function subfolders(folder: string): string[] {
  try {
    const entries = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory());
    return entries.map(({ name }) => join(folder, name)).sort();
  } catch (error) {
    throw diskError(folder, error, "read");
  }
}

/** A run folder stands for itself, the folder of an experiment for the runs in it. */
function runFolders(folder: string): string[] {
  if (!existsSync(folder)) {
    throw new DataError(`${folder}: expected a run folder, got nothing there`, { code: "data/missing" });
  }
  if (findManifest(folder) !== undefined) return [folder];
  const inside = subfolders(folder).filter((each) => findManifest(each) !== undefined);
  if (inside.length > 0) return inside;
  throw new DataError(`${folder}: expected a run folder, or a folder of run folders, got one without run.json`, {
    code: "data/not-a-run",
  });
}

/** The runs that the command line names, each once. */
export function openRuns(folders: readonly string[]): StabilityRun[] {
  const all = folders.flatMap(runFolders);
  const twice = all.find((folder, i) => all.findIndex((other) => resolve(other) === resolve(folder)) < i);
  if (twice !== undefined) throw new UsageError(`stability: expected different runs, got ${twice} twice`);
  const short = all.map((folder) => basename(resolve(folder)));
  const names = new Set(short).size === short.length ? short : all;
  return all.map((folder, i) => {
    const manifest = readManifest(folder);
    const recipe = (manifest.recipe ?? undefined) as unknown as Recipe | undefined;
    return { name: names[i] as string, folder, manifest, recipe };
  });
}

/** The final masks of a run; undefined where it has none, as a dense network or an unfinished run. */
export function masksOf({ folder }: StabilityRun): Masks | undefined {
  const path = join(folder, "masks.safetensors");
  return existsSync(path) ? loadMasks(path) : undefined;
}

/** Masks of a search's epochs, weight by weight: how often they changed sides, and each mask against each other one. */
export interface EpochMasks extends MaskSeries, MaskMatrix {
  /** By epochs done, 0 being the start. */
  readonly epochs: readonly number[];
}

/** Of the masks that a run folder has kept; null where these are fewer than two. DataError where one is damaged. */
export function epochMasksOf({ folder }: StabilityRun): EpochMasks | null {
  const epochs = keptMasks(folder);
  if (epochs.length < 2) return null;
  const masks = epochs.map((epoch) => loadKeptMasks(folder, epoch));
  return { epochs, ...churnOf(masks), ...maskMatrix(masks) };
}

export const seriesOf = ({ folder }: StabilityRun): SeriesPoint[] => searchSeries(readEvents(folder));

/** The network file of a finished run. */
export function networkFile({ folder }: StabilityRun): string {
  const path = join(folder, "model.safetensors");
  if (existsSync(path)) return path;
  throw new DataError(
    `${folder}: expected a finished run, got one without model.safetensors; run it to its end, or compare masks and logs alone with --images 0`,
    { code: "data/unfinished-run" },
  );
}

/** The recipe of the first run, whose images and threat all are compared on; refuses runs of other data. */
export function commonRecipe(runs: readonly StabilityRun[]): Recipe {
  const [first] = runs;
  const recipe = first?.recipe;
  if (first === undefined || recipe === undefined) {
    throw new UsageError(
      `stability: expected a run with a recipe, which says what images and threat, got ${first?.folder}; compare masks and logs alone with --images 0`,
    );
  }
  const other = runs.find(({ manifest }) => manifest.data?.sha256 !== first.manifest.data?.sha256);
  if (other === undefined) return recipe;
  throw new UsageError(
    `stability: expected runs on the same images, got ${first.folder} and ${other.folder}, which are on other data; compare masks and logs alone with --images 0`,
    { code: "usage/other-data" },
  );
}

// The loss over scores around states of each cell's search: a step of a cell of its own, kept quantity by quantity in
// `sharpness.json` of its run folder, so that it is gone on with where it was stopped.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import type { Split } from "../data/index.js";
import {
  measureSharpness,
  QUANTITIES,
  readSharpness,
  type SharpnessOptions,
  type SharpnessProgress,
  type SharpnessRecord,
  sharpnessOptions,
  writeSharpness,
} from "../evaluation/index.js";
import type { CellSharpness } from "../report/index.js";
import { canonicalJson } from "../run/index.js";
import { keptEpochs } from "../train/index.js";
import { parseOptions } from "../util/index.js";
import type { Recipe } from "./schema.js";
import { chosenEpochs, openSearch, searchCrafter } from "./search-states.js";

/** What a grid asks of each cell's search. */
export const gridSharpness = sharpnessOptions.extend({
  epochs: z
    .array(z.union([z.enum(["start", "end"]), z.int().min(0)]))
    .min(1)
    .default(["start", "end"])
    .describe("states of the search, by epochs done; default start and end"),
  only: z
    .array(z.enum(QUANTITIES))
    .min(1)
    .default(["eigenvalues", "worst"])
    .describe("what is measured of them; default eigenvalues and worst"),
  layers: z.boolean().default(false).describe("measure each layer by itself too; default false"),
});
export type GridSharpness = z.output<typeof gridSharpness>;

interface Searched {
  readonly name: string;
  readonly recipe: Recipe;
}

/** Whether a cell has a search that moves scores. */
export const hasScores = ({ recipe }: Pick<Searched, "recipe">): boolean => (recipe.stages.search?.epochs ?? 0) > 0;

const fileOf = (folder: string) => join(folder, "sharpness.json");
const chosen = (folder: string, { epochs }: GridSharpness) =>
  chosenEpochs("sharpness.epochs", epochs.join(","), keptEpochs(folder));

/** Whether a record has all that is asked of a run folder. */
function isWhole(folder: string, record: SharpnessRecord, asked: GridSharpness): boolean {
  return chosen(folder, asked).every((epoch) => {
    const found = record.epochs.find((one) => one.epoch === epoch);
    return found !== undefined && asked.only.every((quantity) => found[quantity] !== undefined);
  });
}

/** What has been measured of a cell; undefined until it is whole. */
export function cellSharpness(folder: string, asked: GridSharpness): CellSharpness | undefined {
  const record = existsSync(folder) ? readSharpness(fileOf(folder)) : undefined;
  if (record === undefined || !isWhole(folder, record, asked)) return undefined;
  const { images, split, attack, norm, eps, objective, gamma, lanczosSteps, dtype } = record.settings;
  const states = chosen(folder, asked).map((epoch) => {
    const found = record.epochs.find((one) => one.epoch === epoch) as SharpnessRecord["epochs"][number];
    const { eigenvalues, worst, objectiveLoss } = found;
    const top = eigenvalues && { value: eigenvalues.values[0] as number, bound: eigenvalues.bounds[0] as number };
    return { epoch, objectiveLoss, topEigenvalue: top ?? null, worstRise: worst?.total.rise ?? null };
  });
  return { settings: { images, split, attack, norm, eps, objective, gamma, lanczosSteps, dtype }, states };
}

/** What decides, besides the state itself, the loss around the start of a search: cells that share it share their start. */
function startKey({ model, threat, stages: { search } }: Recipe): string {
  return canonicalJson({ model, threat, method: search?.method, loss: search?.loss });
}

/** The record that another cell has of the same start, to begin with; whether the states are the same is checked by hash. */
function borrowed(cell: Searched, wanted: SharpnessOptions, { cells, out }: MeasureCell): SharpnessRecord | undefined {
  for (const other of cells) {
    if (other === cell || !hasScores(other) || startKey(other.recipe) !== startKey(cell.recipe)) continue;
    const record = readSharpness(fileOf(join(out, other.name)));
    const epochs = record?.epochs.filter(({ epoch }) => epoch === 0) ?? [];
    if (record === undefined || epochs.length === 0) continue;
    const { settings } = record;
    if (canonicalJson({ ...settings, ...(JSON.parse(JSON.stringify(wanted)) as object) }) === canonicalJson(settings))
      return { ...record, run: cell.name, epochs };
  }
  return undefined;
}

export interface MeasureCell {
  readonly cells: readonly Searched[];
  readonly out: string;
  readonly split: Split;
  readonly poll?: (() => void) | undefined;
  readonly onProgress?: ((progress: SharpnessProgress) => void) | undefined;
}

/** Measures what is missing of a cell whose search is done. */
export function measureCell(cell: Searched, asked: GridSharpness, options: MeasureCell): void {
  const { out, split, poll, onProgress } = options;
  const folder = join(out, cell.name);
  const path = fileOf(folder);
  const { epochs: _epochs, only, ...rest } = asked;
  const settings = parseOptions("sharpness", sharpnessOptions, rest);
  const record =
    readSharpness(path) ?? borrowed(cell, { ...settings, images: Math.min(settings.images, split.length) }, options);
  using search = openSearch(folder);
  const measured = measureSharpness(search.states(chosen(folder, asked), settings.dtype), {
    ...{ split, splitName: "selection", robust: search.loss, crafter: searchCrafter(search), options: settings, only },
    ...(record && { found: { path, record } }),
    onRecord: (found) => writeSharpness(path, found),
    ...{ poll, onProgress },
  });
  // All of it may have been another cell's.
  writeSharpness(path, measured);
}

// Controls of a comparison: is a pruned network better than a small dense one of as many parameters? Each is the recipe's own
// network at the width whose parameter count is nearest to what the cells keep, pretrained from the start for as many epochs
// as pretraining, search and finetuning of its cells take together.
import { disposeParams, type Params } from "../nn/index.js";
import type { ControlData } from "../report/index.js";
import { UsageError } from "../util/index.js";
import { buildModel } from "./build.js";
import type { Cell, Grid } from "./grid-load.js";
import type { Recipe } from "./schema.js";

/** Numbers of a network. */
interface Counts {
  readonly all: number;
  readonly prunable: number;
}

function countsOf(model: Recipe["model"]): Counts {
  const { params, buffers, prunable } = buildModel(model, 0);
  const sum = (of: Params, names: Iterable<string>) =>
    [...names].reduce((all, name) => all + (of.get(name)?.numel ?? 0), 0);
  const counts = { all: sum(params, params.keys()), prunable: sum(params, prunable) };
  disposeParams(params, buffers);
  return counts;
}

/** Parameters that are left where so much is kept: what cannot be pruned, and the kept part of what can. */
const keptOf = ({ all, prunable }: Counts, keepRatio: number) => Math.round(all - prunable * (1 - keepRatio));

/** A control with more or fewer parameters than this share of those kept would be none. */
const FARTHEST = 0.5;

/** The width whose network has the number of parameters nearest to `wanted`; counts grow with the width. */
function widthFor(model: Recipe["model"], wanted: number): { readonly width: number; readonly parameters: number } {
  const most = Number(model.width);
  if (!Number.isInteger(most)) {
    throw new UsageError(`--small-dense: expected a network with a width, got ${model.arch}`);
  }
  const of = (width: number) => ({ width, parameters: countsOf({ ...model, width }).all });
  let [low, high] = [1, most];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (of(middle).parameters < wanted) low = middle + 1;
    else high = middle;
  }
  const [above, below] = [of(low), of(Math.max(1, low - 1))];
  const found = Math.abs(below.parameters - wanted) < Math.abs(above.parameters - wanted) ? below : above;
  if (Math.abs(found.parameters - wanted) <= FARTHEST * wanted) return found;
  throw new UsageError(
    `--small-dense: expected a width of ${model.arch} with about ${wanted} parameters, got ${found.parameters} at the nearest, ${found.width}`,
  );
}

/** Epochs of all stages; one that was stretched counts as more, `pass` being the batches of one that was not. */
function epochsOf({ stages: { pretrain, search, finetune } }: Recipe, pass: number | undefined): number {
  const each = [pretrain, search, finetune].map((stage) => {
    const { epochs = 0, batches } = stage ?? {};
    return pass === undefined || batches === undefined ? epochs : (epochs * batches) / pass;
  });
  return Math.round(each.reduce((a, b) => a + b, 0));
}

function keepRatioOf({ recipe, name }: Cell): number {
  const ratio = recipe.stages.search?.method.keepRatio;
  if (typeof ratio === "number") return ratio;
  throw new UsageError(`--small-dense: expected a method with a keepRatio in every cell, got none in ${name}`);
}

/** Cells that keep the same share, with the same label of what repeats. */
function families({ cells, repeat }: Grid): Map<string, Cell[]> {
  const found = new Map<string, Cell[]>();
  for (const cell of cells) {
    const key = `${keepRatioOf(cell)} ${cell.at[repeat]}`;
    found.set(key, [...(found.get(key) ?? []), cell]);
  }
  return found;
}

/** The grid with a small dense network for each share that its cells keep, in each repetition. */
export function withSmallDense<G extends Grid>(grid: G): G {
  const { dense, repeat } = grid;
  const { pretrain } = dense.stages;
  if (pretrain === undefined) throw new UsageError("--small-dense: expected a recipe with pretraining, got none");
  const counts = countsOf(dense.model);
  const widths = new Map<number, ReturnType<typeof widthFor>>();
  const controls = [...families(grid).values()].map((cells): Cell => {
    const [first] = cells as [Cell, ...Cell[]];
    const kept = keptOf(counts, keepRatioOf(first));
    const { width, parameters } = widths.get(kept) ?? widthFor(dense.model, kept);
    widths.set(kept, { width, parameters });
    const epochs = Math.max(...cells.map(({ recipe }) => epochsOf(recipe, grid.budget?.batches)));
    const label = `dense_w${width}`;
    const name = `${label}-${first.at[repeat]}`;
    const axes = Object.keys(first.at).filter((axis) => axis !== repeat);
    const own = Object.fromEntries(axes.map((axis, i) => [axis, i === 0 ? label : ""]));
    const at = { ...first.at, ...own };
    const control: ControlData = { of: cells.map((cell) => cell.name), parameters, kept, epochs };
    const stages = { pretrain: { ...pretrain, epochs } };
    const recipe = { ...dense, name, seed: first.recipe.seed, model: { ...dense.model, width }, stages };
    return { name, at, recipe, control };
  });
  return { ...grid, cells: [...grid.cells, ...controls] };
}

// Searches of equal cost: a perturbed step takes more passes than a plain one, so at equal epochs the perturbed search is given
// more. Here the cheaper cells search for more epochs, until their passes are nearest to those of the dearest cell: no further
// off than half an epoch, and told where that is more than a twentieth. Finetuning keeps the recipe's epochs; where its passes
// differ, that is told too. Learning rates follow the fraction of steps done, so a longer search is the same one, stretched.
import type { SearchBudget, StageApart } from "../report/index.js";
import { buildData, buildGradient, choosePrecision } from "./build.js";
import type { BatchCost } from "./estimate-probe.js";
import { type Prober, prober } from "./estimate-probe.js";
import type { Cell, Grid } from "./grid-load.js";
import type { Recipe, SearchRecipe } from "./schema.js";

type WithBudget<G> = G & { readonly budget: SearchBudget };

function withEpochs(recipe: Recipe, epochs: number): Recipe {
  const search = recipe.stages.search as SearchRecipe;
  return { ...recipe, stages: { ...recipe.stages, search: { ...search, epochs } } };
}

/** Passes of a cell's search of so many epochs, forward and backward. */
async function passesAt(recipe: Recipe, epochs: number, batches: number, probes: Prober): Promise<number> {
  const { gradient } = recipe.stages.search as SearchRecipe;
  const warm = buildGradient(gradient).warmup(epochs);
  let probe = await probes.stage(recipe, "search");
  // Of a search too short for a warm-up, nothing tells what one costs.
  if (warm > 0 && probe.warmup === 0) probe = await probes.stage(withEpochs(recipe, epochs), "search");
  return batches * (warm * passesOf(probe.during) + (epochs - warm) * passesOf(probe.after));
}

const passesOf = ({ passes }: BatchCost) => passes.forward + passes.backward;

/** Passes of a cell's finetuning; 0 where it has none. */
async function finetunePasses(recipe: Recipe, batches: number, probes: Prober): Promise<number> {
  const epochs = recipe.stages.finetune?.epochs ?? 0;
  if (epochs === 0) return 0;
  const { warmup, during, after } = await probes.stage(recipe, "finetune");
  const warm = Math.min(warmup, epochs);
  return batches * (warm * passesOf(during) + (epochs - warm) * passesOf(after));
}

/** Budgets further apart than this share are told. */
const TOLD = 0.05;

/** Whether the passes of a stage differ between the cells that have it. */
function apartIn(stage: StageApart["stage"], passes: ReadonlyMap<string, number>): StageApart[] {
  const cells = [...passes].filter(([, own]) => own > 0).map(([cell, own]) => ({ cell, passes: own }));
  const [least, most] = [
    cells.toSorted((a, b) => a.passes - b.passes)[0],
    cells.toSorted((a, b) => b.passes - a.passes)[0],
  ];
  if (least === undefined || most === undefined || most.passes <= (1 + TOLD) * least.passes) return [];
  return [{ stage, least, most }];
}

/** The epochs, at least those of the recipe, whose passes are nearest to `target`. */
async function nearestEpochs(recipe: Recipe, target: number, of: (epochs: number) => Promise<number>): Promise<number> {
  let epochs = (recipe.stages.search as SearchRecipe).epochs;
  let passes = await of(epochs);
  while (passes < target) {
    const next = await of(epochs + 1);
    if (Math.abs(next - target) > Math.abs(passes - target)) break;
    epochs += 1;
    passes = next;
  }
  return epochs;
}

const searches = ({ recipe }: Cell) => (recipe.stages.search?.epochs ?? 0) > 0;

/** The grid with its cheaper searches stretched; cells without a search stay as they are. */
export async function equalPasses<G extends Grid>(grid: G): Promise<WithBudget<G>> {
  const splits = await buildData(grid.dense);
  const { precision } = choosePrecision(grid.dense);
  using probes = prober({ splits, precision, countOnly: true });
  const batches = splits.train.steps;
  const at = ({ recipe }: Cell, epochs: number) => passesAt(recipe, epochs, batches, probes);
  const own = (cell: Cell) => at(cell, cell.recipe.stages.search?.epochs ?? 0);
  let target = 0;
  for (const cell of grid.cells.filter(searches)) target = Math.max(target, await own(cell));
  const cells: Cell[] = [];
  const stretched: SearchBudget["stretched"][number][] = [];
  const [searched, finetuned] = [new Map<string, number>(), new Map<string, number>()];
  for (const cell of grid.cells) {
    finetuned.set(cell.name, await finetunePasses(cell.recipe, batches, probes));
    if (!searches(cell)) {
      cells.push(cell);
      continue;
    }
    const from = cell.recipe.stages.search?.epochs ?? 0;
    const to = await nearestEpochs(cell.recipe, target, (epochs) => at(cell, epochs));
    const passes = await at(cell, to);
    searched.set(cell.name, passes);
    if (to > from) stretched.push({ cell: cell.name, from, to, passes });
    cells.push({ ...cell, recipe: withEpochs(cell.recipe, to) });
  }
  const apart = [...apartIn("search", searched), ...apartIn("finetune", finetuned)];
  return { ...grid, cells, budget: { equal: "passes", target, stretched, apart } };
}

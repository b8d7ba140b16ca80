// Cells of equal cost: a perturbed step takes more passes than a plain one, so at equal epochs the perturbed search, or
// finetuning, is given more. Here the cheaper cells' epochs get more batches, until a stage's passes are nearest to those of the
// dearest cell. Learning rates follow the fraction of steps done and warm-ups count epochs, so a longer stage is the same one,
// stretched, and measured as often.
import type { PassBudget, StageApart } from "../report/index.js";
import { buildData, choosePrecision } from "./build.js";
import { type BatchCost, type Prober, prober } from "./estimate-probe.js";
import type { Cell, Grid } from "./grid-load.js";
import type { Recipe } from "./schema.js";

type WithBudget<G> = G & { readonly budget: PassBudget };
type Stage = StageApart["stage"];

const passesOf = ({ passes }: BatchCost) => passes.forward + passes.backward;

/** Passes of a stage for each batch that its epochs have, forward and backward. */
async function passesABatch(recipe: Recipe, stage: Stage, probes: Prober): Promise<number> {
  const epochs = recipe.stages[stage]?.epochs ?? 0;
  if (epochs === 0) return 0;
  const { warmup, during, after } = await probes.stage(recipe, stage);
  const warm = Math.min(warmup, epochs);
  return warm * passesOf(during) + (epochs - warm) * passesOf(after);
}

function withBatches(recipe: Recipe, stage: Stage, batches: number): Recipe {
  return { ...recipe, stages: { ...recipe.stages, [stage]: { ...recipe.stages[stage], batches } } };
}

/** Budgets further apart than this share are told: where an epoch has few batches, whole ones come no nearer. */
const TOLD = 0.05;

/** Whether the passes of a stage differ between the cells that have it. */
function apartIn(stage: Stage, passes: ReadonlyMap<string, number>): StageApart[] {
  const cells = [...passes].map(([cell, own]) => ({ cell, passes: own }));
  const [least, most] = [
    cells.toSorted((a, b) => a.passes - b.passes)[0],
    cells.toSorted((a, b) => b.passes - a.passes)[0],
  ];
  if (least === undefined || most === undefined || most.passes <= (1 + TOLD) * least.passes) return [];
  return [{ stage, least, most }];
}

/** The cells with one stage of those that are cheaper stretched, and what came of it. */
async function equalStage(stage: Stage, cells: readonly Cell[], pass: number, probes: Prober) {
  const each = new Map<string, number>();
  for (const { name, recipe } of cells) {
    const own = await passesABatch(recipe, stage, probes);
    if (own > 0) each.set(name, own);
  }
  const batchesOf = ({ recipe }: Cell) => recipe.stages[stage]?.batches ?? pass;
  const own = (cell: Cell) => batchesOf(cell) * (each.get(cell.name) ?? 0);
  const target = Math.max(0, ...cells.map(own));
  const stretched: PassBudget["stretched"][number][] = [];
  const passes = new Map<string, number>();
  const longer = cells.map((cell) => {
    const one = each.get(cell.name);
    if (one === undefined) return cell;
    const from = batchesOf(cell);
    const to = Math.max(from, Math.round(target / one));
    passes.set(cell.name, to * one);
    if (to === from) return cell;
    stretched.push({ cell: cell.name, stage, from, to, passes: to * one });
    return { ...cell, recipe: withBatches(cell.recipe, stage, to) };
  });
  return { cells: longer, stretched, target, apart: apartIn(stage, passes) };
}

/** The grid with its cheaper searches and finetunings stretched; cells without one of them keep what they have. */
export async function equalPasses<G extends Grid>(grid: G): Promise<WithBudget<G>> {
  const splits = await buildData(grid.dense);
  const { precision } = choosePrecision(grid.dense);
  using probes = prober({ splits, precision, countOnly: true });
  const search = await equalStage("search", grid.cells, splits.train.steps, probes);
  const finetune = await equalStage("finetune", search.cells, splits.train.steps, probes);
  const budget: PassBudget = {
    equal: "passes",
    batches: splits.train.steps,
    target: { search: search.target, finetune: finetune.target },
    stretched: [...search.stretched, ...finetune.stretched],
    apart: [...search.apart, ...finetune.apart],
  };
  return { ...grid, cells: finetune.cells, budget };
}

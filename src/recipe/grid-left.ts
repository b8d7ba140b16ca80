import type { Cell } from "./grid-load.js";
import { type GridSharpness, hasScores } from "./grid-sharpness.js";
import type { Recipe } from "./schema.js";

/** A search epoch in epochs of plain training: a perturbed step costs about a third more at the attacks of short recipes. */
const searchEpoch = ({ stages: { search } }: Recipe) => (search?.gradient.name === "plain" ? 1 : 1.33);

/** Work of a recipe in epochs of plain training. */
function work(recipe: Recipe, evaluation: number): number {
  const { pretrain, search, finetune } = recipe.stages;
  if (search === undefined) return (pretrain?.epochs ?? 0) + evaluation;
  return search.epochs * searchEpoch(recipe) + (finetune?.epochs ?? 0) + evaluation;
}

/** What the attacks on a cell's networks cost, in epochs. */
const EVALUATION = 1;

/** What a state of its search costs where it is measured, layer by layer or not. */
const STATE = { layers: 5, whole: 1 };

/** Time to go: in the cell at work, and in all; undefined before anything has been timed. */
export interface TimeLeft {
  readonly cell: number;
  readonly all: number;
}

export interface TimeLeftOptions {
  /** Where the searches are measured. */
  readonly sharpness?: GridSharpness | undefined;
  /** What other processes make of a cell now; default nothing. */
  readonly elsewhere?: (cell: Cell) => "busy" | "done" | undefined;
  /** Seconds. */
  readonly clock?: () => number;
}

/** Tells the time to go from the pace of what was done since the start, whatever earlier runs did. */
export function gridTimeLeft(
  cells: readonly Cell[],
  { sharpness, elsewhere = () => undefined, clock = () => performance.now() / 1000 }: TimeLeftOptions = {},
) {
  const states = sharpness ? sharpness.epochs.length * (sharpness.layers ? STATE.layers : STATE.whole) : 0;
  const total = new Map(
    cells.map((cell) => [cell.name, work(cell.recipe, EVALUATION) + (hasScores(cell) ? states : 0)]),
  );
  const spent = { work: 0, from: clock() };
  let current: { name: string; done: number } | undefined;
  const ended = new Set<string>();
  return {
    /** A cell begins; what earlier runs did of it is known once its first epoch ends. */
    begin(name: string): void {
      if (ended.size === 0 && current === undefined) spent.from = clock();
      current = { name, done: 0 };
    },
    /** An epoch of the current cell has ended, the `epoch`-th (from 0) of its search or finetuning. */
    epoch(recipe: Recipe, stage: string, epoch: number): void {
      if (current === undefined) return;
      const searched = stage === "search" ? epoch + 1 : (recipe.stages.search?.epochs ?? 0);
      const tuned = stage === "search" ? 0 : epoch + 1;
      const done = searched * searchEpoch(recipe) + tuned;
      // What a stopped run did before does not count as work of this one.
      spent.work += current.done === 0 && done > searchEpoch(recipe) ? 1 : done - current.done;
      current.done = done;
    },
    /** The cell is over; `worked`, unless its result was there already. */
    end(name: string, worked: boolean): void {
      ended.add(name);
      if (worked && current?.name === name) spent.work += (total.get(name) ?? 0) - current.done;
      else if (spent.work === 0) spent.from = clock();
      current = undefined;
    },
    left(): TimeLeft | undefined {
      if (spent.work === 0) return undefined;
      const pace = (clock() - spent.from) / spent.work;
      const mine = current === undefined ? 0 : (total.get(current.name) ?? 0) - current.done;
      const others = cells.filter(({ name }) => !ended.has(name) && name !== current?.name);
      const open = others.map((cell) => ({ cell, state: elsewhere(cell) })).filter(({ state }) => state !== "done");
      const rest = open.reduce((sum, { cell }) => sum + (total.get(cell.name) ?? 0), 0);
      // Whoever works at another cell shares what is left, at about this pace.
      const processes = 1 + open.filter(({ state }) => state === "busy").length;
      return { cell: pace * mine, all: pace * Math.max(mine, (mine + rest) / processes) };
    },
  };
}

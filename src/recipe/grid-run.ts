// Runs the cells of a grid one after the other: each in a run folder of its own, so that one that fails stops no other, a
// second call goes on with what is missing, and two calls at a time share what is left.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Split } from "../data/index.js";
import { timeLeft } from "../evaluation/index.js";
import { disposeParams } from "../nn/index.js";
import { maskDistance } from "../pruning/index.js";
import type { CellData, CellNumbers, DenseData, GridData } from "../report/index.js";
import { findManifest, lockOwner, readEvents } from "../run/index.js";
import { StoppedError } from "../train/index.js";
import { DataError, S2apError, sha256, UsageError, writeFileAtomic } from "../util/index.js";
import { buildData } from "./build.js";
import { type AttackedOptions, attackedFile } from "./grid-attack.js";
import { cellNumbers, readKept, writeKept } from "./grid-cell.js";
import { addEvaluation, type Found, lacksEvaluation } from "./grid-evaluation.js";
import { gridTimeLeft, type TimeLeft } from "./grid-left.js";
import type { Cell, Grid } from "./grid-load.js";
import { lockIfFree, presence, whenFree } from "./grid-share.js";
import { cellSharpness, hasScores, measureCell } from "./grid-sharpness.js";
import { loadMasks } from "./model-file.js";
import { stageCosts } from "./row.js";
import { type RunUpdate, runRecipe } from "./run.js";
import type { Recipe } from "./schema.js";

export interface GridOptions {
  /** Folder of the cells' run folders. */
  readonly out: string;
  /** A dense network (a model file or a run folder) instead of the one that the grid would pretrain. */
  readonly from?: string | undefined;
  readonly availableMemory?: number | undefined;
  readonly shouldStop?: (() => boolean) | undefined;
  readonly onUpdate?: ((update: RunUpdate) => void) | undefined;
  /**
   * Told when a cell begins (`left` undefined: not known yet), of each of its epochs, and when it has ended, was there or
   * turned out to be taken by another process.
   */
  readonly onCell?: ((told: CellTold) => void) | undefined;
}

export interface CellTold {
  readonly cell: Cell;
  /** From 1. */
  readonly number: number;
  readonly of: number;
  readonly what: "begin" | "epoch" | "done" | "there" | "taken" | "failed";
  readonly reason?: string;
  readonly left: TimeLeft | undefined;
}

/**
 * Runs measure clean accuracy; what their networks withstand is measured by the grid, which keeps every image's outcome, and
 * added to the run.
 */
function cleanOnly(recipe: Recipe): Recipe {
  const examples = recipe.evaluation.findLast(({ name }) => name !== "clean")?.examples;
  return { ...recipe, evaluation: [{ name: "clean", ...(examples !== undefined && { examples }) }] };
}

const isStop = (error: unknown) => error instanceof S2apError && error.code === "stopped";
const reasonOf = (error: unknown) => (error instanceof Error ? error.message : String(error));

interface Session {
  readonly grid: Grid;
  readonly options: GridOptions;
  readonly attacked: AttackedOptions;
  /** Held-out images, of which the loss over scores is measured. */
  readonly selection: Split;
  readonly onEnd: (cell: Cell, ended: Ended) => void;
}

/** While another process works at what is needed here. */
function waiting({ shouldStop, onUpdate }: GridOptions, what: string) {
  return {
    poll: () => {
      if (shouldStop?.()) throw new StoppedError("search");
    },
    onWait: () => onUpdate?.({ kind: "message", text: `waiting for ${what}, at which another process works` }),
  };
}

/** Trains or takes the dense network, and measures it once. */
async function denseOf({ grid, options, attacked }: Session): Promise<DenseData> {
  const { out, from, availableMemory, shouldStop, onUpdate } = options;
  const folder = join(out, "dense");
  const { dense: recipe } = grid;
  using _lock = await whenFree(() => lockIfFree(folder), waiting(options, "the dense network"));
  await runRecipe(cleanOnly(recipe), { out: folder, from, locked: true, availableMemory, shouldStop, onUpdate });
  const file = join(folder, "model.safetensors");
  const hash = sha256(readFileSync(file));
  const of = { recipe, dense: hash };
  const kept = readKept<DenseData>(join(folder, "cell.json"), of);
  const add = (found: DenseData) => addEvaluation(folder, { accuracy: found.accuracy, cost: found.cost?.at(-1) });
  if (kept !== undefined) {
    add(kept);
    return kept;
  }
  const { accuracy, cost } = attackedFile(file, recipe, {
    ...attacked,
    record: join(folder, "evaluation", "autoattack"),
  });
  const found: DenseData = { sha256: hash, accuracy, cost: [...stageCosts(readEvents(folder)), cost] };
  writeKept(join(folder, "cell.json"), of, found);
  add(found);
  return found;
}

/** Whether a cell begins with the network that all share. */
const sharesDense = ({ recipe, control }: Cell) => recipe.stages.pretrain !== undefined && control === undefined;

/** What a cell's numbers are kept of: they are those of this recipe and dense network, or none. */
const keptOf = (cell: Cell, dense: DenseData | undefined) => ({
  recipe: cell.recipe,
  dense: sharesDense(cell) ? dense?.sha256 : undefined,
});

type Ended = { readonly what: "done" | "there" | "taken" } | { readonly what: "failed"; readonly reason: string };

/** Whether sharpness is asked of a cell, whose run lies in this folder, and is not there. */
export const lacksSharpness = ({ sharpness }: Grid, cell: Cell, folder: string) =>
  sharpness !== undefined && hasScores(cell) && cellSharpness(folder, sharpness) === undefined;

/** The loss over scores around states of a cell's search, where the grid asks for it. */
function measureSearch(cell: Cell, { grid, options, selection }: Session): void {
  const { out, shouldStop, onUpdate } = options;
  const { cells, sharpness } = grid;
  if (sharpness === undefined || !hasScores(cell)) return;
  const left = timeLeft();
  measureCell(cell, sharpness, {
    ...{ cells, out, split: selection },
    poll: () => {
      if (shouldStop?.()) throw new S2apError("sharpness: stopped as asked", { code: "stopped" });
    },
    onProgress: ({ epoch, quantity, done, of }) =>
      onUpdate?.({
        ...{ kind: "measuring", run: cell.name, what: `epoch ${epoch}: ${quantity}` },
        ...{ done, of, secondsLeft: left(done, of) },
      }),
  });
  const states = cellSharpness(join(out, cell.name), sharpness)?.states ?? [];
  const tops = states.map(
    ({ epoch, topEigenvalue: top }) => `${top ? top.value.toPrecision(4) : "not asked for"} (epoch ${epoch})`,
  );
  onUpdate?.({ kind: "message", text: `${cell.name}: sharpness: done, top eigenvalue ${tops.join(", ")}` });
}

const numbersOf = (folder: string, of: ReturnType<typeof keptOf>) =>
  readKept<CellNumbers>(join(folder, "cell.json"), of);

/** The network that a cell ends with; its attack comes last. */
const foundOf = ({ before, after, cost }: CellNumbers): Found => ({ accuracy: after ?? before, cost: cost?.at(-1) });

/** Whether all that is asked of a cell is there. */
function isWhole(cell: Cell, of: ReturnType<typeof keptOf>, { grid, options }: Session): boolean {
  const folder = join(options.out, cell.name);
  const numbers = numbersOf(folder, of);
  return numbers !== undefined && !lacksEvaluation(folder, foundOf(numbers)) && !lacksSharpness(grid, cell, folder);
}

/** One cell, from its run to its numbers, unless another process works at it. Throws only when it was asked to stop. */
async function runCell(cell: Cell, dense: DenseData | string, session: Session, begin: () => void): Promise<Ended> {
  const { recipe, name } = cell;
  const { out, availableMemory, shouldStop, onUpdate } = session.options;
  const folder = join(out, name);
  const needsDense = sharesDense(cell);
  if (needsDense && typeof dense === "string") return { what: "failed", reason: `the dense network: ${dense}` };
  const of = keptOf(cell, typeof dense === "string" ? undefined : dense);
  try {
    if (isWhole(cell, of, session)) return { what: "there" };
    using lock = lockIfFree(folder);
    if (lock === undefined) return { what: "taken" };
    const kept = numbersOf(folder, of);
    // Earlier versions kept it in cell.json alone.
    if (kept !== undefined) addEvaluation(folder, foundOf(kept));
    // Another process may have ended it just before.
    if (isWhole(cell, of, session)) return { what: "there" };
    begin();
    if (kept === undefined) {
      const from = needsDense ? join(out, "dense", "model.safetensors") : undefined;
      const { rows } = await runRecipe(cleanOnly(recipe), {
        ...{ out: folder, from, locked: true, told: true, availableMemory, shouldStop },
        onUpdate,
      });
      const [row] = rows;
      if (row === undefined) return { what: "failed", reason: "the run gave no result" };
      const numbers = cellNumbers(folder, recipe, row, session.attacked);
      writeKept(join(folder, "cell.json"), of, numbers);
      addEvaluation(folder, foundOf(numbers));
    }
    measureSearch(cell, session);
    return { what: "done" };
  } catch (error) {
    if (isStop(error)) throw error;
    return { what: "failed", reason: reasonOf(error) };
  }
}

/** Masks of cells that differ in nothing but the choice that repeats. */
function distancesBetween(grid: Grid, done: readonly CellData[], out: string): GridData["distances"] {
  const masked = done.filter(({ control }) => control === undefined);
  const rest = ({ at }: CellData) => JSON.stringify({ ...at, [grid.repeat]: "" });
  const pairs = masked.flatMap((a, i) => masked.slice(i + 1).flatMap((b) => (rest(a) === rest(b) ? [{ a, b }] : [])));
  return pairs.map(({ a, b }) => {
    const [ours, theirs] = [a, b].map(({ name }) => loadMasks(join(out, name, "masks.safetensors"))) as [Masks, Masks];
    const { perKept } = maskDistance(ours, theirs);
    disposeParams(ours, theirs);
    return { a: a.name, b: b.name, perKept };
  });
}
type Masks = ReturnType<typeof loadMasks>;

function madeBy(out: string, done: readonly CellData[]): GridData["made"] {
  const manifest = done[0] && findManifest(join(out, done[0].name));
  if (manifest === undefined) return null;
  const { cpu, cores } = manifest.machine;
  return { ...manifest.versions, cpu, cores: String(cores) };
}

/** What lies in a grid's folder, cells that are not there included; `failures` are reasons by cell. */
export function readGridFolder(
  grid: Grid,
  out: string,
  { dense, failures }: { readonly dense: DenseData | undefined; readonly failures: ReadonlyMap<string, string> },
): GridData {
  const cells = grid.cells.map((cell): CellData => {
    const { name, at, recipe, control } = cell;
    const about = { name, at, scratch: recipe.stages.pretrain === undefined, ...(control && { control }) };
    const of = keptOf(cell, dense);
    const result = readKept<CellNumbers>(join(out, name, "cell.json"), of);
    const sharpness = grid.sharpness && hasScores(cell) ? cellSharpness(join(out, name), grid.sharpness) : undefined;
    // A cell is done when all that is asked of it is.
    if (result !== undefined && !lacksSharpness(grid, cell, join(out, name))) {
      return { ...about, status: "done", result: { ...result, ...(sharpness && { sharpness }) } };
    }
    const reason = failures.get(name);
    return reason === undefined ? { ...about, status: "missing" } : { ...about, status: "failed", reason };
  });
  const done = cells.filter(({ status }) => status === "done");
  const distances = distancesBetween(grid, done, out);
  const { name, title, repeat, budget, sweeps, claims, note } = grid;
  const told = {
    ...(budget && { budget }),
    ...(sweeps && { sweeps }),
    ...(claims && { claims }),
    ...(note && { note }),
  };
  return { format: 1, name, title, repeat, dense: dense ?? null, cells, distances, made: madeBy(out, done), ...told };
}

/** Why cells failed, as the last run told it, or one that goes on. */
function failuresSoFar(out: string): Map<string, string> {
  const path = join(out, "grid.json");
  const before = existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as GridData).cells : [];
  return new Map(before.flatMap(({ name, reason }) => (reason === undefined ? [] : [[name, reason]])));
}

/** What is known of a grid without running anything: failures as the last run told them. */
export function gridSoFar(grid: Grid, out: string): GridData {
  const file = join(out, "dense", "model.safetensors");
  const of = existsSync(file) && { recipe: grid.dense, dense: sha256(readFileSync(file)) };
  const dense = of ? readKept<DenseData>(join(out, "dense", "cell.json"), of) : undefined;
  return readGridFolder(grid, out, { dense, failures: failuresSoFar(out) });
}

type Progress = ReturnType<typeof gridTimeLeft>;

/** Works at one cell, unless another process does, and tells of it. */
async function workAt(cell: Cell, dense: DenseData | string, session: Session, time: Progress): Promise<Ended> {
  const { grid, options, onEnd } = session;
  const { cells } = grid;
  const tell = (told: Pick<CellTold, "what"> & { readonly reason?: string }) =>
    options.onCell?.({ cell, number: cells.indexOf(cell) + 1, of: cells.length, left: time.left(), ...told });
  const onUpdate = (update: RunUpdate) => {
    options.onUpdate?.(update);
    if (update.kind !== "event" || update.event.type !== "epoch") return;
    time.epoch(cell.recipe, update.event.stage, update.event.epoch);
    tell({ what: "epoch" });
  };
  const begin = () => {
    time.begin(cell.name);
    tell({ what: "begin" });
  };
  const onProgress: AttackedOptions["onProgress"] = (progress, attack) =>
    onUpdate({ kind: "evaluation", run: cell.name, attack, ...progress });
  const attacked = { ...session.attacked, onProgress };
  const ended = await runCell(cell, dense, { ...session, options: { ...options, onUpdate }, attacked }, begin);
  if (ended.what !== "taken") time.end(cell.name, ended.what === "done");
  onEnd(cell, ended);
  tell(ended);
  return ended;
}

/**
 * All cells: those at which another process works come again at the end, in case it was stopped. `onTurn` is told before
 * each.
 */
async function runCells(session: Session, dense: DenseData | string, onTurn: () => void): Promise<void> {
  const { grid, options } = session;
  const isFree = ({ name }: Cell) => lockOwner(join(options.out, name)) === undefined;
  const elsewhere = (cell: Cell) => {
    if (!isFree(cell)) return "busy";
    return isWhole(cell, keptOf(cell, typeof dense === "string" ? undefined : dense), session) ? "done" : undefined;
  };
  const time = gridTimeLeft(grid.cells, { sharpness: grid.sharpness, elsewhere });
  let left: readonly Cell[] = grid.cells;
  while (left.length > 0) {
    const taken: Cell[] = [];
    for (const cell of left) {
      onTurn();
      if ((await workAt(cell, dense, session, time)).what === "taken") taken.push(cell);
    }
    const names = taken.map(({ name }) => name).join(", ");
    if (taken.length > 0) await whenFree(() => taken.some(isFree) || undefined, waiting(options, names));
    left = taken;
  }
}

/**
 * Runs every cell that has no numbers yet, and writes `grid.json` after each. A cell that fails is told and tried again by
 * the next call; one at which another process works is waited for at the end. Throws StoppedError when it was asked to stop,
 * with the state saved.
 */
export async function runGrid(grid: Grid, options: GridOptions): Promise<GridData> {
  const { out, shouldStop, onUpdate } = options;
  using present = presence(out);
  const { test: split, selection } = await buildData(grid.dense, (text) => onUpdate?.({ kind: "message", text }));
  const attacked: AttackedOptions = { split, seed: grid.dense.seed, shouldStop };
  const failed = new Map<string, string>();
  const onEnd = ({ name }: Cell, ended: Ended) => {
    if (ended.what === "failed") failed.set(name, ended.reason);
    if (ended.what === "failed" || ended.what === "done") save();
  };
  const session: Session = { grid, options, attacked, selection, onEnd };
  let dense: DenseData | string;
  try {
    dense = await denseOf(session);
  } catch (error) {
    // What was asked for wrongly would be wrong for every cell.
    if (isStop(error) || error instanceof UsageError || error instanceof DataError) throw error;
    dense = reasonOf(error);
    onUpdate?.({ kind: "warning", text: `dense: ${dense}` });
  }
  const found = () => {
    const failures = new Map([...failuresSoFar(out), ...failed]);
    return readGridFolder(grid, out, { dense: typeof dense === "string" ? undefined : dense, failures });
  };
  const save = () => writeFileAtomic(join(out, "grid.json"), `${JSON.stringify(found())}\n`);
  save();
  await runCells(session, dense, present.renew);
  return found();
}

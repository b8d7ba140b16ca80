// How much of a list is done. Units of work differ by two orders of magnitude (Square makes 5000 passes of an image, APGD
// 200), so each counts by the passes that it is expected to make: those of its run, for every image that stands.
import type { Ledger } from "./ledger.js";
import type { Line } from "./lines.js";
import type { PlannedRun } from "./unit.js";

/** Passes of a network, forward or backward, of one image each. */
export interface Work {
  readonly done: number;
  /** Done and still expected. */
  readonly of: number;
}

/** Passes of a run for an image that stands to its end; 0 where there is no class of its rank. */
export function passesOf({ attack, search: run }: PlannedRun, classes: number): number {
  if (run !== undefined) return (run.rank ?? 0) > classes ? 0 : run.search.steps * (run.search.passes?.(classes) ?? 2);
  const { steps = 1, restarts = 1 } = (attack.options ?? {}) as { readonly steps?: number; readonly restarts?: number };
  return 2 * steps * restarts;
}

interface Plan {
  readonly runs: readonly PlannedRun[];
  readonly classes: number;
  readonly blocks: readonly number[];
  /** First position of a block, and the one after its last. */
  readonly range: (block: number) => readonly [number, number];
  /** Images leave once broken. */
  readonly leave: boolean;
  /** Every run is on all images that the attack has not broken itself. */
  readonly individual: boolean;
}

/** Adds up the work of one process's blocks. */
export class Workload {
  readonly #plan: Plan;
  readonly #passes: ReadonlyMap<PlannedRun, number>;
  #done = 0;
  /** Of the unit that is under way. */
  #now = 0;

  constructor(plan: Plan) {
    this.#plan = plan;
    this.#passes = new Map(plan.runs.map((run) => [run, passesOf(run, plan.classes)]));
  }

  /** Takes note of what was done. Images that break leave, most of them after few steps: they count nothing. */
  apply(line: Line): void {
    this.#now = 0;
    if (line.kind === "checks" || !this.#plan.blocks.includes(line.block)) return;
    if (line.kind === "clean") this.#done += line.labels.length;
    else {
      const run = this.#plan.runs.find(({ attack, name }) => attack.name === line.attack && name === line.run);
      const images = line.tried - (this.#plan.leave ? line.broken.length : 0);
      this.#done += images * (run === undefined ? 1 : this.#of(run));
    }
  }

  /** Takes note of the unit that begins. */
  begin(run: PlannedRun, images: number): void {
    this.#now = images * this.#of(run);
  }

  #of(run: PlannedRun): number {
    return this.#passes.get(run) as number;
  }

  /** What is done, with this share of the unit under way. */
  now(ledger: Ledger, share: number): Work {
    const left = this.#plan.blocks.reduce((sum, block) => sum + this.#left(ledger, block), 0);
    return { done: this.#done + share * this.#now, of: this.#done + left };
  }

  #left(ledger: Ledger, block: number): number {
    const { runs, individual, range } = this.#plan;
    const at = range(block);
    const clean = ledger.hasClean(block);
    const unbroken = ledger.unbrokenIn(at);
    const standing = (attack: string, run: string) =>
      individual && clean ? ledger.standing(at, attack, run, true).length : unbroken;
    return runs
      .filter((run) => !ledger.isFinished(run.attack.name, run.name, block))
      .reduce((sum, run) => sum + this.#of(run) * standing(run.attack.name, run.name), clean ? 0 : at[1] - at[0]);
  }
}

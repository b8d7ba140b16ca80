import { type CleanLine, type Line, type UnitLine, unitKey } from "./lines.js";
import { BLOCK } from "./list.js";

/** How one image was broken. */
export interface Break {
  readonly run: string;
  readonly step: number | null;
  readonly norm: number;
  readonly class: number;
}

/** What is known of every image, added up from a journal's lines. */
export class Ledger {
  /** By position; -1 where the clean pass has not been. */
  readonly labels: Int32Array;
  readonly clean: Int32Array;
  /** By attack, then by position. */
  readonly broken = new Map<string, Map<number, Break>>();
  readonly #finished = new Set<string>();
  readonly #parts = new Map<string, Set<number>>();
  readonly #brokenByAny = new Map<number, number>();
  seconds = 0;

  constructor(count: number) {
    this.labels = new Int32Array(count).fill(-1);
    this.clean = new Int32Array(count).fill(-1);
  }

  apply(line: Line): void {
    if (line.kind === "clean") this.#applyClean(line);
    else if (line.kind === "unit") this.#applyUnit(line);
  }

  #applyClean({ block, labels, predictions, seconds }: CleanLine): void {
    this.labels.set(labels, block * BLOCK);
    this.clean.set(predictions, block * BLOCK);
    this.seconds += seconds;
  }

  #applyUnit(line: UnitLine): void {
    const key = unitKey(line.attack, line.run, line.block);
    const parts = this.#parts.get(key) ?? new Set();
    if (parts.has(line.part)) return;
    this.#parts.set(key, parts.add(line.part));
    if (line.last) this.#finished.add(key);
    const broken = this.broken.get(line.attack) ?? new Map<number, Break>();
    this.broken.set(line.attack, broken);
    for (const { at, step, norm, class: seen } of line.broken) {
      broken.set(at, { run: line.run, step, norm, class: seen });
      this.#brokenByAny.set(at, (this.#brokenByAny.get(at) ?? 0) + 1);
    }
    this.seconds += line.seconds;
  }

  hasClean(block: number): boolean {
    return this.clean[block * BLOCK] !== -1;
  }

  /** Whether a block is done with a run. */
  isFinished(attack: string, run: string, block: number): boolean {
    return this.#finished.has(unitKey(attack, run, block));
  }

  hasPart(attack: string, run: string, block: number, part: number): boolean {
    return this.#parts.get(unitKey(attack, run, block))?.has(part) ?? false;
  }

  isCorrect(at: number): boolean {
    return this.clean[at] !== -1 && this.clean[at] === this.labels[at];
  }

  /**
   * The positions of a block that stood when this run came to it: right as they are, and broken by nothing before;
   * `individual`: by no earlier run of the same attack. Parts of the run that are done do not change the answer.
   */
  standing(range: readonly [number, number], attack: string, run: string, individual: boolean): number[] {
    const own = this.broken.get(attack);
    const found: number[] = [];
    for (let at = range[0]; at < range[1]; at++) {
      if (!this.isCorrect(at)) continue;
      const mine = own?.get(at);
      const others = (this.#brokenByAny.get(at) ?? 0) - (mine === undefined ? 0 : 1);
      if ((individual || others === 0) && (mine === undefined || mine.run === run)) found.push(at);
    }
    return found;
  }

  /** Images that may still be robust: not known to be wrong or broken. */
  get unbroken(): number {
    return this.unbrokenIn([0, this.clean.length]);
  }

  /** Those among the positions of a range. */
  unbrokenIn([first, end]: readonly [number, number]): number {
    let count = 0;
    for (let at = first; at < end; at++) {
      if (this.clean[at] === -1 || (this.isCorrect(at) && !this.#brokenByAny.has(at))) count += 1;
    }
    return count;
  }
}

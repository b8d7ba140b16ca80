import type { LocalPasses, Squares } from "../models/index.js";
import { ops, type Tensor } from "../torch/index.js";
import { margin } from "./objectives.js";
import { positions, type SearchContext } from "./search.js";

/** A point for each image that is queried: its best one, but for the squares where it says so. */
export interface Candidate {
  readonly point: Tensor;
  readonly squares?: Squares;
}

/** z_y - max_{k != y} z_k */
const marginsOf = (logits: Tensor, y: Tensor) => ops.neg(margin(logits, y)).toNumbers();

/** The places of the images whose candidate is not the best point itself. */
function moved(point: Tensor, best: Tensor): number[] {
  const flags = ops.anyDim(ops.flatten(ops.ne(point, best), { startDim: 1 }), 1);
  return flags.toNumbers().flatMap((flag, place) => (flag ? [place] : []));
}

function squaresAt({ tops, lefts, side }: Squares, places: readonly number[]): Squares {
  const of = (corners: Int32Array) => Int32Array.from(places, (place) => corners[place] as number);
  return { tops: of(tops), lefts: of(lefts), side };
}

/** Square's questions to a network, which it need not answer in full: it knows the best points, and most of a candidate. */
export class SquarePasses {
  #known: { readonly context: SearchContext; readonly passes: LocalPasses } | undefined;

  /** Margins at all images' points. */
  whole({ victim, y }: SearchContext, points: Tensor): number[] {
    return marginsOf(victim.logits(points), y);
  }

  /** Margins of candidates of the images `rows`, `best` being what they begin from; infinite where a candidate is no other. */
  candidates(context: SearchContext, rows: readonly number[], best: Tensor, { point, squares }: Candidate): number[] {
    const found = Array<number>(rows.length).fill(Number.POSITIVE_INFINITY);
    const places = moved(point, best);
    if (places.length === 0) return found;
    const local = squares && this.#local(context, rows, best, squares);
    const logits = local
      ? local.logits(point, Int32Array.from(places), squaresAt(squares, places))
      : context.victim.logits(places.length === rows.length ? point : ops.indexSelect(point, 0, positions(places)));
    const y = ops.indexSelect(context.y, 0, positions(places.map((place) => rows[place] as number)));
    for (const [i, value] of marginsOf(logits, y).entries()) found[places[i] as number] = value;
    return found;
  }

  /** The best points of these images are now others. */
  accepted(context: SearchContext, best: Tensor, rows: readonly number[]): void {
    if (this.#known?.context === context) this.#known.passes.learn(best, rows);
  }

  /** Cheaper passes, where they pay: each image has its own small window. What is known is of the images of one context. */
  #local(context: SearchContext, rows: readonly number[], best: Tensor, squares: Squares): LocalPasses | undefined {
    const { victim, x } = context;
    const all = rows.length === x.shape[0] && squares.tops.length === rows.length;
    if (!all || !victim.local?.saves(squares.side, rows.length)) return undefined;
    if (this.#known?.context !== context) {
      this.end();
      this.#known = { context, passes: victim.local.knowing(best) };
    }
    return this.#known.passes;
  }

  end(): void {
    this.#known?.passes[Symbol.dispose]();
    this.#known = undefined;
  }
}

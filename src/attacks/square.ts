// Square (Andriushchenko, Croce, Flammarion, Hein, "Square Attack: a query-efficient black-box adversarial attack via
// random search", ECCV 2020, arXiv 1912.00049): random search that sees logits only. For each image:
//   margin(x) = z_y - max_{k != y} z_k, to be brought to 0 or below
//   start   Linf  x + eps times vertical stripes, one sign for each channel and column, clipped to [0,1]
//           L2,L1 5 x 5 tiles of +- eta, scaled (L1: projected) to the ball, clipped
//   query   Linf  one square window of the best point goes to x +- eps, one sign for each channel, clipped
//           L2,L1 two windows: the second is emptied, and the first becomes
//                 unit(+-eta + unit(what it held)) times what both windows held and the ball has left;
//                 the whole is scaled to norm eps (L1: projected), clipped
//   accept        where the margin got smaller
// A window has a fraction p of the pixels: pInit halved at queries 11, 51, 201, 501, 1001, 2001, 4001, 6001, 8001. eta is two
// bumps of opposite sign over the halves of the window, transposed by a coin.
// As in the public code, and not in the paper: the last row and column of corners are never drawn, so a window as large as
// the image has corner 0; the schedule is not rescaled to the number of queries unless asked.
// Where we deviate: each image has its own windows and signs, keyed by its position in the set (the public code has one
// window for the whole batch, so its result depends on the batch); `draws` can replay theirs. A margin of exactly 0 at the
// start counts as broken for all. The public code also accepts any point of margin 0 or below, but asks only about images
// above 0, so that this is the same; an image that goes on since its hit was not confirmed must get deeper. Tiles are centred
// along both sides of an image that is not square, and a side under 5 has fewer.
import { z } from "zod";
import { ops, type Tensor, tensor } from "../torch/index.js";
import { parseOptions } from "../util/index.js";
import { type AttackSearch, positions, type SearchState } from "./search.js";
import { type SearchAttack, searchAttack } from "./search-attack.js";
import { keyedDraws, type SquareDraws } from "./square-draws.js";
import { squareMoves } from "./square-moves.js";
import { SquarePasses } from "./square-passes.js";
import { rescaledStep, squareFraction } from "./square-windows.js";
import type { Threat } from "./threat.js";

const searchOptions = z.strictObject({
  queries: z.int().min(1).default(5000).describe("queries an image after the start; default 5000"),
  pInit: z
    .number()
    .gt(0)
    .max(1)
    .default(0.8)
    .describe("fraction of the pixels that the first windows have; default 0.8"),
  rescale: z
    .boolean()
    .default(false)
    .describe("stretch the schedule of window sizes over the queries, as if they were 10000; default false"),
});

export const squareOptions = searchOptions.extend({
  restarts: z.int().min(1).default(1).describe("runs, each on the images that stand; default 1"),
});

export interface SquareState extends SearchState {
  /** Smallest z_y - max_{k != y} z_k so far, that of `found`; float64 [N]. */
  readonly margin: Tensor;
  /** Forward passes of each image, the start's among them; int32 [N]. */
  readonly queries: Tensor;
}

const flags = (values: readonly boolean[]) =>
  tensor(Uint8Array.from(values, Number), [values.length], { dtype: "bool" });

/**
 * Square as a search: a step is a query of each image that is not broken. An image that the loop keeps although its margin
 * is 0 or below (its hit was not confirmed) is queried on; where the loop keeps all images anyway, it is not.
 */
export function squareSearch(
  threat: Threat,
  options: z.input<typeof searchOptions> & { readonly draws?: SquareDraws } = {},
): AttackSearch<SquareState> {
  const { draws = keyedDraws(), ...rest } = options;
  const { queries, pInit, rescale } = parseOptions("square", searchOptions, rest);
  const moves = squareMoves(threat);
  const passes = new SquarePasses();
  return {
    steps: queries,
    passes: () => 1,
    end: () => passes.end(),
    begin(context) {
      const { x, start } = context;
      const found = start === undefined ? moves.start(x, draws.start(context, moves.startShape(x))) : ops.clone(start);
      const now = passes.whole(context, found);
      return {
        found,
        hit: flags(now.map((value) => value <= 0)),
        margin: tensor(Float64Array.from(now)),
        queries: tensor(new Int32Array(now.length).fill(1)),
      };
    },
    step(context, state, step) {
      const { x, leave = true } = context;
      const least = state.margin.toNumbers();
      const rows = [...least.keys()].filter((row) => leave || (least[row] as number) > 0);
      const hit = least.map(() => false);
      if (rows.length === 0) return { ...state, hit: flags(hit) };
      const pick = (t: Tensor) => (rows.length === least.length ? t : ops.indexSelect(t, 0, positions(rows)));
      const { places, signs } = draws.query(context, step, rows, moves.queryShape(x));
      const fraction = squareFraction(pInit, rescale ? rescaledStep(step, queries) : step);
      const best = pick(state.found);
      const candidate = moves.candidate(pick(x), best, fraction, places, signs);
      const now = passes.candidates(context, rows, best, candidate);
      const accepted = [...rows.keys()].filter((i) => (now[i] as number) < (least[rows[i] as number] as number));
      for (const i of accepted) {
        least[rows[i] as number] = now[i] as number;
        hit[rows[i] as number] = (now[i] as number) <= 0;
      }
      if (accepted.length > 0) {
        const better = accepted.map((i) => rows[i] as number);
        ops.indexCopy_(state.found, 0, positions(better), ops.indexSelect(candidate.point, 0, positions(accepted)));
        passes.accepted(context, state.found, better);
      }
      const asked = Int32Array.from(state.queries.toNumbers());
      for (const row of rows) asked[row] = (asked[row] as number) + 1;
      return { found: state.found, hit: flags(hit), margin: tensor(Float64Array.from(least)), queries: tensor(asked) };
    },
  };
}

/** Square with restarts. */
export function square(threat: Threat, options: z.input<typeof squareOptions> = {}): SearchAttack {
  const { restarts, ...rest } = parseOptions("square", squareOptions, options);
  const search = squareSearch(threat, rest);
  const runs = Array.from({ length: restarts }, (_, r) => ({ key: ["restart", r], search }));
  return searchAttack(`square-${rest.queries}${restarts > 1 ? `x${restarts}` : ""}`, threat, runs);
}

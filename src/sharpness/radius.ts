// A radius given as a number, or found from what it does: the share of kept weights that z swaps for pruned ones.
import { z } from "zod";
import { type Masks, swapFraction } from "../pruning/index.js";
import { scope } from "../torch/index.js";
import { expected, UsageError } from "../util/index.js";

export const swapTarget = z
  .number()
  .gt(0)
  .lt(1)
  .default(0.01)
  .describe("share of the kept weights that z swaps out under an `auto` radius; default 0.01");

/** Relative width at which the bisection ends. */
const WIDTH = 1e-3;
/** Radii between which `auto` looks, doubling. */
const RANGE = [1e-6, 1e4] as const;

export interface Search {
  /** The gradient's and the option's name, for errors and among the numbers that are kept. */
  readonly name: string;
  readonly option: string;
  /** Share of the kept weights to be swapped, in (0, 1). */
  readonly target: number;
  /** The masks at the scores. */
  readonly masks: Masks;
  /** The masks at the scores moved by a z of this radius. */
  masksAt(radius: number): Masks;
}

/**
 * A radius, to a thousandth of itself, below which fewer than the target are swapped: doubled until enough are, then
 * bisected by ratios. Not bisected from the start, because swaps need not grow with the radius: a z far larger than the
 * scores keeps whatever has a gradient.
 */
export function findRadius({ name, option, target, masks, masksAt }: Search): number {
  const swapped = (radius: number) => scope(() => swapFraction(masks, masksAt(radius)));
  let most = 0;
  for (let high: number = RANGE[0]; high <= RANGE[1]; high *= 2) {
    const share = swapped(high);
    if (share >= target) return bisected(high / 2, high, (radius) => swapped(radius) >= target);
    most = Math.max(most, share);
  }
  throw new UsageError(
    expected(name, `${option}: auto to find a radius that swaps ${target} of the kept weights or more`, most),
    { code: "usage/no-radius" },
  );
}

/** Where `enough` begins to hold between a radius where it does not and one where it does. */
function bisected(low: number, high: number, enough: (radius: number) => boolean): number {
  if (high / low <= 1 + WIDTH) return high;
  const middle = Math.sqrt(low * high);
  return enough(middle) ? bisected(low, middle, enough) : bisected(middle, high, enough);
}

/** The radius as given; `auto` is found at the first step that asks and is the same ever after. */
export function radiusOf(given: number | "auto", state: Record<string, number>, search: Search): number {
  if (given !== "auto") return given;
  state[search.option] ??= findRadius(search);
  return state[search.option] as number;
}

/** A radius >= 0, or `auto`. */
export function radius(initial: number, meaning: string) {
  return z
    .union([z.number().min(0), z.literal("auto")])
    .default(initial)
    .describe(
      `${meaning}; \`auto\`: found at the first step after the warm-up (swapTarget), then fixed; default ${initial}`,
    );
}

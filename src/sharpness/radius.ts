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
/** Radii between which `auto` looks. */
const RANGE = [1e-8, 1e4] as const;

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

/** The smallest radius, to a thousandth of itself, that swaps at least the target: bisected by ratios. */
export function findRadius({ name, option, target, masks, masksAt }: Search): number {
  const swapped = (radius: number) => scope(() => swapFraction(masks, masksAt(radius)));
  let [low, high] = RANGE as [number, number];
  const most = swapped(high);
  if (most < target) {
    throw new UsageError(
      expected(name, `${option}: auto to find a radius that swaps ${target} of the kept weights or more`, most),
      { code: "usage/no-radius" },
    );
  }
  while (high / low > 1 + WIDTH) {
    const middle = Math.sqrt(low * high);
    if (swapped(middle) < target) low = middle;
    else high = middle;
  }
  return high;
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

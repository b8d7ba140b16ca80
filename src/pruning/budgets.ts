// How many weights each layer keeps of a global budget, by the layers' shapes alone.
//   uniform: the same ratio in every layer
//   erk:     ratio_l = min(1, c (sum of the weight's extents) / (their product)), c such that the budget is met
// ERK (Erdős-Rényi-kernel): Evci, Gale, Menick, Castro, Elsen, "Rigging the Lottery: Making All Tickets Winners",
// ICML 2020, arXiv 1911.11134. A layer that would keep more than all of its weights is dense, and c is found anew.
import { type Params, param } from "../nn/index.js";
import { expected, UsageError } from "../util/index.js";
import { keptCount } from "./kept-count.js";

/** What budgets know of a layer's weight. */
export interface Shaped {
  readonly shape: readonly number[];
}
export type Shapes = ReadonlyMap<string, Shaped>;

const product = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);
const sum = (values: Iterable<number>) => [...values].reduce((a, b) => a + b, 0);

/** Weights in all layers together. */
export function weightCount(weights: Shapes): number {
  return sum(Array.from(weights.values(), ({ shape }) => product(shape)));
}

export function uniformRatios(weights: Shapes, keepRatio: number): Map<string, number> {
  return new Map(Array.from(weights.keys(), (name) => [name, keepRatio]));
}

/** Real-valued ratios in (0, 1] whose mean over all weights is `keepRatio`. */
export function erkRatios(weights: Shapes, keepRatio: number): Map<string, number> {
  const layers = Array.from(weights, ([name, { shape }]) => ({
    name,
    count: product(shape),
    raw: sum(shape) / product(shape),
  }));
  const budget = keepRatio * sum(layers.map(({ count }) => count));
  let sparse = layers;
  let scale = 0;
  for (;;) {
    const dense = layers.filter((layer) => !sparse.includes(layer));
    const left = budget - sum(dense.map(({ count }) => count));
    scale = left / sum(sparse.map(({ raw, count }) => raw * count));
    const above = sparse.filter(({ raw }) => raw * scale > 1);
    if (above.length === 0 || sparse.length === 0) break;
    sparse = sparse.filter((layer) => !above.includes(layer));
  }
  return new Map(layers.map((layer) => [layer.name, sparse.includes(layer) ? layer.raw * scale : 1]));
}

/**
 * Whole numbers of weights near `ratios` that together are exactly keptCount(p, keepRatio): rounded down, and the rest
 * given to the largest remainders. A layer keeps at least one weight.
 */
export function exactCounts(
  weights: Shapes,
  ratios: ReadonlyMap<string, number>,
  keepRatio: number,
): Map<string, number> {
  const layers = Array.from(weights, ([name, { shape }]) => {
    const wanted = (ratios.get(name) ?? keepRatio) * product(shape);
    const count = Math.min(Math.max(Math.floor(wanted), 1), product(shape));
    return { name, count, most: product(shape), short: wanted - count };
  });
  let missing = keptCount(weightCount(weights), keepRatio) - sum(layers.map(({ count }) => count));
  while (missing !== 0) {
    const step = Math.sign(missing);
    const able = layers.filter(({ count, most }) => (step > 0 ? count < most : count > 1));
    // A budget below one weight a layer cannot be met.
    if (able.length === 0) break;
    const best = able.reduce((a, b) => (step * b.short > step * a.short ? b : a));
    best.count += step;
    best.short -= step;
    missing -= step;
  }
  return new Map(layers.map(({ name, count }) => [name, count]));
}

/** Ratios given by layer name, with or without `.weight`; each layer must have one. */
export function givenRatios(
  where: string,
  weights: Params,
  given: Readonly<Record<string, number>>,
): Map<string, number> {
  const layer = (name: string) => name.replace(/\.weight$/, "");
  const names = [...weights.keys()];
  const strange = Object.keys(given).find((key) => !names.some((name) => key === name || key === layer(name)));
  if (strange !== undefined) {
    throw new UsageError(expected(where, `keepRatios of the layers ${names.map(layer).join(", ")}`, strange));
  }
  return new Map(
    names.map((name) => {
      const ratio = given[name] ?? given[layer(name)];
      if (ratio === undefined) throw new UsageError(expected(where, `a keepRatios entry for ${layer(name)}`, given));
      return [name, ratio];
    }),
  );
}

/** Rounds ratios layer by layer. */
export function roundedCounts(weights: Params, ratios: ReadonlyMap<string, number>): Map<string, number> {
  return new Map(Array.from(ratios, ([name, ratio]) => [name, keptCount(param(weights, name).numel, ratio)]));
}

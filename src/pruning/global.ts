import { mapParams, type Params } from "../nn/index.js";
import { ops, type Tensor } from "../torch/index.js";
import { keptCount } from "./kept-count.js";
import type { Masks } from "./mask.js";
import { keepLargest } from "./select.js";

/**
 * The `kept` largest values of all layers together: how many of each layer they are. Of equal values the earlier layer's,
 * and in it the one of lower index, goes first.
 */
export function globalCounts(values: Params, kept: number): Map<string, number> {
  const mask = keepLargest(ops.cat(Array.from(values.values(), (value) => ops.reshape(value, [-1]))), kept);
  let from = 0;
  return new Map(
    Array.from(values, ([name, { numel }]) => {
      const here = ops.narrow(mask, 0, from, numel);
      from += numel;
      return [name, ops.countNonzero(here).item()];
    }),
  );
}

/** The keptCount(p, keepRatio) largest |score| of all p scores together. */
export function globalMasks(scores: Params, keepRatio: number): Masks {
  const magnitudes = mapParams(scores, (score) => ops.abs(score));
  const total = Array.from(scores.values(), ({ numel }) => numel).reduce((a, b) => a + b, 0);
  const counts = globalCounts(magnitudes, keptCount(total, keepRatio));
  return mapParams(magnitudes, (values: Tensor, name) => keepLargest(values, counts.get(name) as number));
}

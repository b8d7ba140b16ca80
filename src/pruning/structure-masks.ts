import { mapParams, type Params, param } from "../nn/index.js";
import { ops, scope, type Tensor } from "../torch/index.js";
import type { Masks } from "./mask.js";
import { keepLargest } from "./select.js";
import { type Grouping, groupSum, type Layout, type Pattern, spreadOver } from "./structure.js";

/** How many of a layer's groups stay. */
export type GroupCount = (name: string, groups: number) => number;

const flat = (tensor: Tensor) => ops.reshape(tensor, [-1]);

/** |s| of each group, summed over the layers that share its mask: [groups]. */
function importance(scores: Params, tied: readonly string[]): Tensor {
  const [first, ...rest] = tied.map((name) => flat(ops.abs(param(scores, name))));
  return rest.reduce((sum, next) => ops.add(sum, next), first as Tensor);
}

/**
 * 1 for the n largest of each m consecutive input channels, else 0; of equal values the lower index goes first. Each of
 * the m is compared with each other one, which for the small m of this structure costs less than sorting.
 */
export function keepPattern(magnitudes: Tensor, { n, m }: Pattern): Tensor {
  const [out = 1, inputs = 1, ...kernel] = magnitudes.shape;
  const blocks = ops.reshape(ops.contiguous(magnitudes), [out, inputs / m, m, ...kernel]);
  const at = Array.from({ length: m }, (_, i) => ops.select(blocks, 2, i));
  // How many of its block come before it.
  const ranks = at.map((values) => ops.zerosLike(values));
  at.forEach((lower, i) => {
    at.slice(i + 1).forEach((higher, j) => {
      const wins = ops.to(ops.gt(lower, higher), magnitudes.dtype);
      ops.add_(ranks[i + 1 + j] as Tensor, wins);
      ops.add_(ranks[i] as Tensor, ops.to(ops.le(lower, higher), magnitudes.dtype));
    });
  });
  const kept = ops.to(ops.lt(ops.stack(ranks, { dim: 2 }), n), magnitudes.dtype);
  const mask = ops.reshape(kept, magnitudes.shape);
  return magnitudes.isChannelsLast ? ops.contiguous(mask, { memoryFormat: "channels_last" }) : mask;
}

/** Masks shaped like the weights: per layer, or per set of layers that share one, the groups of largest |score|. */
export function structuredMasks(scores: Params, layout: Layout, count: GroupCount): Masks {
  const shared = new Map<string, Tensor>();
  const groupsOf = (name: string, { tied }: Grouping): Tensor => {
    const [first = name] = tied;
    const found = shared.get(first);
    if (found) return found;
    const values = importance(scores, tied);
    const mask = keepLargest(values, count(first, values.numel));
    shared.set(first, mask);
    return mask;
  };
  return mapParams(scores, (score, name) => {
    const grouping = layout.weights.get(name) as Grouping;
    if (grouping.whole) return ops.expand(ops.ones([], { dtype: score.dtype }), grouping.shape);
    if (layout.pattern) return scope(() => keepPattern(ops.abs(score), layout.pattern as Pattern));
    return spreadOver(ops.reshape(groupsOf(name, grouping), grouping.scores), grouping);
  });
}

/**
 * dL/ds of each group: sign(s) times the sum of w ⊙ dL/dθ over all entries that its mask covers, those of layers that
 * share it included.
 */
export function structuredGradient(
  scores: Params,
  layout: Layout,
  at: { readonly weights: Params; readonly weightGradients: Params },
): Map<string, Tensor> {
  const arrived = (name: string) =>
    groupSum(ops.mul(param(at.weights, name), param(at.weightGradients, name)), layout.weights.get(name) as Grouping);
  const own = mapParams(scores, (_, name) => arrived(name));
  return mapParams(scores, (score, name) => {
    const { tied } = layout.weights.get(name) as Grouping;
    const [first, ...rest] = tied.map((other) => flat(param(own, other)));
    const sum = rest.reduce((total, next) => ops.add(total, next), first as Tensor);
    return ops.mul(ops.sign(score), ops.reshape(sum, score.shape));
  });
}

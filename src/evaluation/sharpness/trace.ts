// The trace of a symmetric operator by Hutchinson's estimator (Hutchinson 1989): E[v . A v] = tr A for v of independent
// random signs. The part of v . A v in one layer estimates the trace of that layer's block.
import { mapParams, type Params, param } from "../../nn/index.js";
import { manualSeed, ops, scope, type Tensor } from "../../torch/index.js";
import type { Rng } from "../../util/index.js";
import { dot } from "./vectors.js";

/** A mean over random draws. */
export interface Estimate {
  readonly value: number;
  /** Standard deviation of the draws over the root of their number; null of a single draw. */
  readonly standardError: number | null;
}

export function estimate(draws: readonly number[]): Estimate {
  const n = draws.length;
  const mean = draws.reduce((a, b) => a + b, 0) / n;
  if (n < 2) return { value: mean, standardError: null };
  const variance = draws.reduce((sum, x) => sum + (x - mean) ** 2, 0) / (n - 1);
  return { value: mean, standardError: Math.sqrt(variance / n) };
}

function signs(like: Params, rng: Rng): Map<string, Tensor> {
  return mapParams(like, (tensor, name) => {
    manualSeed(rng.at(name));
    return ops.sub_(ops.mul_(ops.bernoulli_(ops.emptyLike(tensor)), 2), 1);
  });
}

/** `times` is the operator on tensors shaped like those of `like`. */
export function hutchinson(
  times: (v: Params) => Params,
  like: Params,
  { probes, rng }: { readonly probes: number; readonly rng: Rng },
): { readonly total: Estimate; readonly layers: Readonly<Record<string, Estimate>> } {
  const draws = Array.from({ length: probes }, (_, i) =>
    scope(() => {
      const v = signs(like, rng.at("probe", i));
      const image = times(v);
      return new Map(Array.from(v, ([name, tensor]) => [name, dot(tensor, param(image, name))]));
    }),
  );
  const sum = (draw: ReadonlyMap<string, number>) => [...draw.values()].reduce((a, b) => a + b, 0);
  const layer = (name: string) => estimate(draws.map((draw) => draw.get(name) as number));
  return {
    total: estimate(draws.map(sum)),
    layers: Object.fromEntries(Array.from(like.keys(), (name) => [name, layer(name)])),
  };
}

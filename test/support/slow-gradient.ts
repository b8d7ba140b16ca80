// The gradient of scores as a sum over entries, one by one, with each structure written out in words.
import { type Params, param } from "../../src/nn/index.js";
import type { MethodState, StructureName } from "../../src/pruning/index.js";

/** The flat index of the score that an entry of a weight belongs to. */
export function groupAt(
  structure: StructureName,
  of: { readonly scores: readonly number[]; readonly shape: readonly number[] },
  at: readonly number[],
): number {
  const [o = 0, i = 0, h = 0, w = 0] = at;
  const [, inputs = 1, height = 1, width = 1] = of.shape;
  if (structure === "filters") return o;
  if (structure === "channels") return Math.floor(i / (inputs / (of.scores[1] as number)));
  if (structure === "kernels") return o * inputs + i;
  if (structure === "rows") return (o * inputs + i) * height + h;
  return ((o * inputs + i) * height + h) * width + w;
}

/** Every index of a tensor of this shape, in row-major order. */
export function* indices(shape: readonly number[]): Generator<number[]> {
  const strides = shape.map((_, i) => shape.slice(i + 1).reduce((a, b) => a * b, 1));
  const total = shape.reduce((a, b) => a * b, 1);
  for (let flat = 0; flat < total; flat++) {
    yield shape.map((extent, i) => Math.floor(flat / (strides[i] as number)) % extent);
  }
}

/** sign(s) times the sum of w dL/dθ over every entry of every weight that the score's group covers. */
export function slowGradient(state: MethodState, weights: Params, gradients: Params): Map<string, number[]> {
  const structure = state.layout?.structure ?? "weights";
  return new Map(
    Array.from(state.scores, ([name, score]) => {
      const sums = new Array<number>(score.numel).fill(0);
      for (const other of state.layout?.weights.get(name)?.tied ?? [name]) {
        const weight = param(weights, other);
        const [values, arrived] = [weight.toNumbers(), param(gradients, other).toNumbers()];
        const of = { scores: param(state.scores, other).shape, shape: weight.shape };
        let flat = 0;
        for (const at of indices(weight.shape)) {
          const group = groupAt(structure, of, at);
          sums[group] = (sums[group] as number) + (values[flat] as number) * (arrived[flat] as number);
          flat++;
        }
      }
      return [name, score.toNumbers().map((s, i) => Math.sign(s) * (sums[i] as number))] as const;
    }),
  );
}

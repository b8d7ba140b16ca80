import { noGrad, ops, scope, type Tensor, tensor } from "../../src/torch/index.js";

/** Central differences of a scalar function of `at` (float64), one entry at a time; all entries, or those named. */
export function finiteDifferences(
  f: (at: Tensor) => Tensor | number,
  at: Tensor,
  options: { readonly step?: number; readonly entries?: readonly number[] } = {},
): number[] {
  if (at.dtype !== "float64") throw new Error(`finiteDifferences: expected float64, got ${at.dtype}`);
  const { step = 1e-6, entries = Array.from({ length: at.numel }, (_, i) => i) } = options;
  const values = Float64Array.from(ops.detach(at).toNumbers());
  const valueWith = (entry: number, change: number) => {
    const moved = values.slice();
    moved[entry] = (moved[entry] as number) + change;
    const result = noGrad(() => scope(() => f(tensor(moved, at.shape))));
    return typeof result === "number" ? result : result.item();
  };
  return entries.map((entry) => (valueWith(entry, step) - valueWith(entry, -step)) / (2 * step));
}

import type { Params } from "../nn/index.js";
import { ops, scope, type Tensor } from "../torch/index.js";

/** The same values as leaves of autograd; gradients are wanted for `names`. */
export function asLeaves(params: Params, names: ReadonlySet<string>): Map<string, Tensor> {
  return new Map(
    Array.from(params, ([name, tensor]) => {
      const detached = ops.detach(tensor);
      return [name, names.has(name) ? detached.setRequiresGrad(true) : detached];
    }),
  );
}

/** Share of the rows of logits [N,K] whose largest entry is the label's, y [N]. */
export function shareCorrect(logits: Tensor, y: Tensor): number {
  return scope(() => ops.sum(ops.eq(ops.argmax(logits, { dim: 1 }), y)).item() / (y.shape[0] ?? 1));
}

import type { Params } from "../nn/index.js";
import type { Stage } from "../run/index.js";
import { noGrad, ops, scope } from "../torch/index.js";
import { expected, S2apError } from "../util/index.js";

export function notFinite(stage: Stage, step: number, what: string, value: number): S2apError {
  const seen = expected(`${stage}, step ${step}`, `${what} to be finite`, value);
  return new S2apError(`${seen}; the last checkpoint stands. Lower the learning rate, or look at the data`, {
    code: "not-finite",
  });
}

/** Throws, naming step and tensor, when an entry is NaN or infinite: before the optimiser spreads it. */
export function assertFinite(stage: Stage, step: number, gradients: Params): void {
  noGrad(() =>
    scope(() => {
      for (const [name, gradient] of gradients) {
        const sum = ops.sum(ops.abs(gradient)).item();
        if (!Number.isFinite(sum)) throw notFinite(stage, step, `the gradient of ${name}`, sum);
      }
    }),
  );
}

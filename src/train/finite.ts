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

/** Throws, naming step and tensor, when an entry is NaN or infinite; a sum shows either. */
export function assertFinite(stage: Stage, step: number, what: string, tensors: Params): void {
  noGrad(() =>
    scope(() => {
      for (const [name, tensor] of tensors) {
        const sum = ops.sum(tensor).item();
        if (!Number.isFinite(sum)) throw notFinite(stage, step, `${what} ${name}`, sum);
      }
    }),
  );
}

import { z } from "zod";
import type { Params } from "../nn/index.js";
import { keep, noGrad, ops, scope, type Tensor } from "../torch/index.js";
import { entry, expected, parseOptions, registry, UsageError } from "../util/index.js";
import { constant, type Progress, type Schedule } from "./schedule.js";

export const sgdOptions = z.strictObject({
  lr: z.number().min(0).describe("peak learning rate"),
  momentum: z.number().min(0).lt(1).default(0).describe("default 0"),
  weightDecay: z.number().min(0).default(0).describe("coefficient of p added to its gradient; default 0"),
  nesterov: z.boolean().default(false).describe("default false; needs momentum"),
});

/** Momentum buffers by parameter name; one is made when a parameter first has a gradient. */
export type OptimizerState = Map<string, Tensor>;

export interface StepOptions {
  /** Parameters that weight decay leaves alone; default none. */
  readonly undecayed?: ReadonlySet<string> | undefined;
}

/** Updates parameters in place from gradients. What it remembers is data that the caller owns and saves. */
export interface Optimizer {
  readonly name: string;
  readonly weightDecay: number;
  lr(progress: Progress): number;
  /** One step; parameters without a gradient are skipped entirely, weight decay included. */
  step(params: Params, gradients: Params, state: OptimizerState, progress: Progress, options?: StepOptions): void;
}

interface Factors {
  readonly rate: number;
  readonly decay: number;
}

/**
 * Stochastic gradient descent with PyTorch's semantics: `g += weightDecay p`; `buf = g` at first, then
 * `buf = momentum buf + g`; `p -= lr buf`, or with Nesterov `p -= lr (g + momentum buf)`.
 */
export function sgd(options: z.input<typeof sgdOptions> & { readonly schedule?: Schedule }): Optimizer {
  const { schedule = constant(), ...rest } = options;
  const { lr, momentum, weightDecay, nesterov } = parseOptions("sgd", sgdOptions, rest);
  if (nesterov && momentum === 0) throw new UsageError(expected("sgd", "momentum above 0 with nesterov", momentum));
  const update = (
    name: string,
    parameter: Tensor,
    gradient: Tensor,
    state: OptimizerState,
    { rate, decay }: Factors,
  ) => {
    const decayed = decay === 0 ? gradient : ops.add(gradient, parameter, { alpha: decay });
    if (momentum === 0) {
      ops.add_(parameter, decayed, { alpha: -rate });
      return;
    }
    const buffer = state.get(name);
    const moved = buffer ?? keep(ops.clone(decayed), { forever: true });
    if (buffer) ops.add_(ops.mul_(buffer, momentum), decayed);
    else state.set(name, moved);
    ops.add_(parameter, nesterov ? ops.add(decayed, moved, { alpha: momentum }) : moved, { alpha: -rate });
  };
  const rateAt = (progress: Progress) => lr * schedule.factor(progress);
  return {
    name: "sgd",
    weightDecay,
    lr: rateAt,
    step(params, gradients, state, progress, { undecayed } = {}) {
      const rate = rateAt(progress);
      noGrad(() =>
        scope(() => {
          for (const [name, parameter] of params) {
            const gradient = gradients.get(name);
            const decay = undecayed?.has(name) ? 0 : weightDecay;
            if (gradient) update(name, parameter, gradient, state, { rate, decay });
          }
        }),
      );
    },
  };
}

/** What an optimiser is built from besides its options. */
export interface OptimizerContext {
  readonly schedule: Schedule;
}

export const optimizers = registry("optimizer", {
  sgd: entry({
    summary: "stochastic gradient descent with momentum, weight decay and Nesterov",
    options: sgdOptions,
    create: (options, { schedule }: OptimizerContext) => sgd({ ...options, schedule }),
  }),
});

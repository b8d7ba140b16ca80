import type { Passes } from "../nn/index.js";
import type { Objective } from "../sharpness/index.js";

/** What a step cost, in passes over those of the host alone: 1 is `plain`. */
export interface StepCost {
  readonly forwardCost: number;
  readonly backwardCost: number;
}

export interface Metered {
  readonly objective: Objective;
  /** After the step. */
  cost(): StepCost;
}

/**
 * An objective that watches the pass counter. A step's first evaluation, with the crafting of its adversarial examples,
 * is all that the host does alone; what a gradient asks for after it is on top.
 */
export function metered(objective: Objective, passes: Passes): Metered {
  const before = { ...passes };
  let host: Passes | undefined;
  const over = (kind: keyof Passes, done: Passes) => (passes[kind] - before[kind]) / (done[kind] - before[kind]);
  return {
    objective: {
      ...objective,
      evaluate(at, statistics, options) {
        const found = objective.evaluate(at, statistics, options);
        host ??= { ...passes };
        return found;
      },
    },
    cost() {
      const done = host ?? passes;
      return { forwardCost: over("forward", done), backwardCost: over("backward", done) };
    },
  };
}

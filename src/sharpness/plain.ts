import type { ScoreGradient } from "./gradient.js";

/** The gradient at the scores: the host method as it is. */
export function plain(): ScoreGradient {
  return {
    name: "plain",
    warmup: () => 0,
    compute(scores, objective) {
      const { loss, scores: gradient, rest } = objective.evaluate({ scores }, "update");
      return { loss, scores: gradient, rest, log: {} };
    },
  };
}

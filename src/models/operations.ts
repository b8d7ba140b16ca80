import { type LayerRun, param } from "../nn/index.js";
import { noGrad, ops, scope } from "../torch/index.js";
import type { Model } from "./model.js";

/** The convolutions and linear layers that one image's forward pass runs, by name and in order. */
export function layerRuns(model: Model): Map<string, LayerRun> {
  const runs = new Map<string, LayerRun>();
  const observe = (run: LayerRun) => runs.set(run.name, run);
  noGrad(() =>
    scope(() => {
      const { params, buffers } = model;
      const { dtype } = param(params, model.prunable[0] as string);
      const image = ops.zeros([1, ...model.inputShape], { dtype });
      model.forward({ params, buffers, observe }, image, { batchNorm: "running" });
    }),
  );
  return runs;
}

/**
 * Multiplications of one image's forward pass in convolutions and linear layers, zero weights included; attention's own
 * products, which have no weights, are not.
 */
export function multiplications(model: Model): number {
  return [...layerRuns(model).values()].reduce((sum, { name, output }) => {
    const [, ...inputs] = param(model.params, `${name}.weight`).shape;
    return sum + [...output, ...inputs].reduce((a, b) => a * b, 1);
  }, 0);
}

import { manualSeed, ops, scope } from "../../dist/torch/index.js";
import { rng } from "../../dist/util/index.js";

/** Synthetic images in [0, 1], channels_last, and labels: the time of a step does not depend on what is seen. */
export function randomBatch(size, seed, side = 32) {
  return scope(() => {
    manualSeed(rng(seed, "bench"));
    const x = ops.uniform_(ops.empty([size, 3, side, side]));
    const y = ops.to(ops.floor(ops.mul(ops.uniform_(ops.empty([size])), 10)), "int64");
    return { x: ops.contiguous(x, { memoryFormat: "channels_last" }), y };
  });
}

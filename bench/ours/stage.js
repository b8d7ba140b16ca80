// What our stages are timed with: a network whose forward passes are counted, and an epoch without an end.

import { synthetic } from "../../dist/data/index.js";

/** The model; every forward pass is added to `counts.forwards`. */
export function counting(model, counts) {
  return {
    ...model,
    forward(...args) {
      counts.forwards += 1;
      return model.forward(...args);
    },
  };
}

/** Four generated batches over and over, and a selection of one image, so that nothing but steps takes time. */
export function endlessImages(batch, seed) {
  const { train, selection } = synthetic({
    batchSize: batch,
    examples: 4 * batch,
    selection: 1,
    testExamples: 1,
    seed,
  });
  const endless = { ...train, steps: 1e6, batch: (epoch, index, key) => train.batch(epoch, index % train.steps, key) };
  return { train: endless, selection };
}

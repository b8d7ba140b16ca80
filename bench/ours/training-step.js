// Our training step, the counterpart of peers/training_step.py: forward, cross-entropy, backward, SGD.

import { resnet18 } from "../../dist/models/index.js";
import { mapParams } from "../../dist/nn/index.js";
import { sgd } from "../../dist/optim/index.js";
import { autocast, grad, ops, scope } from "../../dist/torch/index.js";
import { randomBatch } from "./batch.js";
import { serve } from "./protocol.js";

function prepare({ width, batch, dtype, seed }) {
  const { params, buffers, forward } = resnet18({ width, seed });
  mapParams(params, (parameter) => parameter.setRequiresGrad(true));
  const { x, y } = randomBatch(batch, seed);
  const optimizer = sgd({ lr: 0.02, momentum: 0.9, weightDecay: 5e-4 });
  const progress = { step: 0, steps: 1, epoch: 0, epochs: 1 };
  const momentum = new Map();
  const step = () =>
    scope(() => {
      const loss = autocast(dtype, () =>
        ops.crossEntropyLoss(forward({ params, buffers }, x, { batchNorm: "update" }), y),
      );
      const names = [...params.keys()];
      const gradients = grad(loss, [...params.values()]);
      optimizer.step(params, new Map(names.map((name, i) => [name, gradients[i]])), momentum, progress);
      return loss.item();
    });
  return { step, counts: {} };
}

await serve(prepare);

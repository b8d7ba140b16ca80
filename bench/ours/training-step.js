// Our training step, the counterpart of peers/training_step.py: forward, cross-entropy, backward, SGD.

import { resnet18 } from "../../dist/models/index.js";
import { sgd } from "../../dist/optim/index.js";
import { autocast, grad, ops, scope } from "../../dist/torch/index.js";
import { randomBatch } from "./batch.js";
import { options, turnTaker } from "./protocol.js";

const { width, batch, dtype, seed } = options();
const { params, buffers, forward } = resnet18({ width, seed });
for (const parameter of params.values()) parameter.setRequiresGrad(true);
const { x, y } = randomBatch(batch, seed);
const optimizer = sgd({ lr: 0.02, momentum: 0.9, weightDecay: 5e-4 });
const progress = { step: 0, steps: 1, epoch: 0, epochs: 1 };
const momentum = new Map();

function step() {
  const loss = autocast(dtype, () => ops.crossEntropyLoss(forward({ params, buffers }, x, { batchNorm: "update" }), y));
  const gradients = grad(loss, [...params.values()]);
  optimizer.step(params, new Map([...params.keys()].map((name, i) => [name, gradients[i]])), momentum, progress);
  return loss.item();
}

const takeTurn = turnTaker({});
takeTurn();
while (true) takeTurn(scope(step));

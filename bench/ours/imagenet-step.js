// A training step of ImageNet's ResNet-50 on a batch that is in memory: forward, cross-entropy, backward, SGD.

import { imagenetResnet50 } from "../../dist/models/index.js";
import { sgd } from "../../dist/optim/index.js";
import { grad, ops, scope } from "../../dist/torch/index.js";
import { randomBatch } from "./batch.js";
import { options, turnTaker } from "./protocol.js";

const { batch, seed } = options();
const { params, buffers, forward } = imagenetResnet50({ seed });
for (const parameter of params.values()) parameter.setRequiresGrad(true);
const { x, y } = randomBatch(batch, seed, 224);
const optimizer = sgd({ lr: 0.01, momentum: 0.9, weightDecay: 1e-4 });
const progress = { step: 0, steps: 1, epoch: 0, epochs: 1 };
const momentum = new Map();

function step() {
  const loss = ops.crossEntropyLoss(forward({ params, buffers }, x, { batchNorm: "update" }), y);
  const gradients = grad(loss, [...params.values()]);
  optimizer.step(params, new Map([...params.keys()].map((name, i) => [name, gradients[i]])), momentum, progress);
  return loss.item();
}

const takeTurn = turnTaker({});
takeTurn();
while (true) takeTurn(scope(step));

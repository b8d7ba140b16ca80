// Our finetuning step as the product runs it: the stage itself, paused after each step while the other contender works.
// Options: width, batch, loss ("pgd" or "trades"), attackSteps, dtype, weightGradient ("plain" or "awp"), seed.

import { linf, pgd } from "../../dist/attacks/index.js";
import { synthetic } from "../../dist/data/index.js";
import { pgdAt, trades } from "../../dist/losses/index.js";
import { resnet18 } from "../../dist/models/index.js";
import { sgd } from "../../dist/optim/index.js";
import { magnitude } from "../../dist/pruning/index.js";
import { awpWeights, finetune, plainWeights } from "../../dist/train/index.js";
import { rng } from "../../dist/util/index.js";
import { options, turnTaker } from "./protocol.js";

const { width, batch, loss, attackSteps, dtype, weightGradient, seed } = options();
const counts = { forwards: 0 };

const model = resnet18({ width, seed });
const counted = {
  ...model,
  forward(...args) {
    counts.forwards += 1;
    return model.forward(...args);
  },
};
const method = magnitude({ keepRatio: 0.1 });
const masks = method.masks(method.init(model, rng(seed)));

const attack = pgd(linf({ eps: "8/255" }), { steps: attackSteps, stepSize: "2/255" });
const { train, selection } = synthetic({ batchSize: batch, examples: 4 * batch, selection: 1, testExamples: 1, seed });
const endless = { ...train, steps: 1e6, batch: (epoch, index, key) => train.batch(epoch, index % train.steps, key) };

const takeTurn = turnTaker(counts);
takeTurn();
await finetune(counted, {
  train: endless,
  selection,
  masks,
  loss: { pgd: pgdAt, trades }[loss](attack),
  optimizer: sgd({ lr: 0.01, momentum: 0.9, weightDecay: 5e-4 }),
  epochs: 1,
  weightGradient: { plain: plainWeights, awp: awpWeights }[weightGradient](),
  precision: dtype,
  seed,
  onProgress: (progress) => takeTurn(progress.loss),
});

// Our finetuning step as the product runs it: the stage itself, paused after each step while the other contender works.
// Options: width, batch, loss ("pgd" or "trades"), attackSteps, dtype, weightGradient ("plain" or "awp"), seed.

import { linf, pgd } from "../../dist/attacks/index.js";
import { pgdAt, trades } from "../../dist/losses/index.js";
import { resnet18 } from "../../dist/models/index.js";
import { sgd } from "../../dist/optim/index.js";
import { magnitude } from "../../dist/pruning/index.js";
import { awpWeights, finetune, plainWeights } from "../../dist/train/index.js";
import { rng } from "../../dist/util/index.js";
import { options, turnTaker } from "./protocol.js";
import { counting, endlessImages } from "./stage.js";

const { width, batch, loss, attackSteps, dtype, weightGradient, seed } = options();
const counts = { forwards: 0 };

const model = counting(resnet18({ width, seed }), counts);
const method = magnitude({ keepRatio: 0.1 });
const masks = method.masks(method.init(model, rng(seed)));

const attack = pgd(linf({ eps: "8/255" }), { steps: attackSteps, stepSize: "2/255" });
const images = endlessImages(batch, seed);

const takeTurn = turnTaker(counts);
takeTurn();
await finetune(model, {
  ...images,
  masks,
  loss: { pgd: pgdAt, trades }[loss](attack),
  optimizer: sgd({ lr: 0.01, momentum: 0.9, weightDecay: 5e-4 }),
  epochs: 1,
  weightGradient: { plain: plainWeights, awp: awpWeights }[weightGradient](),
  precision: dtype,
  seed,
  onProgress: (progress) => takeTurn(progress.loss),
});

// Our search step as the product runs it: the stage itself, paused after each step while the other contender works.
// Options: width, batch, loss ("pgd" or "trades"), attackSteps, dtype, gradient ("plain" or "s2ap"), method
// ("hydra", the default, or "harp"), seed.

import { linf, pgd } from "../../dist/attacks/index.js";
import { pgdAt, trades } from "../../dist/losses/index.js";
import { resnet18 } from "../../dist/models/index.js";
import { sgd } from "../../dist/optim/index.js";
import { harp, hydra } from "../../dist/pruning/index.js";
import { plain, s2ap } from "../../dist/sharpness/index.js";
import { search } from "../../dist/train/index.js";
import { options, turnTaker } from "./protocol.js";
import { counting, endlessImages } from "./stage.js";

const { width, batch, loss, attackSteps, dtype, gradient, method: host = "hydra", seed } = options();
const counts = { forwards: 0, maskBuilds: 0 };

const model = counting(resnet18({ width, seed }), counts);
const method = { hydra, harp }[host]({ keepRatio: 0.1 });
const countedMethod = {
  ...method,
  masks(state) {
    counts.maskBuilds += state.scores.size;
    return method.masks(state);
  },
};

const attack = pgd(linf({ eps: "8/255" }), { steps: attackSteps, stepSize: "2/255" });
const images = endlessImages(batch, seed);

const takeTurn = turnTaker(counts);
takeTurn();
await search(model, {
  ...images,
  loss: { pgd: pgdAt, trades }[loss](attack),
  optimizer: sgd({ lr: 0.1, momentum: 0.9, weightDecay: 1e-4 }),
  epochs: 1,
  method: countedMethod,
  gradient: gradient === "s2ap" ? s2ap({ gamma: 0.01, warmupEpochs: 0 }) : plain(),
  precision: dtype,
  seed,
  onProgress: (progress) => takeTurn(progress.loss),
});

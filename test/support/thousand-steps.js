// Trains a tiny network for a thousand steps and prints [live tensors, their bytes, resident memory] of every tenth.
// V8 lets its own garbage grow by tens of megabytes before it collects, so it is told to: run with --expose-gc.
// Argument: the stage.
import { linf, pgd } from "../../dist/attacks/index.js";
import { synthetic } from "../../dist/data/index.js";
import { pgdAt, trades } from "../../dist/losses/index.js";
import { resnet18 } from "../../dist/models/index.js";
import { sgd } from "../../dist/optim/index.js";
import { hydra } from "../../dist/pruning/index.js";
import { s2ap } from "../../dist/sharpness/index.js";
import { liveBytes, liveTensors } from "../../dist/torch/index.js";
import { pretrain, search } from "../../dist/train/index.js";

const stage = process.argv[2];
const data = { numClasses: 4, size: 16, examples: 80, selection: 8, testExamples: 1, batchSize: 8 };
const { train, selection } = synthetic(data);
const attack = pgd(linf({ eps: "8/255" }), { steps: 1 });
const model = resnet18({ width: 4, imageSize: 16, numClasses: 4 });
const measured = [];
let step = 0;
const common = {
  train,
  selection,
  selectionAttack: attack,
  optimizer: sgd({ lr: 0.01, momentum: 0.9 }),
  epochs: 100,
  onProgress: () => {
    step += 1;
    if (step % 10 !== 0) return;
    globalThis.gc();
    measured.push([liveTensors(), liveBytes(), process.memoryUsage.rss()]);
  },
};

if (stage === "pretrain") await pretrain(model, { ...common, loss: trades(attack) });
else {
  const gradient = s2ap({ gamma: 0.1, warmupEpochs: 1 });
  await search(model, { ...common, loss: pgdAt(attack), method: hydra({ keepRatio: 0.1 }), gradient });
}
console.log(JSON.stringify({ step, measured }));

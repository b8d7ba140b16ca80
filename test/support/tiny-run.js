// A whole tiny run in a folder: pretrain, search with S2AP, finetune; for tests that kill it. Prints a line when it begins.
// usage: node tiny-run.js FOLDER [checkpointSeconds]
import {
  finetune,
  hydra,
  linf,
  openRun,
  pgd,
  pgdAt,
  pretrain,
  resnet18,
  s2ap,
  search,
  sgd,
  synthetic,
} from "../../dist/index.js";

const [folder, checkpointSeconds = "0"] = process.argv.slice(2);
const { train, selection } = synthetic({
  batchSize: 32,
  augment: true,
  examples: 128,
  selection: 32,
  testExamples: 32,
  size: 16,
  numClasses: 4,
});
const threat = linf({ eps: "4/255" });
const run = openRun(folder, { seed: 7, name: "tiny" });
const common = {
  train,
  selection,
  loss: pgdAt(pgd(threat, { steps: 2 })),
  optimizer: sgd({ lr: 0.05, momentum: 0.9, weightDecay: 5e-4 }),
  selectionAttack: pgd(threat, { steps: 2 }),
  checkpointSeconds: Number(checkpointSeconds),
  run,
  onWarning: (message) => console.error(message),
};
console.log("begun");
const dense = await pretrain(resnet18({ numClasses: 4, width: 8, imageSize: 16 }), { ...common, epochs: 3 });
const gradient = s2ap({ gamma: 0.05, warmupEpochs: 1 });
const { model, masks } = await search(dense, { ...common, epochs: 3, method: hydra({ keepRatio: 0.1 }), gradient });
await finetune(model, { ...common, masks, epochs: 3 });
run.close();
console.log("done");

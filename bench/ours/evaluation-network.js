// What an evaluation is timed on: a ResNet18 of width 16, or a folder with a described network (arch.json,
// weights.safetensors, inputs.safetensors, and the radius of its claim in summary.json).

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { linf, pgd } from "../../dist/attacks/index.js";
import { cifar10, describedImages, synthetic } from "../../dist/data/index.js";
import { pgdAt } from "../../dist/losses/index.js";
import { describedModel, resnet18 } from "../../dist/models/index.js";
import { loadTensors } from "../../dist/nn/index.js";
import { oneCycle, sgd } from "../../dist/optim/index.js";
import { loadModel } from "../../dist/recipe/model-file.js";
import { pretrain } from "../../dist/train/index.js";

/** Network, test images and threat: of `folder`, of `run` (a model.safetensors of CIFAR-10), else trained here. */
export async function evaluated({ folder, run }) {
  if (folder) return described(folder);
  if (!run) return trained();
  const { test } = await cifar10({ selection: 0 });
  return { model: loadModel(run), test, threat: linf({ eps: "8/255" }) };
}

function described(folder) {
  const json = (file) => JSON.parse(readFileSync(join(folder, file), "utf8"));
  const model = describedModel(json("arch.json"), loadTensors(join(folder, "weights.safetensors")).tensors);
  const { inputShape, numClasses } = model;
  const test = describedImages(join(folder, "inputs.safetensors"), { inputShape, numClasses });
  return { model, test, threat: linf({ eps: json("summary.json").eps.Linf }) };
}

/** A minute of adversarial training on generated images, the same bits each time; the radius breaks some of them. */
async function trained() {
  const { train, selection, test } = synthetic({ batchSize: 64, augment: false, examples: 512, selection: 1 });
  const attack = pgd(linf({ eps: "8/255" }), { steps: 1, stepSize: "8/255" });
  const model = await pretrain(resnet18({ width: 16, seed: 1 }), {
    train,
    selection,
    loss: pgdAt(attack),
    optimizer: sgd({ lr: 0.1, momentum: 0.9, weightDecay: 5e-4, schedule: oneCycle() }),
    epochs: 6,
    choose: "last",
    seed: 1,
  });
  return { model, test, threat: linf({ eps: "12/255" }) };
}

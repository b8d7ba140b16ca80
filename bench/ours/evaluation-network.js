// What an evaluation is timed on, as arguments of `s2ap eval`: a folder with a described network (arch.json,
// weights.safetensors, inputs.safetensors, and the radius of its claim in summary.json), a run of CIFAR-10, or a ResNet18 of
// width 16 that is trained here.

import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { linf, pgd } from "../../dist/attacks/index.js";
import { synthetic } from "../../dist/data/index.js";
import { pgdAt } from "../../dist/losses/index.js";
import { resnet18 } from "../../dist/models/index.js";
import { oneCycle, sgd } from "../../dist/optim/index.js";
import { saveModel } from "../../dist/recipe/model-file.js";
import { pretrain } from "../../dist/train/index.js";
import { evaluationArguments, runArguments } from "../networks.js";

export async function evaluated({ folder, run }) {
  if (run) return runArguments(run);
  return folder ? evaluationArguments(folder) : trained();
}

/** A minute of adversarial training on generated images, the same bits each time; the radius breaks most of them. */
async function trained() {
  const data = { examples: 512, selection: 1 };
  const { train, selection } = synthetic({ batchSize: 64, augment: false, ...data });
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
  const path = join(mkdtempSync(join(tmpdir(), "s2ap-bench-")), "model.safetensors");
  saveModel(path, model);
  return [path, "--data", JSON.stringify({ name: "synthetic", ...data }), "--norm", "linf", "--eps", "20/255"];
}

// Every model through the three stages, small and for one step each: PGD adversarial training, HYDRA with S2AP, finetuning.
import { expect, test } from "vitest";
import { linf, pgd } from "../../src/attacks/index.js";
import { synthetic } from "../../src/data/index.js";
import { pgdAt } from "../../src/losses/index.js";
import { type Model, models } from "../../src/models/index.js";
import { disposeParams, type Params, param } from "../../src/nn/index.js";
import { sgd } from "../../src/optim/index.js";
import { hydra, keptCount } from "../../src/pruning/index.js";
import { s2ap } from "../../src/sharpness/index.js";
import { liveTensors, ops, scope } from "../../src/torch/index.js";
import { finetune, pretrain, search } from "../../src/train/index.js";
import { settledTensors } from "../support/settled.js";
import { freeModel } from "../support/tiny.js";
import { rows } from "./model-rows.js";

const CLASSES = 5;
const KEEP = 0.3;

function small(name: string): Model {
  const { options, create } = models.get(name);
  // The images are colourful.
  const channels = "channels" in options.shape ? { channels: 3 } : {};
  return create(options.parse({ ...rows[name]?.small, ...channels, numClasses: CLASSES }) as never, { seed: 0 });
}

const moved = (before: Params, after: Params) =>
  scope(() => [...before].filter(([name, value]) => !ops.equal(value, param(after, name))).map(([name]) => name));
const finite = (params: Params) =>
  scope(() => [...params.values()].every((value) => Boolean(ops.all(ops.isfinite(value)).item())));

test.each(models.names())("%s", async (name) => {
  const model = small(name);
  const data = synthetic({
    ...{ numClasses: CLASSES, size: model.inputShape[1], batchSize: 8, augment: false },
    ...{ examples: 8, selection: 4, testExamples: 1 },
  });
  const { train, selection } = data;
  const live = await settledTensors();
  const attack = pgd(linf({ eps: "8/255" }), { steps: 1 });
  const common = { train, selection, loss: pgdAt(attack), optimizer: sgd({ lr: 0.01 }), epochs: 1, seed: 1 };
  const stage = { ...common, selectionAttack: attack };

  const dense = await pretrain(model, stage);
  expect(moved(model.params, dense.params)).toEqual([...model.params.keys()]);
  const gradient = s2ap({ gamma: 0.1, warmupEpochs: 0 });
  const {
    model: searched,
    masks,
    history,
  } = await search(dense, { ...stage, method: hydra({ keepRatio: KEEP }), gradient });
  expect(history).toHaveLength(1);
  expect([...masks.keys()]).toEqual([...model.prunable]);
  for (const mask of masks.values()) expect(scope(() => ops.sum(mask).item())).toBe(keptCount(mask.numel, KEEP));
  const pruned = await finetune(searched, { ...stage, masks });
  expect(finite(pruned.params) && finite(pruned.buffers)).toBe(true);
  scope(() => {
    for (const [key, mask] of masks) {
      const weight = param(pruned.params, key);
      expect(ops.equal(weight, ops.mul(weight, mask)), key).toBe(true);
    }
  });

  disposeParams(masks);
  for (const each of [dense, searched, pruned]) freeModel(each);
  expect(liveTensors()).toBe(live);
  // Held until here: what nobody refers to could be collected in between.
  for (const { dataset } of [data.train, data.test])
    for (const tensor of [dataset.images, dataset.labels]) tensor.dispose();
  freeModel(model);
});

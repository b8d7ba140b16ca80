// The smallest network and data on which attacks, losses and pruning mean something.
import { linf, pgd } from "../../src/attacks/index.js";
import { type ResidentDataset, type Split, synthetic } from "../../src/data/index.js";
import { pgdAt } from "../../src/losses/index.js";
import { describedModel, type Model, withState } from "../../src/models/index.js";
import { batchNormInit, cloneParams, defaultInit, disposeParams, type Params } from "../../src/nn/index.js";
import { sgd } from "../../src/optim/index.js";
import type { Tensor } from "../../src/torch/index.js";
import { pretrain } from "../../src/train/index.js";
import { rng } from "../../src/util/index.js";

const CLASSES = 4;
const SIZE = 8;

const conv = (name: string, inputs: number, outputs: number, stride: number) => [
  { op: "conv2d", name, in: inputs, out: outputs, kernel: 3, stride, padding: 1, bias: false },
  { op: "batchnorm2d", name: `${name}_bn`, channels: outputs },
  { op: "relu" },
];
const description = {
  name: "tiny",
  input: [3, SIZE, SIZE],
  classes: CLASSES,
  ops: [
    ...conv("conv1", 3, 8, 1),
    ...conv("conv2", 8, 16, 2),
    { op: "flatten" },
    { op: "linear", name: "linear", in: 16 * (SIZE / 2) ** 2, out: CLASSES },
  ],
};

/** Two convolutions with batch norm and a linear layer, 3 x 8 x 8 images of 4 classes; untrained. */
export function tinyNet(seed = 0): Model {
  const params = new Map<string, Tensor>();
  const buffers = new Map<string, Tensor>();
  const key = rng(seed, "tiny");
  for (const [name, shape] of [
    ["conv1", [8, 3, 3, 3]],
    ["conv2", [16, 8, 3, 3]],
  ] as const) {
    defaultInit(params, name, shape, { bias: false, rng: key });
    batchNormInit(params, buffers, `${name}_bn`, shape[0]);
  }
  defaultInit(params, "linear", [CLASSES, 16 * (SIZE / 2) ** 2], { bias: true, rng: key });
  const model = describedModel(description, new Map([...params, ...buffers]));
  disposeParams(params, buffers);
  return model;
}

/** 64 images to train on in batches of 16, 32 to select on. */
export function tinyData(): { readonly train: Split<ResidentDataset>; readonly selection: Split } {
  return synthetic({
    numClasses: CLASSES,
    size: SIZE,
    examples: 64,
    selection: 32,
    testExamples: 1,
    batchSize: 16,
    augment: false,
  });
}

/** Trained on clean images for a few epochs: right on nearly all of them, and easy to fool. */
export async function trainedTiny(data = tinyData()): Promise<Model> {
  const untrained = tinyNet();
  const trained = await pretrain(untrained, {
    ...data,
    loss: pgdAt(pgd(linf({ eps: 0 }), { steps: 1 })),
    optimizer: sgd({ lr: 0.05, momentum: 0.9 }),
    epochs: 12,
    choose: "last",
    selectionAttack: pgd(linf({ eps: 0 }), { steps: 1 }),
  });
  freeModel(untrained);
  return trained;
}

/** The same network with tensors of its own. */
export function copyOf(model: Model): Model {
  return withState(model, { params: cloneParams(model.params), buffers: cloneParams(model.buffers) });
}

export function freeModel(model: Model): void {
  disposeParams(model.params, model.buffers);
}

/** Every value of every tensor, for comparing bit for bit. */
export function bits(...all: readonly Params[]): readonly (readonly [string, unknown])[] {
  return all.flatMap((params) => Array.from(params, ([name, tensor]) => [name, tensor.toArray()] as const));
}

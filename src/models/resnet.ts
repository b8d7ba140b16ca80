// Deep residual networks for 32 x 32 images (He, Zhang, Ren, Sun, CVPR 2016, arXiv 1512.03385), with the names and
// PyTorch's default initialisation that HYDRA and HARP use: 3 x 3 stem, four stages, batch norm behind every convolution.
import { z } from "zod";
import {
  type BatchNormMode,
  batchNorm,
  batchNormInit,
  conv2d,
  defaultInit,
  linear,
  type ModelState,
  widen,
} from "../nn/index.js";
import { ops, scope, type Tensor } from "../torch/index.js";
import { parseOptions, rng } from "../util/index.js";
import type { Model, Shortcuts, Stream } from "./model.js";

export const resnetOptions = z.strictObject({
  numClasses: z.int().min(2).default(10).describe("default 10"),
  width: z.int().min(1).default(64).describe("channels of the first stage; 64 is the standard network"),
  imageSize: z.int().min(8).default(32).describe("height and width of the input; default 32"),
});
export type ResnetOptions = z.input<typeof resnetOptions> & {
  /** Of the initial weights; default 0. */ readonly seed?: number;
};

interface Block {
  readonly name: string;
  readonly inputs: number;
  readonly outputs: number;
  readonly stride: number;
}

function blocksOf(depths: readonly number[], width: number): Block[] {
  let inputs = width;
  return depths.flatMap((depth, stage) =>
    Array.from({ length: depth }, (_, index) => {
      const outputs = width * 2 ** stage;
      const block = { name: `layer${stage + 1}.${index}`, inputs, outputs, stride: stage > 0 && index === 0 ? 2 : 1 };
      inputs = outputs;
      return block;
    }),
  );
}

const hasShortcut = (block: Block) => block.stride !== 1 || block.inputs !== block.outputs;

function runBlock(state: ModelState, block: Block, x: Tensor, mode: BatchNormMode): Tensor {
  const { name, stride } = block;
  const inner = ops.relu_(
    batchNorm(state, `${name}.bn1`, conv2d(state, `${name}.conv1`, x, { stride, padding: 1 }), mode),
  );
  const outer = batchNorm(state, `${name}.bn2`, conv2d(state, `${name}.conv2`, inner, { padding: 1 }), mode);
  const skip = hasShortcut(block)
    ? batchNorm(state, `${name}.shortcut.1`, conv2d(state, `${name}.shortcut.0`, x, { stride }), mode)
    : x;
  return ops.relu_(ops.add_(outer, skip));
}

function initialise(blocks: readonly Block[], width: number, numClasses: number, seed: number): ModelState {
  const params = new Map<string, Tensor>();
  const buffers = new Map<string, Tensor>();
  const key = rng(seed, "model");
  const conv = (name: string, shape: readonly number[]) => defaultInit(params, name, shape, { bias: false, rng: key });
  const norm = (name: string, channels: number) => batchNormInit(params, buffers, name, channels);
  conv("conv1", [width, 3, 3, 3]);
  norm("bn1", width);
  for (const block of blocks) {
    const { name, inputs, outputs } = block;
    conv(`${name}.conv1`, [outputs, inputs, 3, 3]);
    norm(`${name}.bn1`, outputs);
    conv(`${name}.conv2`, [outputs, outputs, 3, 3]);
    norm(`${name}.bn2`, outputs);
    if (!hasShortcut(block)) continue;
    conv(`${name}.shortcut.0`, [outputs, inputs, 1, 1]);
    norm(`${name}.shortcut.1`, outputs);
  }
  defaultInit(params, "linear", [numClasses, blocks.at(-1)?.outputs ?? width], { bias: true, rng: key });
  return { params, buffers };
}

function shortcutsOf(blocks: readonly Block[]): Shortcuts {
  const pairs = blocks.flatMap((block) => [
    [`${block.name}.conv1`, `${block.name}.bn1`],
    [`${block.name}.conv2`, `${block.name}.bn2`],
    ...(hasShortcut(block) ? [[`${block.name}.shortcut.0`, `${block.name}.shortcut.1`]] : []),
  ]) as [string, string][];
  return {
    norms: new Map([["conv1", "bn1"] as const, ...pairs].map(([conv, name]) => [conv, { name, eps: 1e-5 }])),
    hidden: new Map(blocks.map(({ name }) => [`${name}.conv1`, `${name}.conv2`])),
  };
}

/** Every stage adds to one stream, which the next one reads; each block has one of its own inside. */
function streamsOf(blocks: readonly Block[]): Stream[] {
  const streams: { writers: string[]; readers: string[] }[] = [{ writers: ["conv1"], readers: [] }];
  const hidden: Stream[] = [];
  for (const block of blocks) {
    const { name } = block;
    streams.at(-1)?.readers.push(`${name}.conv1`, ...(hasShortcut(block) ? [`${name}.shortcut.0`] : []));
    if (hasShortcut(block)) streams.push({ writers: [`${name}.shortcut.0`], readers: [] });
    streams.at(-1)?.writers.push(`${name}.conv2`);
    hidden.push({ writers: [`${name}.conv1`], readers: [`${name}.conv2`] });
  }
  streams.at(-1)?.readers.push("linear");
  return [{ writers: [], readers: ["conv1"] }, ...streams, ...hidden, { writers: ["linear"], readers: [] }];
}

function resnet(arch: string, depths: readonly number[], options: ResnetOptions): Model {
  const { seed = 0, ...rest } = options;
  const { numClasses, width, imageSize } = parseOptions(arch, resnetOptions, rest);
  const blocks = blocksOf(depths, width);
  const state = initialise(blocks, width, numClasses, seed);
  return {
    ...state,
    spec: { arch, numClasses, width, imageSize },
    prunable: [...state.params.keys()].filter((name) => (state.params.get(name)?.shape.length ?? 0) > 1),
    inputShape: [3, imageSize, imageSize],
    numClasses,
    shortcuts: shortcutsOf(blocks),
    streams: streamsOf(blocks),
    forward(at, images, { batchNorm: mode }) {
      let h = ops.relu_(batchNorm(at, "bn1", conv2d(at, "conv1", images, { padding: 1 }), mode));
      for (const block of blocks) {
        const x = h;
        // Between passes only what the graph itself holds stays alive.
        h = scope(() => runBlock(at, block, x, mode));
      }
      return linear(at, "linear", ops.flatten(ops.adaptiveAvgPool2d(widen(at, h), [1, 1]), { startDim: 1 }));
    },
  };
}

/** CIFAR ResNet-18: two basic blocks a stage, 11,173,962 parameters at width 64 and 10 classes. */
export function resnet18(options: ResnetOptions = {}): Model {
  return resnet("resnet18", [2, 2, 2, 2], options);
}

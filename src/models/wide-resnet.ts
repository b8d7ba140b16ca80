// Wide residual networks WRN-depth-k (Zagoruyko and Komodakis, BMVC 2016, arXiv 1605.07146) for 32 x 32 images:
// (depth - 4) / 6 pre-activation blocks in each of three stages of 16 k, 32 k and 64 k channels, no dropout. Names as in
// HYDRA and HARP, whose unused copy of the first stage (`sub_block1`) is left out. Convolutions start at
// N(0, sqrt(2 / (out kh kw))), the last layer's bias at 0 and its weight at PyTorch's default.
import { z } from "zod";
import { parseOptions } from "../util/index.js";
import type { Model } from "./model.js";
import { preactBlock } from "./preact-resnet.js";
import { averagePool, conv, flatten, fromSteps, heByOutputs, imageOptions, linear, norm, relu } from "./steps.js";

export const wideResnetOptions = z.strictObject({
  ...imageOptions({ numClasses: 10, imageSize: 32 }),
  width: z.int().min(1).default(16).describe("channels of the stem; 16 is the standard network"),
});
export type WideResnetOptions = z.input<typeof wideResnetOptions> & {
  /** Of the initial weights; default 0. */ readonly seed?: number;
};

function wideResnet(depth: number, k: number, given: WideResnetOptions): Model {
  const arch = `wrn_${depth}_${k}`;
  const { seed = 0, ...rest } = given;
  const options = parseOptions(arch, wideResnetOptions, rest);
  let inputs = options.width;
  const blocks = [1, 2, 4].flatMap((factor, stage) =>
    Array.from({ length: (depth - 4) / 6 }, (_, index) => {
      const outputs = options.width * k * factor;
      const block = preactBlock({
        name: `block${stage + 1}.layer.${index}`,
        inputs,
        outputs,
        stride: stage > 0 && index === 0 ? 2 : 1,
        shortcut: inputs === outputs ? undefined : "convShortcut",
      });
      inputs = outputs;
      return block;
    }).flat(),
  );
  const head = [norm("bn1", inputs), relu, averagePool(1), flatten, linear("fc", inputs, options.numClasses)];
  const initial = { conv: heByOutputs, zeroBias: true };
  return fromSteps(arch, [conv("conv1", 3, options.width), ...blocks, ...head], { options, initial, seed });
}

/** 5,849,050 parameters at 10 classes. */
export const wrn28x4 = (options: WideResnetOptions = {}): Model => wideResnet(28, 4, options);
export const wrn28x10 = (options: WideResnetOptions = {}): Model => wideResnet(28, 10, options);
export const wrn34x10 = (options: WideResnetOptions = {}): Model => wideResnet(34, 10, options);
export const wrn40x2 = (options: WideResnetOptions = {}): Model => wideResnet(40, 2, options);

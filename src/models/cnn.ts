// Two small convolutional networks of the papers on MNIST (Wong and Kolter, ICML 2018, arXiv 1711.00851), without batch
// norm, every layer with a bias; kernels of 4 have stride 2 and halve the image:
//   small   conv 16 (4), conv 32 (4), linear 100, linear K                                166,406 parameters
//   large   conv 32 (3), conv 32 (4), conv 64 (3), conv 64 (4), linear 512, 512, K      1,974,762 parameters
// Names are positions in one sequence, initial values PyTorch's.
import { z } from "zod";
import { parseOptions } from "../util/index.js";
import type { Model } from "./model.js";
import { conv, flatten, fromSteps, imageOptions, linear, relu, type Step } from "./steps.js";

export const cnnOptions = z.strictObject({
  ...imageOptions({ numClasses: 10, imageSize: 28 }),
  channels: z.int().min(1).default(1).describe("of the images: 1 for grey, 3 for colour; default 1"),
  width: z.number().gt(0).default(1).describe("factor of every hidden layer's size; default 1"),
});
export type CnnOptions = z.input<typeof cnnOptions> & {
  /** Of the initial weights; default 0. */ readonly seed?: number;
};

/** Channels and kernels of the convolutions, then sizes of the hidden linear layers. */
const forms = {
  small: {
    convolutions: [
      [16, 4],
      [32, 4],
    ],
    hidden: [100],
  },
  large: {
    convolutions: [
      [32, 3],
      [32, 4],
      [64, 3],
      [64, 4],
    ],
    hidden: [512, 512],
  },
} as const;

function cnn(size: keyof typeof forms, given: CnnOptions): Model {
  const arch = `cnn_${size}`;
  const { seed = 0, ...rest } = given;
  const options = parseOptions(arch, cnnOptions, rest);
  const scaled = (units: number) => Math.max(1, Math.round(units * options.width));
  const steps: Step[] = [];
  let inputs: number = options.channels;
  let pixels = options.imageSize;
  for (const [units, kernel] of forms[size].convolutions) {
    const stride = kernel === 4 ? 2 : 1;
    steps.push(conv(`${steps.length}`, inputs, scaled(units), { kernel, stride, bias: true }), relu);
    inputs = scaled(units);
    pixels = Math.floor(pixels / stride);
  }
  steps.push(flatten);
  inputs *= pixels ** 2;
  for (const units of forms[size].hidden) {
    steps.push(linear(`${steps.length}`, inputs, scaled(units)), relu);
    inputs = scaled(units);
  }
  steps.push(linear(`${steps.length}`, inputs, options.numClasses));
  return fromSteps(arch, steps, { options, channels: options.channels, seed });
}

export const cnnSmall = (options: CnnOptions = {}): Model => cnn("small", options);
export const cnnLarge = (options: CnnOptions = {}): Model => cnn("large", options);

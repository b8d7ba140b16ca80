// VGG networks with batch norm (Simonyan and Zisserman, ICLR 2015, arXiv 1409.1556) for 32 x 32 images in the form of
// HYDRA and HARP: no fifth pooling, so that 2 x 2 pixels are left, then three linear layers of 4 times the first width
// without dropout. Convolutions start at N(0, sqrt(2 / (out kh kw))), linear weights at N(0, 0.01), biases at 0. Other
// code has five poolings and one last layer; its checkpoints do not fit.
import { z } from "zod";
import { parseOptions } from "../util/index.js";
import type { Model } from "./model.js";
import {
  averagePool,
  conv,
  flatten,
  fromSteps,
  heByOutputs,
  imageOptions,
  linear,
  maxPool,
  norm,
  relu,
  type Step,
} from "./steps.js";

export const vggOptions = z.strictObject({
  ...imageOptions({ numClasses: 10, imageSize: 32, smallest: 16 }),
  width: z.int().min(1).default(64).describe("channels of the first convolution; 64 is the standard network"),
});
export type VggOptions = z.input<typeof vggOptions> & {
  /** Of the initial weights; default 0. */ readonly seed?: number;
};

/** Convolutions between two poolings, for each of the five sizes. */
const depths = { 11: [1, 1, 2, 2, 2], 13: [2, 2, 2, 2, 2], 16: [2, 2, 3, 3, 3] } as const;

function features(counts: readonly number[], width: number): Step[] {
  const steps: Step[] = [];
  let inputs = 3;
  counts.forEach((count, size) => {
    if (size > 0) steps.push(maxPool(2, 2));
    const outputs = width * Math.min(2 ** size, 8);
    for (let i = 0; i < count; i += 1) {
      // Names are positions in the sequence.
      const at = steps.length;
      steps.push(conv(`features.${at}`, inputs, outputs, { bias: false }), norm(`features.${at + 1}`, outputs), relu);
      inputs = outputs;
    }
  });
  return steps;
}

function vgg(depth: keyof typeof depths, given: VggOptions): Model {
  const arch = `vgg${depth}_bn`;
  const { seed = 0, ...rest } = given;
  const options = parseOptions(arch, vggOptions, rest);
  const hidden = options.width * 4;
  const classifier = [
    linear("classifier.0", options.width * 8 * 4, hidden),
    relu,
    linear("classifier.2", hidden, hidden),
    relu,
    linear("classifier.4", hidden, options.numClasses),
  ];
  const initial = { conv: heByOutputs, linear: () => 0.01, zeroBias: true };
  const steps = [...features(depths[depth], options.width), averagePool(2), flatten, ...classifier];
  return fromSteps(arch, steps, { options, initial, seed });
}

export const vgg11Bn = (options: VggOptions = {}): Model => vgg(11, options);
export const vgg13Bn = (options: VggOptions = {}): Model => vgg(13, options);
/** 15,311,818 parameters at width 64 and 10 classes. */
export const vgg16Bn = (options: VggOptions = {}): Model => vgg(16, options);

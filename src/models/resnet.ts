// Deep residual networks (He, Zhang, Ren, Sun, CVPR 2016, arXiv 1512.03385), batch norm behind every convolution:
//   basic block   relu(conv 3x3(stride) - conv 3x3 + shortcut)
//   bottleneck    relu(conv 1x1 - conv 3x3(stride) - conv 1x1 to 4 times the width + shortcut)
// For 32 x 32 images with a 3 x 3 stem, the names and PyTorch's default initialisation that HYDRA and HARP use; for
// ImageNet with a 7 x 7 stem of stride 2, max-pooling, and torchvision's names and initialisation. The stride of a
// bottleneck is on its 3 x 3 convolution, as torchvision and HYDRA have it; the paper has it on the first.
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
  residual,
  type Step,
} from "./steps.js";

const width = z.int().min(1).default(64).describe("channels of the first stage; 64 is the standard network");
const { numClasses, imageSize, normalize } = imageOptions({ numClasses: 10, imageSize: 32 });
export const resnetOptions = z.strictObject({ numClasses, width, imageSize, normalize });
const ofImagenet = imageOptions({ numClasses: 1000, imageSize: 224 });
export const imagenetResnetOptions = z.strictObject({ ...ofImagenet, width });

interface Seed {
  /** Of the initial weights; default 0. */ readonly seed?: number;
}
export type ResnetOptions = z.input<typeof resnetOptions> & Seed;
export type ImagenetResnetOptions = z.input<typeof imagenetResnetOptions> & Seed;

/** Which blocks, how many a stage, and what a stage's channels are multiplied by. */
interface Form {
  readonly body: (name: string, inputs: number, planes: number, stride: number) => Step[];
  readonly depths: readonly number[];
  readonly expansion: number;
}

function basic(name: string, inputs: number, planes: number, stride: number): Step[] {
  return [
    conv(`${name}.conv1`, inputs, planes, { stride }),
    norm(`${name}.bn1`, planes),
    relu,
    conv(`${name}.conv2`, planes, planes),
    norm(`${name}.bn2`, planes),
  ];
}

function bottleneck(name: string, inputs: number, planes: number, stride: number): Step[] {
  return [
    conv(`${name}.conv1`, inputs, planes, { kernel: 1 }),
    norm(`${name}.bn1`, planes),
    relu,
    conv(`${name}.conv2`, planes, planes, { stride }),
    norm(`${name}.bn2`, planes),
    relu,
    conv(`${name}.conv3`, planes, planes * 4, { kernel: 1 }),
    norm(`${name}.bn3`, planes * 4),
  ];
}

const forms = {
  18: { body: basic, depths: [2, 2, 2, 2], expansion: 1 },
  34: { body: basic, depths: [3, 4, 6, 3], expansion: 1 },
  50: { body: bottleneck, depths: [3, 4, 6, 3], expansion: 4 },
} as const satisfies Readonly<Record<number, Form>>;
type Depth = keyof typeof forms;

/** The four stages, each of twice the channels and half the size of the one before, and what they put out. */
function stages(form: Form, base: number, shortcut: string): { readonly steps: Step[]; readonly outputs: number } {
  let inputs = base;
  const steps = form.depths.flatMap((depth, stage) =>
    Array.from({ length: depth }, (_, index) => {
      const name = `layer${stage + 1}.${index}`;
      const planes = base * 2 ** stage;
      const outputs = planes * form.expansion;
      const stride = stage > 0 && index === 0 ? 2 : 1;
      const skip =
        stride === 1 && inputs === outputs
          ? []
          : [
              conv(`${name}.${shortcut}.0`, inputs, outputs, { kernel: 1, stride }),
              norm(`${name}.${shortcut}.1`, outputs),
            ];
      const block = [residual(form.body(name, inputs, planes, stride), skip), relu];
      inputs = outputs;
      return block;
    }).flat(),
  );
  return { steps, outputs: inputs };
}

function cifar(depth: Depth, given: ResnetOptions): Model {
  const arch = `resnet${depth}`;
  const { seed = 0, ...rest } = given;
  const options = parseOptions(arch, resnetOptions, rest);
  const { steps, outputs } = stages(forms[depth], options.width, "shortcut");
  const stem = [conv("conv1", 3, options.width), norm("bn1", options.width), relu];
  const head = [averagePool(1), flatten, linear("linear", outputs, options.numClasses)];
  return fromSteps(arch, [...stem, ...steps, ...head], { options, seed });
}

function imagenet(depth: Depth, given: ImagenetResnetOptions): Model {
  const arch = `imagenet_resnet${depth}`;
  const { seed = 0, ...rest } = given;
  const options = parseOptions(arch, imagenetResnetOptions, rest);
  const base = options.width;
  const { steps, outputs } = stages(forms[depth], base, "downsample");
  const stem = [conv("conv1", 3, base, { kernel: 7, stride: 2 }), norm("bn1", base), relu, maxPool(3, 2, 1)];
  const head = [averagePool(1), flatten, linear("fc", outputs, options.numClasses)];
  return fromSteps(arch, [...stem, ...steps, ...head], { options, initial: { conv: heByOutputs }, seed });
}

/** CIFAR ResNet-18: two basic blocks a stage, 11,173,962 parameters at width 64 and 10 classes. */
export const resnet18 = (options: ResnetOptions = {}): Model => cifar(18, options);
/** CIFAR ResNet-34: 3, 4, 6 and 3 basic blocks. */
export const resnet34 = (options: ResnetOptions = {}): Model => cifar(34, options);
/** CIFAR ResNet-50: 3, 4, 6 and 3 bottlenecks. */
export const resnet50 = (options: ResnetOptions = {}): Model => cifar(50, options);
export const imagenetResnet18 = (options: ImagenetResnetOptions = {}): Model => imagenet(18, options);
export const imagenetResnet34 = (options: ImagenetResnetOptions = {}): Model => imagenet(34, options);
/** 25,557,032 parameters at width 64 and 1000 classes. */
export const imagenetResnet50 = (options: ImagenetResnetOptions = {}): Model => imagenet(50, options);

// Pre-activation residual networks (He, Zhang, Ren, Sun, ECCV 2016, arXiv 1603.05027) for 32 x 32 images, as
// adversarial training has used them since Rice, Wong and Kolter (ICML 2020, arXiv 2002.11569), AWP among others:
//   a = relu(bn1(x));  x <- conv2(relu(bn2(conv1(a)))) + (shortcut(a) where the shape changes, else x)
// with a batch norm `bn` and a ReLU behind the last block, which the first widespread code for CIFAR lacks. Names and
// PyTorch's default initialisation as there.
import { parseOptions } from "../util/index.js";
import type { Model } from "./model.js";
import { type ResnetOptions, resnetOptions } from "./resnet.js";
import { averagePool, conv, flatten, fromSteps, linear, norm, relu, residual, type Step } from "./steps.js";

interface Block {
  readonly name: string;
  readonly inputs: number;
  readonly outputs: number;
  readonly stride: number;
  /** Name of its 1 x 1 convolution; none where the block adds x itself. */
  readonly shortcut?: string | undefined;
}

/** One pre-activation block of two 3 x 3 convolutions; with a shortcut, the activated input feeds both branches. */
export function preactBlock({ name, inputs, outputs, stride, shortcut }: Block): Step[] {
  const activate = [norm(`${name}.bn1`, inputs), relu];
  const body = [
    conv(`${name}.conv1`, inputs, outputs, { stride }),
    norm(`${name}.bn2`, outputs),
    relu,
    conv(`${name}.conv2`, outputs, outputs),
  ];
  if (shortcut === undefined) return [residual([...activate, ...body], [])];
  return [...activate, residual(body, [conv(`${name}.${shortcut}`, inputs, outputs, { kernel: 1, stride })])];
}

/** Two blocks a stage, 11,172,170 parameters at width 64 and 10 classes. */
export function preactResnet18(given: ResnetOptions = {}): Model {
  const { seed = 0, ...rest } = given;
  const options = parseOptions("preactresnet18", resnetOptions, rest);
  const { width, numClasses } = options;
  const blocks = [0, 1, 2, 3].flatMap((stage) => {
    const outputs = width * 2 ** stage;
    const name = `layer${stage + 1}`;
    const grows = stage > 0;
    const first = {
      inputs: grows ? outputs / 2 : width,
      stride: grows ? 2 : 1,
      shortcut: grows ? "shortcut.0" : undefined,
    };
    return [
      ...preactBlock({ name: `${name}.0`, outputs, ...first }),
      ...preactBlock({ name: `${name}.1`, inputs: outputs, outputs, stride: 1 }),
    ];
  });
  const outputs = width * 8;
  const head = [norm("bn", outputs), relu, averagePool(1), flatten, linear("linear", outputs, numClasses)];
  return fromSteps("preactresnet18", [conv("conv1", 3, width), ...blocks, ...head], { options, seed });
}

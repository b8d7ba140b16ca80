// Networks as nested lists of steps: from one list come the parameters and their initial values, the forward pass, the
// prunable names, and what pruning and evaluation know of the network's shape.
import { z } from "zod";
import { type BatchNormMode, batchNormInit, defaultInit, layerNormInit, type ModelState, normal } from "../nn/index.js";
import { keep, ops, scope, type Tensor } from "../torch/index.js";
import { expected, type Rng, rng, UsageError } from "../util/index.js";
import { compile } from "./described.js";
import type { Operation } from "./described-operations.js";
import { shortcutsOf } from "./described-shortcuts.js";
import { streamsOf } from "./described-streams.js";
import type { Model } from "./model.js";

/** `body` of x plus `skip` of x; an empty `skip` is the identity. Neither may change x. */
interface Residual {
  readonly op: "residual";
  readonly body: readonly Step[];
  readonly skip: readonly Step[];
}
export type Step = Operation | Residual;

/** Square kernel, without a bias unless told otherwise; the usual padding keeps the size at a stride of 1 (odd kernels). */
export function conv(
  name: string,
  inputs: number,
  outputs: number,
  options: {
    readonly kernel?: number;
    readonly stride?: number;
    readonly padding?: number;
    readonly bias?: boolean;
  } = {},
): Step {
  const { kernel = 3, stride = 1, bias = false, padding = Math.floor((kernel - 1) / 2) } = options;
  return { op: "conv2d", name, in: inputs, out: outputs, kernel, stride, padding, bias };
}
export const norm = (name: string, channels: number): Step => ({ op: "batchnorm2d", name, channels, eps: 1e-5 });
export const relu: Step = { op: "relu" };
export const flatten: Step = { op: "flatten" };
export const maxPool = (kernel: number, stride: number, padding = 0): Step => ({
  op: "maxpool2d",
  kernel,
  stride,
  padding,
});
/** Averages so that `size` x `size` pixels are left. */
export const averagePool = (size: number): Step => ({ op: "avgpool_to", size });
export const linear = (name: string, inputs: number, outputs: number): Step => ({
  op: "linear",
  name,
  in: inputs,
  out: outputs,
  bias: true,
});
export const gelu: Step = { op: "gelu" };
export const layerNorm = (name: string, size: number): Step => ({ op: "layernorm", name, size, eps: 1e-6 });
/** Patches [N,size,H,W] as `count` tokens, a learned one first. */
export const tokens = (count: number, size: number): Step => ({
  op: "tokens",
  classToken: "cls_token",
  positions: "pos_embed",
  count,
  size,
});
export const attention = (heads: number): Step => ({ op: "attention", heads });
export const firstToken: Step = { op: "first_token" };
export const residual = (body: readonly Step[], skip: readonly Step[]): Step => ({ op: "residual", body, skip });

const perChannel = z.array(z.number()).min(1);

/** Options that every network has, with what is usual where it differs. */
export function imageOptions(usual: {
  readonly numClasses: number;
  readonly imageSize: number;
  readonly smallest?: number;
}) {
  return {
    numClasses: z.int().min(2).default(usual.numClasses).describe(`default ${usual.numClasses}`),
    imageSize: z
      .int()
      .min(usual.smallest ?? 8)
      .default(usual.imageSize)
      .describe(`height and width of the input; default ${usual.imageSize}`),
    normalize: z
      .strictObject({
        mean: perChannel.describe("of each channel of the images in [0, 1]"),
        std: perChannel.describe("of each channel of the images in [0, 1]"),
      })
      .optional()
      .describe("what the network does first: (x - mean) / std; default none, images in [0, 1] as they are"),
  };
}

/** Of the options that `imageOptions` adds, as a factory gets them. */
interface ImageOptions {
  readonly numClasses: number;
  readonly imageSize: number;
  readonly normalize?: { readonly mean: number[]; readonly std: number[] } | undefined;
}

/** How new weights are drawn; PyTorch's defaults where nothing is said. */
export interface Initial {
  /** Standard deviation of normal weights, by their shape. */
  readonly conv?: (shape: readonly number[]) => number;
  readonly linear?: (shape: readonly number[]) => number;
  /** Of linear layers. */
  readonly zeroBias?: boolean;
  /** Standard deviation of a normal class token and positions; default 1. */
  readonly tokens?: number;
}

/** Of a convolution's weight [out,in,kh,kw] in He's initialisation by outputs: sqrt(2 / (out kh kw)). */
export function heByOutputs(shape: readonly number[]): number {
  const [outputs = 1, , height = 1, width = 1] = shape;
  return Math.sqrt(2 / (outputs * height * width));
}

/** The steps as operations in a row, in which a residual is written with `store`, `load` and `add`. */
function flat(steps: readonly Step[], path = ""): Operation[] {
  return steps.flatMap((step, i): Operation[] => {
    if (step.op !== "residual") return [step];
    const id = `${path}${i}`;
    const skip: Operation[] =
      step.skip.length === 0
        ? [{ op: "add", id }]
        : [
            { op: "store", id: `${id}+` },
            { op: "load", id },
            ...flat(step.skip, `${id}s`),
            { op: "add", id: `${id}+` },
          ];
    return [{ op: "store", id }, ...flat(step.body, `${id}b`), ...skip];
  });
}

type Pass = (state: ModelState, x: Tensor, mode: BatchNormMode) => Tensor;

/** Between steps only what the graph itself holds stays alive. */
function inOrder(steps: readonly Step[]): Pass {
  const passes = steps.map((step, i): Pass => {
    const previous = steps[i - 1];
    if (step.op === "residual") return plus(inOrder(step.body), inOrder(step.skip));
    const run = compile(step, previous?.op === "residual" ? { op: "add", id: "" } : previous, "float64");
    return (state, x, mode) => run(state, x, mode, new Map());
  });
  return (state, x, mode) =>
    passes.reduce((current, pass) => {
      const next = scope(() => pass(state, current, mode));
      if (current !== x && current !== next) current.dispose();
      return next;
    }, x);
}

function plus(body: Pass, skip: Pass): Pass {
  return (state, x, mode) => {
    const [result, other] = [body(state, x, mode), skip(state, x, mode)];
    // The body ends with a convolution, a batch norm or a linear layer, whose result nothing else reads; in bfloat16
    // tokens stay float32.
    return result.dtype === other.dtype ? ops.add_(result, other) : ops.add(result, other);
  };
}

function initialise(steps: readonly Operation[], initial: Initial, key: Rng): ModelState {
  const params = new Map<string, Tensor>();
  const buffers = new Map<string, Tensor>();
  const layer = (name: string, shape: readonly number[], bias: boolean, std?: number) => {
    if (std === undefined) defaultInit(params, name, shape, { bias, rng: key });
    else params.set(`${name}.weight`, normal(shape, std, key.at("init", `${name}.weight`)));
    if (std === undefined || !bias) return;
    params.set(`${name}.bias`, keep(ops.zeros([shape[0] as number]), { forever: true }));
  };
  // A module's own parameters stand before those of its layers, as in PyTorch.
  for (const step of steps) {
    if (step.op !== "tokens") continue;
    const own = (name: string, shape: readonly number[]) =>
      params.set(name, normal(shape, initial.tokens ?? 1, key.at("init", name)));
    own(step.classToken, [1, 1, step.size]);
    own(step.positions, [1, step.count, step.size]);
  }
  for (const step of steps) {
    if (step.op === "layernorm") layerNormInit(params, step.name, step.size);
    else if (step.op === "batchnorm2d") batchNormInit(params, buffers, step.name, step.channels);
    else if (step.op === "conv2d") {
      const shape = [step.out, step.in, step.kernel, step.kernel];
      layer(step.name, shape, step.bias, initial.conv?.(shape));
    } else if (step.op === "linear") {
      const shape = [step.out, step.in];
      layer(step.name, shape, step.bias, initial.linear?.(shape));
      if (initial.zeroBias) ops.zero_(params.get(`${step.name}.bias`) as Tensor);
    }
  }
  return { params, buffers };
}

/** A network of steps in module order, with new weights of `seed`. `options` are what its factory parsed. */
export function fromSteps(
  arch: string,
  steps: readonly Step[],
  settings: {
    readonly options: ImageOptions;
    readonly channels?: number;
    readonly initial?: Initial;
    readonly seed: number;
  },
): Model {
  const { options, channels = 3, initial = {}, seed } = settings;
  const { imageSize, numClasses, normalize } = options;
  for (const [key, values] of Object.entries(normalize ?? {})) {
    if (values.length === channels) continue;
    throw new UsageError(expected(arch, `normalize.${key} of ${channels} channels`, values), { code: "usage/option" });
  }
  const all: readonly Step[] = normalize ? [{ op: "normalize", ...normalize }, ...steps] : steps;
  const operations = flat(all);
  const pass = inOrder(all);
  return {
    ...initialise(operations, initial, rng(seed, "model")),
    spec: { arch, ...options },
    prunable: operations.flatMap((step) =>
      step.op === "conv2d" || step.op === "linear" ? [`${step.name}.weight`] : [],
    ),
    inputShape: [channels, imageSize, imageSize],
    numClasses,
    shortcuts: shortcutsOf(operations),
    streams: streamsOf(operations),
    operations,
    forward: (state, images, { batchNorm }) => pass(state, images, batchNorm),
  };
}

// Which registered network some names and shapes belong to. Names choose the candidates, a few shapes give the options,
// and what they give is checked: a network that fits was built and has every name and shape, and no other.
import type { z } from "zod";
import { disposeParams } from "../nn/index.js";
import { parseOptions } from "../util/index.js";
import { equivalentForm, type Shapes } from "./equivalent.js";
import type { Model } from "./model.js";
import { models } from "./registry.js";

type Options = Readonly<Record<string, unknown>>;

/** A tensor of another shape than the network has. */
export interface Misshapen {
  readonly name: string;
  readonly expected: readonly number[];
  readonly got: readonly number[];
}

/** A network, by registry name and the options that shapes tell, and in what the tensors are not its own. */
export interface Guess {
  readonly arch: string;
  readonly options: Options;
  /** Names that it has and the tensors do not; batch norm's `num_batches_tracked` may be absent. */
  readonly missing: readonly string[];
  readonly unexpected: readonly string[];
  readonly misshapen: readonly Misshapen[];
}

const isCounter = (name: string) => name.endsWith(".num_batches_tracked");
const sameShape = (a: readonly number[], b: readonly number[] | undefined) => String(a) === String(b);

/** How options are read from shapes, and at which options a network has the same names and little memory. */
interface Reader {
  readonly read: (shapes: Shapes) => Options;
  readonly small: (shapes: Shapes) => Options;
}

/** Stem and last layer tell width and classes; `units` are the stem's at width 1. */
const byEnds = (stem: string, head: string): Reader => ({
  read: (shapes) => ({ width: shapes.get(`${stem}.weight`)?.[0], numClasses: shapes.get(`${head}.weight`)?.[0] }),
  small: () => ({ width: 1, numClasses: 2 }),
});

/** The first hidden linear layer tells width and size of the images, of which two poolings leave a quarter. */
const ofCnn = (hidden: number, head: number, { units, filters }: { units: number; filters: number }): Reader => ({
  read(shapes) {
    const [out, inputs] = shapes.get(`${hidden}.weight`) ?? [];
    const [, channels] = shapes.get("0.weight") ?? [];
    const last = shapes.get(`${hidden - 3}.weight`)?.[0];
    const width = out === undefined ? undefined : out / units;
    const agrees = width !== undefined && last === Math.max(1, Math.round(filters * width));
    const pixels = inputs === undefined || !agrees ? undefined : Math.sqrt(inputs / last);
    return {
      channels,
      width,
      imageSize: pixels === undefined ? undefined : pixels * 4,
      numClasses: shapes.get(`${head}.weight`)?.[0],
    };
  },
  small: () => ({ width: 1 / units, imageSize: 8, numClasses: 2 }),
});

/** Blocks that a vision transformer has. */
function depthOf(shapes: Shapes): number {
  let depth = 0;
  while (shapes.has(`blocks.${depth}.attn.qkv.weight`)) depth += 1;
  return Math.max(1, depth);
}

/** Shapes tell all of a vision transformer but its heads: 64 numbers each, as in DeiT, else one head. */
const ofTransformer: Reader = {
  read(shapes) {
    const [width, , patch] = shapes.get("patch_embed.proj.weight") ?? [];
    const [, positions = 0] = shapes.get("pos_embed") ?? [];
    const depth = depthOf(shapes);
    const inBlocks = Array.from({ length: depth }, (_, i) => shapes.get(`blocks.${i}.attn.qkv.weight`));
    const agrees = width !== undefined && inBlocks.every((shape) => sameShape([3 * width, width], shape));
    if (!agrees || patch === undefined) return {};
    return {
      ...{ width, patch, depth, imageSize: Math.sqrt(positions - 1) * patch },
      heads: width % 64 === 0 ? width / 64 : 1,
      numClasses: shapes.get("head.weight")?.[0],
    };
  },
  small: (shapes) => ({ width: 1, heads: 1, depth: depthOf(shapes), imageSize: 8, numClasses: 2 }),
};

const cifarResnet = byEnds("conv1", "linear");
const vgg = byEnds("features.0", "classifier.4");
const endsWithFc = byEnds("conv1", "fc");
const readers: Readonly<Record<string, Reader>> = {
  resnet18: cifarResnet,
  resnet34: cifarResnet,
  resnet50: cifarResnet,
  preactresnet18: cifarResnet,
  vgg11_bn: vgg,
  vgg13_bn: vgg,
  vgg16_bn: vgg,
  wrn_28_4: endsWithFc,
  wrn_28_10: endsWithFc,
  wrn_34_10: endsWithFc,
  wrn_40_2: endsWithFc,
  cnn_small: ofCnn(5, 7, { units: 100, filters: 32 }),
  cnn_large: ofCnn(9, 13, { units: 512, filters: 64 }),
  imagenet_resnet18: endsWithFc,
  imagenet_resnet34: endsWithFc,
  imagenet_resnet50: endsWithFc,
  vit_ti: ofTransformer,
  vit_s: ofTransformer,
  vit_b: ofTransformer,
};

/** UsageError for options that the network does not take. */
function shapesOf(arch: string, options: Options): Map<string, readonly number[]> {
  const { options: schema, create } = models.get(arch);
  const model: Model = create(parseOptions(arch, schema as z.ZodType, options) as never, { seed: 0 });
  const shapes = new Map(Array.from([...model.params, ...model.buffers], ([name, { shape }]) => [name, shape]));
  disposeParams(model.params, model.buffers);
  return shapes;
}

const elements = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);
/** From which number of classes on the last layer may be larger than all the others. */
const MANY_CLASSES = 1000;
/** More than any image has. */
const MANY_CHANNELS = 16;

/**
 * Whether a network of these options can have as few elements as there are: a file may say any width in one small tensor,
 * and must not make us build a network that fills the memory. Inner convolutions grow with the square of the width, the
 * last layer with width and classes.
 */
function mayFit(arch: string, { width, numClasses, channels }: Options, shapes: Shapes): boolean {
  if (Number(channels ?? 0) > MANY_CHANNELS) return false;
  if (width === undefined && numClasses === undefined) return true;
  const usual = models.get(arch).options.parse({}) as { readonly width: number; readonly numClasses: number };
  const factor = Number(width ?? usual.width) / usual.width;
  const classes = Number(numClasses ?? usual.numClasses);
  if (factor <= 1 && classes <= MANY_CLASSES) return true;
  const own = [...shapesOf(arch, {}).values()];
  const inner = own.filter((shape) => shape.length === 4).slice(1);
  const [, features = 0] = own.findLast((shape) => shape.length === 2) ?? [];
  const least = inner.reduce((sum, shape) => sum + elements(shape), 0) * factor ** 2 + classes * features * factor;
  let given = 0;
  for (const shape of shapes.values()) given += elements(shape);
  return least / 2 <= given;
}

/** Names of a network that the tensors lack, and theirs that it lacks. */
function apart(own: Shapes, shapes: Shapes): Pick<Guess, "missing" | "unexpected"> {
  return {
    missing: [...own.keys()].filter((name) => !shapes.has(name) && !isCounter(name)),
    unexpected: [...shapes.keys()].filter((name) => !own.has(name)),
  };
}

/**
 * Compares names and shapes with those of one network: at `options`, where they are given, over those that the shapes tell.
 * UsageError for an unknown `arch` or an option it does not take; what the shapes tell and it does not take is left at its default.
 */
export function compareWith(arch: string, given: Shapes, options: Options = {}): Guess {
  const { options: schema } = models.get(arch);
  const { shapes } = equivalentForm(given);
  const told = Object.entries(readers[arch]?.read(shapes) ?? {}).filter(([, value]) => value !== undefined);
  const read = Object.fromEntries(told);
  const isTaken = schema.safeParse(read).success && mayFit(arch, read, shapes);
  const chosen = { ...(isTaken ? read : {}), ...options };
  const own = shapesOf(arch, chosen);
  const misshapen = [...own].flatMap(([name, expected]) => {
    const got = shapes.get(name);
    return got === undefined || sameShape(expected, got) ? [] : [{ name, expected, got }];
  });
  return { arch, options: chosen, ...apart(own, shapes), misshapen };
}

/** Whether every tensor is there and fits, and no other. */
export const fits = ({ missing, unexpected, misshapen }: Guess) =>
  missing.length + unexpected.length + misshapen.length === 0;

const CANDIDATES = 3;

/** Of all names that either has, counters apart, the share that both have, in the same shape as far as that was compared. */
function likeness(
  { missing, unexpected, misshapen = [] }: Partial<Guess> & ReturnType<typeof apart>,
  own: number,
): number {
  const shared = own - missing.length;
  return (shared - misshapen.length) / (own + unexpected.length);
}

/** Of several names of one network (a vision transformer's), the one with most options at their defaults is its own. */
function unusual({ arch, options }: Guess): number {
  const usual = models.get(arch).options.parse({}) as Options;
  return Object.entries(options).filter(([key, value]) => usual[key] !== value).length;
}

/**
 * The registered networks nearest to some names and shapes, the best first; those whose names agree are compared in full.
 * Only one that `fits` is an answer; the others say what would have to be otherwise. Empty where no name is known.
 */
export function guessArchitecture(given: Shapes): Guess[] {
  const { shapes } = equivalentForm(given);
  const all = models.names().map((arch) => {
    const own = shapesOf(arch, readers[arch]?.small(shapes) ?? {});
    const size = [...own.keys()].filter((name) => !isCounter(name)).length;
    return { arch, size, like: likeness(apart(own, shapes), size) };
  });
  const known = all.filter(({ like }) => like > 0).sort((a, b) => b.like - a.like);
  const same = known.filter(({ like }) => like === 1);
  const nearest = same.length > 0 ? same : known.slice(0, CANDIDATES);
  return nearest
    .map(({ arch, size }) => {
      const guess = compareWith(arch, given);
      return { guess, like: likeness(guess, size), unusual: unusual(guess) };
    })
    .sort((a, b) => b.like - a.like || a.unusual - b.unusual)
    .map(({ guess }) => guess);
}

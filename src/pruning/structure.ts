// Which entries of a weight stand or fall together. A weight has one score for each group of entries; scores keep the
// weight's number of dimensions, so that a mask of groups spreads over the weight by broadcasting:
//   weights   [out,in,kh,kw]   each entry by itself
//   rows      [out,in,kh,1]    of a kernel (RST)
//   kernels   [out,in,1,1]     one for each pair of channels (RST)
//   filters   [out,1,1,1]      all that makes one output channel
//   channels  [1,in,1,1]       all that reads one input channel (HARP's granularity, arXiv 2412.14714)
//   n:m       [out,in,kh,kw]   n kept of each m consecutive input channels, at each filter and kernel position
// Layers that share channels (`Model.streams`) share one mask, so that a removed channel can be cut out of all of them:
// for `filters` the layers whose outputs are added, for `channels` the layers that read the same values.
import { z } from "zod";
import type { Model, Stream } from "../models/index.js";
import { param } from "../nn/index.js";
import { ops, type Tensor } from "../torch/index.js";
import { expected, UsageError } from "../util/index.js";

export const structureNames = ["weights", "filters", "channels", "rows", "kernels", "n:m"] as const;
export type StructureName = (typeof structureNames)[number];

export const structure = z
  .enum(structureNames)
  .default("weights")
  .describe("what is kept or removed as one: single `weights` (default), `filters`, input `channels`, ...");

/** Which entries are one group, for methods that offer it; the structure `n:m` needs a pattern, such as 2:4. */
export interface StructureChoice {
  readonly structure: StructureName;
  readonly pattern?: Pattern | undefined;
}

/** n kept of each m consecutive input channels. */
export interface Pattern {
  readonly n: number;
  readonly m: number;
}

/** How the scores of one weight stand for its entries. */
export interface Grouping {
  /** Of the weight. */
  readonly shape: readonly number[];
  /** Of its scores. */
  readonly scores: readonly number[];
  /** Weights that share one mask with it, itself included. */
  readonly tied: readonly string[];
  /**
   * Whether all of it stays, whatever its scores: the filters of the logits, which nothing reads; the channels of the
   * image, which nothing writes; for n:m a layer whose input channels are no multiple of m, such as the first one.
   */
  readonly whole: boolean;
}

/** How scores stand for weights in one network: a constant of a search, made from the model and not saved. */
export interface Layout {
  readonly structure: StructureName;
  readonly pattern?: Pattern | undefined;
  readonly weights: ReadonlyMap<string, Grouping>;
}

const layerOf = (name: string) => name.replace(/\.weight$/, "");
const extents = (shape: readonly number[], from: number) => shape.slice(from).map(() => 1);

/** The stream that a layer writes (for filters) or reads (for channels), where the model tells of its streams. */
function streamOf(streams: readonly Stream[] | undefined, name: string, end: "writers" | "readers") {
  return streams?.find((stream) => stream[end].includes(layerOf(name)));
}

function filters(model: Model, name: string): Grouping {
  const { shape } = param(model.params, name);
  const stream = streamOf(model.streams, name, "writers");
  const tied = model.prunable.filter((other) => stream?.writers.includes(layerOf(other)));
  const whole = stream ? stream.readers.length === 0 : name === model.prunable.at(-1);
  return { shape, scores: [shape[0] as number, ...extents(shape, 1)], tied: stream ? tied : [name], whole };
}

/** A linear layer behind a flattened image reads each of its channels as several inputs in a row: they are one group. */
function channels(model: Model, name: string): Grouping {
  const { shape } = param(model.params, name);
  const stream = streamOf(model.streams, name, "readers");
  const writer = model.prunable.find((other) => stream?.writers.includes(layerOf(other)));
  const written = writer === undefined ? undefined : param(model.params, writer).shape[0];
  const inputs = shape[1] as number;
  const groups = written !== undefined && inputs % written === 0 ? written : inputs;
  const tied = model.prunable.filter((other) => stream?.readers.includes(layerOf(other)));
  const whole = stream ? stream.writers.length === 0 : name === model.prunable[0];
  return { shape, scores: [1, groups, ...extents(shape, 2)], tied: stream ? tied : [name], whole };
}

function groupingOf(model: Model, name: string, choice: StructureChoice): Grouping {
  const { shape } = param(model.params, name);
  const alone = { shape, tied: [name], whole: false };
  switch (choice.structure) {
    case "filters":
      return filters(model, name);
    case "channels":
      return channels(model, name);
    case "rows":
      return { ...alone, scores: [...shape.slice(0, 3), ...extents(shape, 3)] };
    case "kernels":
      return { ...alone, scores: [...shape.slice(0, 2), ...extents(shape, 2)] };
    case "n:m":
      return { ...alone, scores: shape, whole: (shape[1] as number) % (choice.pattern?.m ?? 1) !== 0 };
    default:
      return { ...alone, scores: shape };
  }
}

/** How scores of this structure stand for the model's weights; none for single weights, which need no layout. */
export function layoutOf(model: Model, choice: StructureChoice): Layout | undefined {
  const { structure: name, pattern } = choice;
  if (name === "weights") return undefined;
  if ((name === "filters" || name === "channels") && model.streams?.length === 0) {
    const wanted = "a network without attention or layer norm, which mix channels (else weights, rows, kernels or n:m)";
    throw new UsageError(expected(`structure ${name}`, wanted, model.spec.arch));
  }
  const weights = new Map(model.prunable.map((weight) => [weight, groupingOf(model, weight, choice)]));
  if (pattern && [...weights.values()].every(({ whole }) => whole)) {
    const seen = [...weights.values()].map(({ shape }) => shape[1]);
    throw new UsageError(expected("structure n:m", `a layer whose input channels divide by ${pattern.m}`, seen));
  }
  return { structure: name, pattern, weights };
}

/** How a weight's entries are grouped; each is a group of its own where there is no layout. */
export function groupingIn(layout: Layout | undefined, name: string): Grouping | undefined {
  return layout?.weights.get(name);
}

/** The sum over each group of a tensor shaped like the weight: [weight shape] -> [score shape]. */
export function groupSum(entries: Tensor, { shape, scores }: Grouping): Tensor {
  // A linear layer that reads several inputs of each channel, consecutive ones.
  const spread = scores.length === 2 && scores[0] === 1 ? (shape[1] as number) / (scores[1] as number) : 1;
  if (spread > 1) {
    const apart = ops.reshape(entries, [shape[0] as number, scores[1] as number, spread]);
    return ops.reshape(ops.sumDim(apart, [0, 2]), scores);
  }
  const summed = shape.flatMap((extent, i) => (scores[i] === 1 && extent > 1 ? [i] : []));
  return summed.length === 0 ? entries : ops.sumDim(entries, summed, { keepdim: true });
}

/** The value of its group for every entry: [score shape] -> [weight shape], without a copy where broadcasting does it. */
export function spreadOver(groups: Tensor, { shape, scores }: Grouping): Tensor {
  const spread = scores.length === 2 && scores[0] === 1 ? (shape[1] as number) / (scores[1] as number) : 1;
  const wide = spread > 1 ? ops.repeatInterleave(groups, spread, { dim: 1 }) : groups;
  return ops.expand(wide, shape);
}

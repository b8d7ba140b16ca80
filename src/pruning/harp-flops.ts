// How many operations a network with removed channels has, for HARP's budget over channels. A layer with i of its input
// and o of its output channels does P o (2 k i + 1) operations, P the pixels it writes and k those of its kernel (both 1
// in a linear layer); HARP (arXiv 2412.14714) keeps their sum below that of a network whose channels are all scaled by K.
// A layer reads the share r of its inputs that its own mask keeps, and has to write what its most demanding reader keeps.
// The reference takes the rate of the next layer by name in place of the readers', which is wrong around shortcuts, and
// P without rounding, e.g. 16.5 x 16.5 pixels of 32 x 32 at a stride of 2.
import { layerRuns, type Model } from "../models/index.js";
import { type LayerRun, param } from "../nn/index.js";
import { expected, UsageError } from "../util/index.js";
import type { Usage } from "./harp-granularity.js";
import { roundHalfEven } from "./rates.js";
import type { Rates } from "./rates-initial.js";

export interface LayerCost {
  /** Of the weight. */
  readonly name: string;
  readonly inputs: number;
  readonly outputs: number;
  /** Pixels of the kernel. */
  readonly kernel: number;
  /** Pixels that it writes, and the reference's count of them. */
  readonly pixels: number;
  readonly unroundedPixels: number;
  /** Weights of the layers that read its outputs; none of the logits. */
  readonly readers: readonly string[];
  /** Whether it reads the image, whose channels nothing writes. */
  readonly first: boolean;
}

function unrounded({ input, stride, padding }: LayerRun, kernel: readonly number[]): number {
  const side = (axis: number) => ((input[axis + 2] as number) - (kernel[axis] as number) + 2 * padding) / stride + 1;
  return side(0) * side(1);
}

/** Facts about the prunable layers of a network, in their order, from one forward pass. */
export function layerCosts(model: Model): LayerCost[] {
  const { streams } = model;
  if (streams === undefined) {
    throw new UsageError(expected("harp", "a network that tells which layers share channels", model.spec.arch));
  }
  const runs = layerRuns(model);
  return model.prunable.map((name) => {
    const layer = name.replace(/\.weight$/, "");
    const run = runs.get(layer);
    if (run === undefined) throw new UsageError(expected("harp", `the network to run ${layer}`, model.spec.arch));
    const [outputs = 1, inputs = 1, ...kernel] = param(model.params, name).shape;
    const [, , height = 1, width = 1] = run.output;
    return {
      name,
      inputs,
      outputs,
      kernel: kernel.reduce((a, b) => a * b, 1),
      pixels: height * width,
      unroundedPixels: kernel.length > 0 ? unrounded(run, kernel) : 1,
      readers: (streams.find(({ writers }) => writers.includes(layer))?.readers ?? []).map((at) => `${at}.weight`),
      first: streams.some(({ writers, readers }) => writers.length === 0 && readers.includes(layer)),
    };
  });
}

/** One layer, by the pixels to count, the share of inputs and outputs, and whose rate the outputs follow. */
interface Term {
  readonly cost: LayerCost;
  readonly pixels: number;
  readonly read: number;
  readonly written: number;
  /** Undefined where all outputs stay. */
  readonly writtenFor: string | undefined;
}

function usageOf(terms: readonly Term[], allowed: number): Usage {
  const operations = ({ cost, pixels }: Term, inputs: number, outputs: number) =>
    pixels * outputs * (2 * cost.kernel * inputs + 1);
  const all = terms.reduce((sum, term) => sum + operations(term, term.cost.inputs, term.cost.outputs), 0);
  const slopes = new Map<string, number>(terms.map(({ cost }) => [cost.name, 0]));
  const slope = (name: string, more: number) => slopes.set(name, (slopes.get(name) ?? 0) + more / all);
  let kept = 0;
  for (const term of terms) {
    const { cost, pixels, read, written, writtenFor } = term;
    const [inputs, outputs] = [cost.inputs * read, cost.outputs * written];
    kept += operations(term, inputs, outputs);
    slope(cost.name, pixels * outputs * 2 * cost.kernel * cost.inputs);
    if (writtenFor !== undefined) slope(writtenFor, operations(term, inputs, cost.outputs));
  }
  return { share: kept / all, budget: allowed / all, slopes };
}

const rateAt = (rates: Rates, name: string) => rates.get(name) ?? 1;

/** Operations at these rates, by weight; image and logits are whole. A scaled layer has at least one channel. */
export function operations(costs: readonly LayerCost[], rates: Rates, keepRatio: number): Usage {
  const scaled = (channels: number) => Math.max(1, roundHalfEven(keepRatio * channels));
  let allowed = 0;
  const terms = costs.map((cost): Term => {
    const { pixels, kernel, readers, first } = cost;
    const inputs = first ? cost.inputs : scaled(cost.inputs);
    const outputs = readers.length === 0 ? cost.outputs : scaled(cost.outputs);
    allowed += pixels * outputs * (2 * kernel * inputs + 1);
    const widest = readers.reduce<string | undefined>(
      (best, reader) => (best === undefined || rateAt(rates, reader) > rateAt(rates, best) ? reader : best),
      undefined,
    );
    const written = widest === undefined ? 1 : rateAt(rates, widest);
    return { cost, pixels, read: rateAt(rates, cost.name), written, writtenFor: widest };
  });
  return usageOf(terms, allowed);
}

/** The reference's count of the same: the outputs of each layer follow the rate of the next one. */
export function referenceOperations(costs: readonly LayerCost[], rates: Rates, keepRatio: number): Usage {
  let allowed = 0;
  const terms = costs.map((cost, i): Term => {
    const { unroundedPixels: pixels, kernel } = cost;
    const [inputs, outputs] = [roundHalfEven(keepRatio * cost.inputs), roundHalfEven(keepRatio * cost.outputs)];
    allowed += pixels * outputs * (2 * kernel * inputs + 1);
    const next = costs[i + 1]?.name;
    const written = next === undefined ? 1 : rateAt(rates, next);
    return { cost, pixels, read: rateAt(rates, cost.name), written, writtenFor: next };
  });
  return usageOf(terms, allowed);
}

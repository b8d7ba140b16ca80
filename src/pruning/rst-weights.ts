// The random weights that Robust Scratch Tickets search in, seven kinds. With f the inputs of an output unit (fan-in) and
// o the outputs times the kernel's size (fan-out):
//   signed-constant    ± sqrt(2 / f), the sign of a Kaiming-normal draw
//   unsigned-constant  sqrt(2 / f)
//   kaiming-normal     N(0, 2 / f)            kaiming-uniform   uniform in ±sqrt(6 / f)
//   xavier-normal      N(0, 2 / (f + o))      xavier-constant   sqrt(2 / (f + o))
//   standard           uniform in ±1 / sqrt(f), PyTorch's default
import { z } from "zod";
import { channelsLast, fanIn } from "../nn/index.js";
import { manualSeed, ops, scope, type Tensor } from "../torch/index.js";
import type { Rng } from "../util/index.js";

export const weightInit = z
  .enum([
    "signed-constant",
    "unsigned-constant",
    "kaiming-normal",
    "kaiming-uniform",
    "xavier-normal",
    "xavier-constant",
    "standard",
  ])
  .default("signed-constant")
  .describe("the random weights that are searched in; default signed-constant: ± sqrt(2 / fan_in)");
export type WeightInit = z.output<typeof weightInit>;

export interface DrawOptions {
  readonly init: WeightInit;
  /** Factor of the fan-in of `signed-constant`, `unsigned-constant` and `kaiming-normal`. */
  readonly fanFactor: number;
}

/** One weight of this shape, float32. */
export function drawnWeight(shape: readonly number[], { init, fanFactor }: DrawOptions, rng: Rng): Tensor {
  return scope(() => {
    manualSeed(rng);
    const empty = ops.empty(shape);
    const fan = fanIn(shape);
    const both = fan + (shape[0] as number) * fanIn(shape.slice(1));
    const std = Math.sqrt(2 / (fan * fanFactor));
    switch (init) {
      case "signed-constant":
        return channelsLast(ops.mul(ops.sign(ops.normal_(empty)), std));
      case "unsigned-constant":
        return channelsLast(ops.fill_(empty, std));
      case "kaiming-normal":
        return channelsLast(ops.normal_(empty, { std }));
      case "kaiming-uniform":
        return channelsLast(ops.uniform_(empty, { low: -Math.sqrt(6 / fan), to: Math.sqrt(6 / fan) }));
      case "xavier-normal":
        return channelsLast(ops.normal_(empty, { std: Math.sqrt(2 / both) }));
      case "xavier-constant":
        return channelsLast(ops.fill_(empty, Math.sqrt(2 / both)));
      case "standard":
        return channelsLast(ops.uniform_(empty, { low: -1 / Math.sqrt(fan), to: 1 / Math.sqrt(fan) }));
    }
  });
}

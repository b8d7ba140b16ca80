// HARP's learned keep rate of a layer (Zhao and Wressnegger, "Holistic Adversarially Robust Pruning", ICLR 2023,
// arXiv 2412.14714). Of one number c for each layer,
//   r = sigmoid(c) (1 - floor) + floor,  floor = alpha K,  K the share that the whole network is to keep;
//   dr/dc = sigmoid(c) (1 - sigmoid(c)) (1 - floor);
//   a start at rate q is c = ln(z / (1 - z)), z = (q - floor) / (1 - floor), at most 0.99.
// The reference computes rates and counts in float32, which now and then keeps one weight more or less than float64.
import type { Params } from "../nn/index.js";
import { ops, scope, type Tensor, tensor } from "../torch/index.js";
import { expected, UsageError } from "../util/index.js";

const f32 = Math.fround;
/** The reference's bound on z, and ours below it: from z = 0 a rate could never move. */
const [LEAST, MOST] = [1e-3, 0.99];

/** What c stands for. */
export interface Learned {
  readonly rate: number;
  /** dr/dc. */
  readonly slope: number;
}

/** Rates of several c, tensors of one entry, by name: in their precision, as libtorch computes them one by one. */
export function learnedRates(parameters: Params, floor: number): Map<string, Learned> {
  return new Map(
    Array.from(parameters, ([name, c]) => {
      const at = scope(() => ops.sigmoid(c).item());
      const round = c.dtype === "float64" ? (x: number) => x : f32;
      return [name, { rate: round(round(at * round(1 - floor)) + round(floor)), slope: at * (1 - at) * (1 - floor) }];
    }),
  );
}

/** c of a starting rate, a tensor without dimensions; a rate that is not above the floor is raised to just above it. */
export function rateParameter(rate: number, floor: number, dtype: Tensor["dtype"]): Tensor {
  if (!(rate > 0 && rate <= 1)) throw new UsageError(expected("harp", "rates in (0, 1]", rate));
  const z = Math.min(Math.max((rate - floor) / (1 - floor), LEAST), MOST);
  return tensor(Math.log(z / (1 - z)), [], { dtype });
}

/** How many of n weights a rate keeps: n - trunc((1 - r) n), each operation in float32. */
export function keptAtRate(n: number, rate: number): number {
  return n - Math.trunc(f32(f32(1 - f32(rate)) * f32(n)));
}

/** How many of n channels a rate keeps: the nearest whole number to r n in float32, of two the even one. */
export function keptChannels(n: number, rate: number): number {
  return roundHalfEven(f32(f32(rate) * f32(n)));
}

export function roundHalfEven(x: number): number {
  const down = Math.floor(x);
  const half = x - down === 0.5;
  return half ? down + (down % 2) : Math.round(x);
}

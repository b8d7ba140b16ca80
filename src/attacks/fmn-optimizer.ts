// The optimisers and learning-rate schedules of FMN, for each image by itself: what they remember are rows of a search's
// state. They follow PyTorch's SGD, Adam, Adamax, CosineAnnealingLR and ReduceLROnPlateau.
import { z } from "zod";
import { ops, type Tensor } from "../torch/index.js";
import type { SearchState } from "./search.js";

const lr = z.number().gt(0).max(1000);
const weightDecay = z.number().min(0).default(0).describe("pull of the displacement towards 0; default 0");
const beta = z.number().min(0).lt(1);
const adaptive = {
  lr: lr.default(0.1).describe("learning rate in pixel scale; default 0.1"),
  weightDecay,
  beta1: beta.default(0.9).describe("decay of the mean of gradients; default 0.9"),
  beta2: beta.default(0.999).describe("decay of their size; default 0.999"),
};

export const fmnOptimizer = z.discriminatedUnion("name", [
  z.strictObject({
    name: z.literal("sgd"),
    lr: lr.default(1).describe("learning rate in pixel scale; default 1"),
    momentum: z.number().min(0).lt(1).default(0).describe("share of the last step that is kept; default 0"),
    weightDecay,
    dampening: z
      .number()
      .min(0)
      .max(1)
      .default(0)
      .describe("share of the gradient that momentum leaves out; default 0"),
  }),
  z.strictObject({ name: z.literal("adam"), ...adaptive }),
  z.strictObject({ name: z.literal("adamax"), ...adaptive }),
]);

export const fmnScheduler = z.discriminatedUnion("name", [
  z.strictObject({
    name: z.literal("cosine"),
    final: z.number().min(0).max(1).default(0.01).describe("share of the learning rate at the end; default 0.01"),
  }),
  z.strictObject({
    name: z.literal("plateau"),
    factor: z.number().gt(0).lt(1).default(0.5).describe("what the learning rate is multiplied with; default 0.5"),
    patience: z.int().min(0).default(5).describe("steps without a smaller loss before that; default 5"),
  }),
  z.strictObject({ name: z.literal("none") }),
]);

export type FmnOptimizer = z.output<typeof fmnOptimizer>;
export type FmnScheduler = z.output<typeof fmnScheduler>;
type Rows = Readonly<Record<string, Tensor>>;

/** One step of a displacement. */
export interface Descent {
  /** Displacements [N,C,H,W]. */
  readonly delta: Tensor;
  /** Gradient of what is minimised, [N,C,H,W]. */
  readonly gradient: Tensor;
  /** Learning rate: one for all, or of each image [N,1,1,1]. */
  readonly rate: number | Tensor;
  /** Counted from 0. */
  readonly step: number;
}

/** How a displacement moves; `rows` are what the search's state has of it. */
export interface DeltaOptimizer {
  begin(x: Tensor): Rows;
  step(state: SearchState, descent: Descent): { readonly delta: Tensor; readonly rows: Rows };
}

const row = (state: SearchState, name: string) => state[name] as Tensor;
const scaled = (t: Tensor, rate: number | Tensor) => ops.mul(t, typeof rate === "number" ? { float: rate } : rate);
const mix = (share: number, old: Tensor, fresh: Tensor, weight = 1 - share) =>
  ops.add(ops.mul(old, { float: share }), fresh, { alpha: { float: weight } });
const decayed = ({ gradient, delta }: Descent, decay: number) =>
  decay === 0 ? gradient : ops.add(gradient, delta, { alpha: { float: decay } });

function sgd({ momentum, weightDecay: decay, dampening }: FmnOptimizer & { readonly name: "sgd" }): DeltaOptimizer {
  return {
    begin: (x): Rows => (momentum === 0 ? {} : { velocity: ops.zerosLike(x) }),
    step(state, descent) {
      const fresh = decayed(descent, decay);
      if (momentum === 0) return { delta: ops.sub(descent.delta, scaled(fresh, descent.rate)), rows: {} };
      // The first step is not dampened, as PyTorch's is not.
      const velocity = descent.step === 0 ? fresh : mix(momentum, row(state, "velocity"), fresh, 1 - dampening);
      return { delta: ops.sub(descent.delta, scaled(velocity, descent.rate)), rows: { velocity } };
    },
  };
}

function adam(options: FmnOptimizer & { readonly name: "adam" | "adamax" }): DeltaOptimizer {
  const { beta1, beta2, weightDecay: decay } = options;
  return {
    begin: (x) => ({ mean: ops.zerosLike(x), size: ops.zerosLike(x) }),
    step(state, descent) {
      const fresh = decayed(descent, decay);
      const mean = mix(beta1, row(state, "mean"), fresh);
      const past = row(state, "size");
      const [size, divisor] = options.name === "adam" ? squares(past, fresh, descent.step) : largest(past, fresh);
      const direction = ops.div(ops.div(mean, divisor), 1 - beta1 ** (descent.step + 1));
      return { delta: ops.sub(descent.delta, scaled(direction, descent.rate)), rows: { mean, size } };
    },
  };

  function squares(past: Tensor, fresh: Tensor, step: number): readonly [size: Tensor, divisor: Tensor] {
    const size = mix(beta2, past, ops.mul(fresh, fresh));
    return [size, ops.add(ops.div(ops.sqrt(size), Math.sqrt(1 - beta2 ** (step + 1))), 1e-8)];
  }
  function largest(past: Tensor, fresh: Tensor): readonly [size: Tensor, divisor: Tensor] {
    const size = ops.maximum(ops.mul(past, { float: beta2 }), ops.add(ops.abs(fresh), 1e-8));
    return [size, size];
  }
}

export function deltaOptimizer(options: FmnOptimizer): DeltaOptimizer {
  return options.name === "sgd" ? sgd(options) : adam(options);
}

/** The learning rate of a step, and what follows from its loss. */
export interface RateSchedule {
  begin(x: Tensor): Rows;
  rate(state: SearchState, step: number): number | Tensor;
  /** Rows after a step whose loss, to be minimised, was `loss` [N]. */
  after(state: SearchState, loss: Tensor): Rows;
}

/** Half a cosine from 1 at step 0 to 0 at `steps`. */
export const halfCosine = (step: number, steps: number) => (1 + Math.cos((Math.PI * step) / steps)) / 2;

/** How much smaller a loss must be to count as smaller, relative. */
const NOTICED = 1e-4;

export function rateSchedule(options: FmnScheduler, initial: number, steps: number): RateSchedule {
  if (options.name === "plateau") return plateau(options, initial);
  const final = options.name === "cosine" ? options.final * initial : initial;
  return {
    begin: () => ({}),
    rate: (_state, step) => final + (initial - final) * halfCosine(step, steps),
    after: () => ({}),
  };
}

function plateau(options: FmnScheduler & { readonly name: "plateau" }, initial: number): RateSchedule {
  const { factor, patience } = options;
  return {
    begin(x) {
      const all = (value: number) => ops.full([x.shape[0] as number], { float: value }, { dtype: x.dtype });
      return { rate: all(initial), least: all(1e30), idle: all(0) };
    },
    rate: (state) => ops.reshape(row(state, "rate"), [-1, 1, 1, 1]),
    after(state, loss) {
      const least = row(state, "least");
      const smaller = ops.lt(loss, ops.sub(least, ops.mul(ops.abs(least), NOTICED)));
      const idle = ops.maskedFill(ops.add(row(state, "idle"), 1), smaller, 0);
      const tired = ops.gt(idle, patience);
      const rate = row(state, "rate");
      return {
        least: ops.where(smaller, loss, least),
        idle: ops.maskedFill(idle, tired, 0),
        rate: ops.where(tired, ops.mul(rate, { float: factor }), rate),
      };
    },
  };
}

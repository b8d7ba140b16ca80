// A described network made smooth: softplus or GELU where it has ReLU, means where it takes the largest. Its loss has all
// derivatives, so both ways to multiply by its Hessian must agree.
import { descriptionSchema } from "../../src/models/described.js";
import type { Operation } from "../../src/models/described-operations.js";
import { batchNorm, conv2d, linear } from "../../src/nn/functional.js";
import { type ModelState, param } from "../../src/nn/index.js";
import { ops, type Tensor, tensor } from "../../src/torch/index.js";

export const smoothings = {
  softplus: (x: Tensor) => ops.log1p(ops.exp(x)),
  gelu: (x: Tensor) => ops.gelu(x),
} as const;
export type Smoothing = keyof typeof smoothings;

const constant = (values: readonly number[]) => tensor(Float64Array.from(values), [1, values.length, 1, 1]);

function apply(
  state: ModelState,
  step: Operation,
  x: Tensor,
  stored: Map<string, Tensor>,
  smoothing: Smoothing,
): Tensor {
  switch (step.op) {
    case "normalize":
      return ops.div(ops.sub(x, constant(step.mean)), constant(step.std));
    case "conv2d":
      return conv2d(state, step.name, x, { stride: step.stride, padding: step.padding });
    case "batchnorm2d":
      return batchNorm(state, step.name, x, "running", { eps: step.eps });
    case "relu":
      return smoothings[smoothing](x);
    case "maxpool2d":
      return ops.avgPool2d(x, [step.kernel, step.kernel], { stride: [step.stride, step.stride] });
    case "avgpool_global":
      return ops.meanDim(x, [2, 3]);
    case "avgpool_to":
      return ops.adaptiveAvgPool2d(x, [step.size, step.size]);
    case "flatten":
      return ops.flatten(x, { startDim: 1 });
    case "linear":
      return linear(state, step.name, x);
    case "store":
      stored.set(step.id, x);
      return x;
    case "load":
      return param(stored, step.id);
    case "add":
      return ops.add(x, param(stored, step.id));
    default:
      throw new Error(`the smooth network has no ${step.op}: no oracle network has one`);
  }
}

/** Logits of the smooth network of a description, batch norm with running statistics. */
export function smoothForward(description: unknown, smoothing: Smoothing) {
  const { ops: steps } = descriptionSchema.parse(description);
  return (state: ModelState, x: Tensor): Tensor => {
    const stored = new Map<string, Tensor>();
    return steps.reduce((current, step) => apply(state, step, current, stored, smoothing), x);
  };
}

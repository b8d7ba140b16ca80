import { native } from "./native.js";
import { handleOf, Tensor } from "./tensor.js";

export interface GradOptions {
  /** Cotangents of the outputs; default: 1 for scalar outputs. */
  readonly gradOutputs?: readonly Tensor[];
  /** Keep the graph for another call; default: `createGraph`. */
  readonly retainGraph?: boolean;
  /** Record the gradient's own graph, for second derivatives; default false. */
  readonly createGraph?: boolean;
}

/**
 * Gradients of `outputs` (scalars, or with `gradOutputs`) with respect to `inputs`, and to nothing else: no other
 * leaf's gradient is computed. An input that the outputs do not depend on is an error.
 */
export function grad(
  outputs: Tensor | readonly Tensor[],
  inputs: readonly Tensor[],
  options: GradOptions = {},
): Tensor[] {
  const { gradOutputs, createGraph = false, retainGraph = createGraph } = options;
  const list = outputs instanceof Tensor ? [outputs] : outputs;
  const results = native.grad(
    list.map(handleOf),
    inputs.map(handleOf),
    gradOutputs?.map(handleOf),
    retainGraph,
    createGraph,
    false,
  );
  return results.map((handle) => new Tensor(handle as number));
}

function withGradMode<T>(enabled: boolean, fn: () => T): T {
  const before = native.setGradMode(enabled);
  try {
    return fn();
  } finally {
    native.setGradMode(before);
  }
}

/** Runs `fn` (synchronous) without recording a graph. */
export function noGrad<T>(fn: () => T): T {
  return withGradMode(false, fn);
}

/** Runs `fn` (synchronous) recording a graph even inside `noGrad`. */
export function enableGrad<T>(fn: () => T): T {
  return withGradMode(true, fn);
}

/** Arithmetic of a network's pass: `bfloat16` is libtorch's autocast, `float32` is as is. */
export type Precision = "float32" | "bfloat16";

/**
 * Runs `fn` (synchronous) with convolutions and matrix products in `precision`. libtorch keeps bfloat16 copies of
 * float32 leaves meanwhile; they are dropped on the way in and out, so a leaf refilled between two calls is read anew.
 */
export function autocast<T>(precision: Precision, fn: () => T): T {
  if (precision === "float32") return fn();
  const before = native.setAutocast(true);
  try {
    return fn();
  } finally {
    native.setAutocast(before);
  }
}

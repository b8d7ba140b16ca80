// Points of score space as one long vector and as tensors by name.
import { type Params, param } from "../../nn/index.js";
import { ops, type Tensor } from "../../torch/index.js";

/** All entries in a row [n], in the order of the names. */
export function flatten(params: Params): Tensor {
  return ops.cat(Array.from(params.values(), (tensor) => ops.reshape(tensor, [-1])));
}

/** The same by name, in the shapes of `like`. */
export function unflatten(vector: Tensor, like: Params): Map<string, Tensor> {
  let begin = 0;
  return new Map(
    Array.from(like, ([name, { shape, numel }]) => {
      const part = ops.reshape(ops.narrow(vector, 0, begin, numel), shape);
      begin += numel;
      return [name, part];
    }),
  );
}

export function sizeOf(params: Params): number {
  return Array.from(params.values(), ({ numel }) => numel).reduce((a, b) => a + b, 0);
}

/** Zeros but in one layer. */
export function only(params: Params, layer: string): Map<string, Tensor> {
  return new Map(Array.from(params, ([name, tensor]) => [name, name === layer ? tensor : ops.zerosLike(tensor)]));
}

/** Sum of a product of tensors in float64. */
export function dot(a: Tensor, b: Tensor): number {
  return ops.sum(ops.mul(a, b), { dtype: "float64" }).item();
}

/** <a, b> over all names. */
export function inner(a: Params, b: Params): number {
  return Array.from(a, ([name, tensor]) => dot(tensor, param(b, name))).reduce((x, y) => x + y, 0);
}

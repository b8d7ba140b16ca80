// What generated operators stand on: argument conversion, plan look-up, result wrapping.
import { expected, UsageError } from "../util/errors.js";
import { native } from "./native.js";
import { type DType, handleOf, type MemoryFormat, Tensor } from "./tensor.js";

const DTYPES: Readonly<Record<DType, number>> = {
  uint8: 0,
  int8: 1,
  int16: 2,
  int32: 3,
  int64: 4,
  float16: 5,
  float32: 6,
  float64: 7,
  bool: 11,
  bfloat16: 15,
};
const MEMORY_FORMATS: Readonly<Record<MemoryFormat, number>> = { contiguous: 0, preserve: 1, channels_last: 2 };

export const call: (plan: number, ...values: readonly unknown[]) => unknown = native.call;

/** Operators are resolved at first use, so that one missing from another libtorch breaks only its callers. */
export function plans(names: readonly string[]): (index: number) => number {
  const resolved = new Int32Array(names.length).fill(-1);
  return (index) => {
    const plan = resolved[index] ?? -1;
    if (plan >= 0) return plan;
    const fresh = native.resolve(names[index] ?? "");
    resolved[index] = fresh;
    return fresh;
  };
}

export const h = handleOf;

export function ho(value: Tensor | undefined): number | undefined {
  return value === undefined ? undefined : handleOf(value);
}

export function hs(values: readonly Tensor[]): number[] {
  if (!Array.isArray(values)) throw new UsageError("expected an array of tensors");
  return values.map(handleOf);
}

export function hos(values: readonly (Tensor | undefined)[]): (number | undefined)[] {
  if (!Array.isArray(values)) throw new UsageError("expected an array of tensors");
  return values.map(ho);
}

function coded(what: string, codes: Readonly<Record<string, number>>, name: string | undefined): number | undefined {
  if (name === undefined) return undefined;
  if (typeof name === "string" && Object.hasOwn(codes, name)) return codes[name];
  throw new UsageError(expected(what, Object.keys(codes).join(", "), name));
}

export function dt(name: DType | undefined): number | undefined {
  return coded("dtype", DTYPES, name);
}

export function mf(name: MemoryFormat | undefined): number | undefined {
  return coded("memoryFormat", MEMORY_FORMATS, name);
}

export function one(result: unknown): Tensor {
  return new Tensor(result as number);
}

export function many(result: unknown): Tensor[] {
  return (result as number[]).map((handle) => new Tensor(handle));
}

// Values as readers of checkpoints give them, for tests that make their own.
import type { PtValue, RawTensor } from "../../src/nn/index.js";
import type { OpenedFile } from "../../src/recipe/foreign/index.js";

export function f32(values: readonly number[], shape: readonly number[]): RawTensor {
  return { dtype: "float32", shape, data: new Uint8Array(Float32Array.from(values).buffer) };
}

const count = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);

/** Entries that are all different in magnitude, in no order, and none zero. */
export function ramp(shape: readonly number[], factor = 7919): RawTensor {
  const n = count(shape);
  let step = factor % n;
  const common = (a: number, b: number): number => (b === 0 ? a : common(b, a % b));
  while (common(step, n) !== 1) step++;
  return f32(
    Array.from({ length: n }, (_, i) => (((i * step) % n) + 1) * (i % 2 === 0 ? 1 : -1)),
    shape,
  );
}

export const bytesOf = (tensor: RawTensor | undefined) => [...(tensor?.data ?? [])];

export function numbersOf(tensor: RawTensor | undefined): number[] {
  return [...new Float32Array((tensor?.data ?? new Uint8Array()).slice().buffer)];
}

export function opened(value: PtValue): OpenedFile {
  return { where: "f.pt", container: "zip", value };
}

// Zeros of tensors as bytes: what an inspection measures needs no copy of them in libtorch.
import type { RawTensor } from "../../nn/index.js";

/** A trained network has a few zeros by chance; a pruned one has many. */
export const LEAST_SPARSITY = 0.01;

/** Their sign counts for nothing: -0 is a zero. */
const FLOATS = new Set(["float64", "float32", "float16", "bfloat16"]);

export const elements = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);

/** The elements as whole numbers of their size; a copy only where they do not begin at a multiple of it. */
function bits({ shape, data }: RawTensor): Uint8Array | Uint16Array | Uint32Array | BigUint64Array {
  const count = elements(shape);
  const size = count === 0 ? 1 : data.byteLength / count;
  const { buffer, byteOffset } = data.byteOffset % size === 0 ? data : data.slice();
  if (size === 1) return new Uint8Array(buffer, byteOffset, count);
  if (size === 2) return new Uint16Array(buffer, byteOffset, count);
  return size === 4 ? new Uint32Array(buffer, byteOffset, count) : new BigUint64Array(buffer, byteOffset, count);
}

function magnitudeBits(tensor: RawTensor, size: number): number {
  return FLOATS.has(tensor.dtype) ? 2 ** (8 * size - 1) - 1 : 2 ** (8 * size) - 1;
}

/** How many elements are zero. */
export function countZeros(tensor: RawTensor): number {
  const values = bits(tensor);
  let zeros = 0;
  if (values instanceof BigUint64Array) {
    const mask = FLOATS.has(tensor.dtype) ? 0x7fffffffffffffffn : 0xffffffffffffffffn;
    for (const value of values) if ((value & mask) === 0n) zeros++;
    return zeros;
  }
  const mask = magnitudeBits(tensor, values.BYTES_PER_ELEMENT);
  for (let i = 0; i < values.length; i++) if (((values[i] as number) & mask) === 0) zeros++;
  return zeros;
}

/** Weights of convolutions and linear layers, as far as names and shapes tell. */
export function weightNames(state: ReadonlyMap<string, RawTensor>): string[] {
  return Array.from(state)
    .filter(([name, { shape }]) => /(^|\.)weight$/.test(name) && shape.length >= 2)
    .map(([name]) => name);
}

export interface LayerZeros {
  readonly name: string;
  readonly shape: readonly number[];
  readonly weights: number;
  readonly zeros: number;
}

/** Zeros of each prunable weight, measured. */
export function layerZeros(
  state: ReadonlyMap<string, RawTensor>,
  names: readonly string[] = weightNames(state),
): LayerZeros[] {
  return names.flatMap((name) => {
    const tensor = state.get(name);
    if (tensor === undefined) return [];
    return [{ name, shape: tensor.shape, weights: elements(tensor.shape), zeros: countZeros(tensor) }];
  });
}

/** Share of zeros, in [0,1]. */
export function sparsityOf(layers: readonly LayerZeros[]): number {
  const sum = (pick: (layer: LayerZeros) => number) => layers.reduce((total, layer) => total + pick(layer), 0);
  const weights = sum((layer) => layer.weights);
  return weights === 0 ? 0 : sum((layer) => layer.zeros) / weights;
}

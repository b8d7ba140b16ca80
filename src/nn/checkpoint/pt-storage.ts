import type { DType } from "../../torch/index.js";
import { DataError, expected } from "../../util/errors.js";
import { allocate } from "../../util/source.js";
import type { Budget } from "./budget.js";
import { COST, kindOf } from "./pickle.js";
import { asTensor } from "./pt-values.js";
import type { RawTensor } from "./safetensors.js";
import { byteLength, ELEMENT_SIZE } from "./safetensors-header.js";

/** Elements that tensors are views of. `dtype` is undefined for bytes without a type. */
export class Storage {
  readonly dtype: DType | undefined;
  /** Begins at a multiple of the element's size. */
  readonly data: Buffer;
  /** Whether its bytes were seen to be bools. */
  areBools = false;
  /** What waits for the bytes; undefined once they are there. */
  #waiting: (() => void)[] | undefined;

  constructor(dtype: DType | undefined, data: Buffer, options: { readonly pending?: boolean } = {}) {
    this.dtype = dtype;
    this.data = data;
    this.#waiting = options.pending === true ? [] : undefined;
  }

  /** Calls once the bytes are in `data`: now, or when a legacy file has come to them. */
  whenRead(use: () => void): void {
    if (this.#waiting === undefined) use();
    else this.#waiting.push(use);
  }

  /** The bytes are there. */
  settle(): void {
    const waiting = this.#waiting ?? [];
    this.#waiting = undefined;
    for (const use of waiting) use();
  }
}

/** The class of a storage, as pickles name it. */
export class StorageType {
  readonly dtype: DType | undefined;

  constructor(dtype: DType | undefined) {
    this.dtype = dtype;
  }
}

const TYPES: Readonly<Record<string, DType>> = {
  DoubleStorage: "float64",
  FloatStorage: "float32",
  HalfStorage: "float16",
  BFloat16Storage: "bfloat16",
  LongStorage: "int64",
  IntStorage: "int32",
  ShortStorage: "int16",
  CharStorage: "int8",
  ByteStorage: "uint8",
  BoolStorage: "bool",
};

/** `torch.FloatStorage`, `torch.cuda.FloatStorage`, `torch.storage.UntypedStorage` and their like. */
export function storageType(module: string, name: string): StorageType | undefined {
  if (module === "torch.storage" && /^_?UntypedStorage$/.test(name)) return new StorageType(undefined);
  if (module !== "torch" && module !== "torch.cuda" && module !== "torch.storage") return undefined;
  const dtype = Object.hasOwn(TYPES, name) ? TYPES[name] : undefined;
  return dtype === undefined ? undefined : new StorageType(dtype);
}

export function badTensor(where: string, what: string, got: unknown): DataError {
  return new DataError(expected(where, what, got), { code: "data/pt" });
}

const MAX_RANK = 64;

/** Whole numbers from 0, as sizes, strides and offsets are. */
export function wholeNumbers(where: string, value: unknown): number[] {
  if (!Array.isArray(value) || value.length > MAX_RANK || !value.every((v) => Number.isSafeInteger(v) && v >= 0)) {
    throw badTensor(
      where,
      `at most ${MAX_RANK} whole numbers from 0`,
      Array.isArray(value) ? value.slice(0, 8).map(kindOf).join(", ") : kindOf(value),
    );
  }
  return value as number[];
}

function isContiguous(shape: readonly number[], strides: readonly number[]): boolean {
  let step = 1;
  for (let k = shape.length - 1; k >= 0; k--) {
    if (shape[k] !== 1 && strides[k] !== step) return false;
    step *= shape[k] as number;
  }
  return true;
}

function elements(data: Buffer, size: number): Uint8Array | Uint16Array | Uint32Array | BigUint64Array {
  const count = Math.floor(data.length / size);
  if (size === 1) return new Uint8Array(data.buffer, data.byteOffset, count);
  if (size === 2) return new Uint16Array(data.buffer, data.byteOffset, count);
  if (size === 4) return new Uint32Array(data.buffer, data.byteOffset, count);
  return new BigUint64Array(data.buffer, data.byteOffset, count);
}

/** Copies elements that lie at `strides` into a row-major array. */
function gather(data: Buffer, copy: Buffer, size: number, view: View): void {
  const { offset, shape, strides } = view;
  const [from, to] = [elements(data, size), elements(copy, size)];
  const last = shape.length - 1;
  const [row, step] = [shape[last] as number, strides[last] as number];
  const index = shape.map(() => 0);
  for (let at = offset, done = 0; done < to.length; ) {
    for (let i = 0; i < row; i++) to[done++] = from[at + i * step] as number & bigint;
    for (let k = last - 1; k >= 0; k--) {
      at += strides[k] as number;
      index[k] = (index[k] as number) + 1;
      if (index[k] !== shape[k]) break;
      at -= (strides[k] as number) * (shape[k] as number);
      index[k] = 0;
    }
  }
}

/** Which elements of a storage a tensor is; counted in elements. */
export interface View {
  readonly offset: number;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
}

function checkBools(where: string, storage: Storage): void {
  if (storage.areBools) return;
  if (storage.data.some((byte) => byte > 1)) throw badTensor(where, "bytes 0 and 1 in a bool tensor", "other bytes");
  storage.areBools = true;
}

/** The elements as a row-major tensor: a view of the storage where they lie so, else a copy. Everything is checked against the storage. */
export function viewOf(where: string, storage: Storage, dtype: DType, view: View, { charge }: Budget): RawTensor {
  const { offset, shape, strides } = view;
  const size = ELEMENT_SIZE[dtype];
  const length = byteLength(dtype, shape);
  if (strides.length !== shape.length) throw badTensor(where, `${shape.length} strides for [${shape}]`, strides);
  if (Number.isNaN(length)) throw badTensor(where, "a tensor whose size can be counted", `[${shape}]`);
  const last = length === 0 ? 0 : shape.reduce((at, side, k) => at + (side - 1) * (strides[k] as number), offset + 1);
  if (!(last * size <= storage.data.length)) {
    const got = `[${shape}] with strides [${strides}] from ${offset}`;
    throw badTensor(where, `a tensor within its storage of ${Math.floor(storage.data.length / size)} elements`, got);
  }
  charge(COST.object + 32 * shape.length);
  if (dtype === "bool") storage.whenRead(() => checkBools(where, storage));
  if (length === 0) return asTensor({ dtype, shape, data: new Uint8Array(0) });
  if (isContiguous(shape, strides)) {
    const { buffer, byteOffset } = storage.data;
    return asTensor({ dtype, shape, data: new Uint8Array(buffer, byteOffset + offset * size, length) });
  }
  charge(length);
  const copy = allocate(where, length);
  storage.whenRead(() => gather(storage.data, copy, size, view));
  return asTensor({ dtype, shape, data: new Uint8Array(copy.buffer, copy.byteOffset, length) });
}

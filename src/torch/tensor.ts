import { S2apError, show, UsageError } from "../util/errors.js";
import { native } from "./native.js";
import { adopt } from "./scope.js";

/** Element types, by their PyTorch names. */
export type DType =
  | "float32"
  | "float64"
  | "bfloat16"
  | "float16"
  | "uint8"
  | "int8"
  | "int16"
  | "int32"
  | "int64"
  | "bool";
export type MemoryFormat = "contiguous" | "preserve" | "channels_last";
/** A number or boolean operand; `{ float: 2 }` says that 2 is a floating-point 2. */
export type Scalar = number | boolean | { readonly float: number };
/** Typed arrays that a tensor can be made of; bfloat16 and float16 travel as their bits. */
export type TypedArray =
  | Float32Array
  | Float64Array
  | Uint8Array
  | Int8Array
  | Int16Array
  | Int32Array
  | BigInt64Array
  | Uint16Array;

/**
 * A libtorch tensor. It belongs to the scope it was made in (see `scope`) and is freed with it; outside of any
 * scope it lives until `dispose()`, `using`, or garbage collection.
 */
export class Tensor {
  /** The addon's name for this tensor; 0 once disposed. */
  handle: number;
  /** Depth of the scope that owns it, 1 for the outermost; 0 when none does. */
  scope = 0;
  #shape: readonly number[] | undefined;
  #dtype: DType | undefined;

  constructor(handle: number) {
    this.handle = handle;
    adopt(this);
  }

  get shape(): readonly number[] {
    this.#shape ??= native.shape(this.handle);
    return this.#shape;
  }

  get dtype(): DType {
    this.#dtype ??= native.dtype(this.handle) as DType;
    return this.#dtype;
  }

  get device(): string {
    return native.device(this.handle);
  }

  /** Number of elements. */
  get numel(): number {
    return this.shape.reduce((product, extent) => product * extent, 1);
  }

  get requiresGrad(): boolean {
    return native.requiresGrad(this.handle);
  }

  /** Marks a leaf as an input of `grad`; returns the same tensor. */
  setRequiresGrad(value: boolean): this {
    native.setRequiresGrad(this.handle, value);
    return this;
  }

  /** Whether the memory is laid out as [N,H,W,C]. */
  get isChannelsLast(): boolean {
    return native.isChannelsLast(this.handle);
  }

  /** The value of a tensor with one element, as a number (booleans as 0 or 1). */
  item(): number {
    return native.item(this.handle);
  }

  /** A copy of the elements in row-major order; int64 as BigInt64Array, bfloat16 and float16 as their bits. */
  toArray(): TypedArray {
    return native.toArray(this.handle) as TypedArray;
  }

  /** A copy of the elements as plain numbers, whatever the dtype but the 16-bit floats. */
  toNumbers(): number[] {
    return Array.from(this.toArray() as Iterable<number | bigint>, Number);
  }

  get isDisposed(): boolean {
    return this.handle === 0;
  }

  /** Frees the memory now; a second call does nothing. */
  dispose(): void {
    if (this.handle === 0) return;
    native.release(this.handle);
    this.handle = 0;
    this.scope = 0;
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  toString(): string {
    return this.isDisposed ? "Tensor(disposed)" : `Tensor(${this.dtype} [${this.shape.join(",")}])`;
  }
}

function dtypeOf(data: TypedArray): DType {
  if (data instanceof Float32Array) return "float32";
  if (data instanceof Float64Array) return "float64";
  if (data instanceof Uint8Array) return "uint8";
  if (data instanceof Int8Array) return "int8";
  if (data instanceof Int16Array) return "int16";
  if (data instanceof Int32Array) return "int32";
  if (data instanceof BigInt64Array) return "int64";
  throw new UsageError("tensor: expected dtype to be named for 16-bit data, got a Uint16Array without one");
}

function typed(data: readonly number[], dtype: DType): TypedArray {
  switch (dtype) {
    case "float32":
      return Float32Array.from(data);
    case "float64":
      return Float64Array.from(data);
    case "int64":
      return BigInt64Array.from(data, BigInt);
    case "int32":
      return Int32Array.from(data);
    case "int16":
      return Int16Array.from(data);
    case "int8":
      return Int8Array.from(data);
    case "uint8":
    case "bool":
      return Uint8Array.from(data);
    default:
      throw new UsageError(`tensor: expected raw bits in a Uint16Array for ${dtype}, got numbers`);
  }
}

/**
 * Copies numbers into a new tensor. A typed array keeps its type unless `dtype` names another of the same width
 * (`bool` for Uint8Array, `bfloat16` for Uint16Array); plain numbers become `dtype` (float32).
 * `shape` defaults to one dimension, or none for a single number.
 */
export function tensor(
  data: TypedArray | readonly number[] | number,
  shape?: readonly number[],
  options: { readonly dtype?: DType } = {},
): Tensor {
  if (typeof data === "number") return tensor([data], shape ?? [], options);
  if (!Array.isArray(data) && !ArrayBuffer.isView(data)) {
    throw new UsageError(`tensor: expected numbers or a typed array, got ${show(data)}`);
  }
  const array = Array.isArray(data) ? typed(data, options.dtype ?? "float32") : (data as TypedArray);
  const dtype = options.dtype ?? dtypeOf(array);
  return new Tensor(native.fromBytes(array, shape ?? [array.length], dtype));
}

/** Raw little-endian bytes -> tensor, as checkpoints hold them. */
export function fromBytes(bytes: Uint8Array, shape: readonly number[], dtype: DType): Tensor {
  return new Tensor(native.fromBytes(bytes, shape, dtype));
}

/** Smaller memory is as quick to copy; node has no larger external buffers. */
const [LEAST_LENT, MOST_LENT] = [1 << 20, 2 ** 32 - 1];

/** So many bytes of memory, not set to anything, that `takeBytes` can turn into a tensor without a copy where they are many. */
export function tensorMemory(bytes: number): ArrayBuffer {
  return bytes < LEAST_LENT || bytes > MOST_LENT ? new ArrayBuffer(bytes) : native.lend(bytes);
}

/**
 * As `fromBytes`, but when `bytes` are the whole of an ArrayBuffer of `tensorMemory`, the tensor takes that memory over: nothing is
 * copied, and the array is empty afterwards, as is every other view of its buffer.
 */
export function takeBytes(bytes: Uint8Array, shape: readonly number[], dtype: DType): Tensor {
  return new Tensor(native.takeBytes(bytes, shape, dtype));
}

/** Tensor -> raw little-endian bytes in row-major order. */
export function toBytes(value: Tensor): Uint8Array {
  const array = value.toArray();
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

export function handleOf(value: unknown): number {
  if (value instanceof Tensor) return value.handle;
  throw new UsageError(`expected a tensor, got ${show(value)}`);
}

/** For results that the types say exist. */
export function present<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new S2apError(`internal: ${what} is missing`);
  return value;
}

// Arrays, numbers and types of NumPy as pickles hold them: checkpoints have them among their results and arguments.
import type { DType } from "../../torch/index.js";
import type { Budget } from "./budget.js";
import { Global, kindOf } from "./pickle.js";
import { badTensor, Storage, viewOf, wholeNumbers } from "./pt-storage.js";
import { asTensor } from "./pt-values.js";
import { ELEMENT_SIZE } from "./safetensors-header.js";

/** What the globals of a file share. */
export interface Scene {
  readonly where: string;
  readonly budget: Budget;
  /** Says how this object takes its state. */
  onBuild(object: object, take: (state: unknown) => void): void;
}

const TYPES: Readonly<Record<string, DType>> = {
  f8: "float64",
  f4: "float32",
  f2: "float16",
  i8: "int64",
  i4: "int32",
  i2: "int16",
  i1: "int8",
  u1: "uint8",
  b1: "bool",
};

class NumpyType {
  readonly dtype: DType;

  constructor(dtype: DType) {
    this.dtype = dtype;
  }
}

function numpyType({ where, onBuild }: Scene, [code]: readonly unknown[]): NumpyType {
  const dtype = typeof code === "string" && Object.hasOwn(TYPES, code) ? TYPES[code] : undefined;
  if (dtype === undefined) throw badTensor(where, `a NumPy type out of ${Object.keys(TYPES).join(", ")}`, kindOf(code));
  const type = new NumpyType(dtype);
  onBuild(type, (state) => {
    const order = Array.isArray(state) ? state[1] : undefined;
    if (order !== "<" && order !== "|" && order !== "=")
      throw badTensor(where, "NumPy values in little-endian", kindOf(order));
  });
  return type;
}

function bytesOf({ where, budget }: Scene, type: unknown, value: unknown): { dtype: DType; data: Buffer } {
  if (!(type instanceof NumpyType)) throw badTensor(where, "a NumPy type", kindOf(type));
  // Python 2 pickled bytes as text.
  const isBytes = value instanceof Uint8Array;
  if (!isBytes && typeof value !== "string") throw badTensor(where, "bytes of NumPy values", kindOf(value));
  budget.charge(value.length);
  const data = Buffer.from(new ArrayBuffer(value.length));
  if (isBytes) data.set(value);
  else data.write(value, "latin1");
  return { dtype: type.dtype, data };
}

function scalar(scene: Scene, [type, value]: readonly unknown[]): number | bigint | boolean {
  const { dtype, data } = bytesOf(scene, type, value);
  if (data.length !== ELEMENT_SIZE[dtype]) throw badTensor(scene.where, `${ELEMENT_SIZE[dtype]} bytes`, data.length);
  if (dtype === "float64") return data.readDoubleLE();
  if (dtype === "float32") return data.readFloatLE();
  if (dtype === "float16") return half(data.readUInt16LE());
  if (dtype === "bool") return data[0] !== 0;
  if (dtype === "uint8") return data.readUInt8();
  if (dtype !== "int64") return data.readIntLE(0, data.length);
  const value64 = data.readBigInt64LE();
  return Number.isSafeInteger(Number(value64)) ? Number(value64) : value64;
}

/** The value of an IEEE half. */
function half(bits: number): number {
  const [sign, exponent, fraction] = [bits >> 15 === 1 ? -1 : 1, (bits >> 10) & 31, bits & 1023];
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1024 + fraction) * 2 ** (exponent - 25);
}

/** An empty array that takes shape, type and values as its state. */
function reconstruct(scene: Scene): object {
  const { where, budget, onBuild } = scene;
  const array = asTensor<{ dtype: DType; shape: readonly number[]; data: Uint8Array }>({
    dtype: "uint8",
    shape: [0],
    data: new Uint8Array(0),
  });
  onBuild(array, (state) => {
    const [, extents, type, fortran, values] = Array.isArray(state) ? state : [];
    const shape = wholeNumbers(`${where}: NumPy array`, extents);
    const { dtype, data } = bytesOf(scene, type, values);
    const strides = shape.map((_, k) => (fortran ? shape.slice(0, k) : shape.slice(k + 1)).reduce((a, b) => a * b, 1));
    const made = viewOf(
      `${where}: NumPy array`,
      new Storage(dtype, data),
      dtype,
      { offset: 0, shape, strides },
      budget,
    );
    Object.assign(array, made);
  });
  return array;
}

/** The globals of NumPy, under the names of its versions 1 and 2. */
export function numpyGlobals(scene: Scene): readonly Global[] {
  return [
    new Global("numpy.dtype", (args) => numpyType(scene, args)),
    new Global("numpy.ndarray"),
    ...["numpy.core.multiarray", "numpy._core.multiarray"].flatMap((module) => [
      new Global(`${module}.scalar`, (args) => scalar(scene, args)),
      new Global(`${module}._reconstruct`, () => reconstruct(scene)),
    ]),
  ];
}

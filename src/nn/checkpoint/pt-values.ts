import { badPickle, Global, kindOf } from "./pickle.js";
import type { RawTensor } from "./safetensors.js";

/**
 * What a PyTorch file holds, as plain values: None is null, dicts of all kinds and data holders are maps, lists and tuples are arrays,
 * whole numbers beyond 2^53 are bigints, devices and dtypes are strings (`cuda:0`, `torch.float32`).
 */
export type PtValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | RawTensor
  | PtValue[]
  | Set<PtValue>
  | Map<PtValue, PtValue>;

const tensors = new WeakSet<object>();

/** Marks a tensor as one of a file's. */
export function asTensor<T extends RawTensor>(tensor: T): T {
  tensors.add(tensor);
  return tensor;
}

export function isPtTensor(value: unknown): value is RawTensor {
  return typeof value === "object" && value !== null && tensors.has(value);
}

const DEEPEST = 100;
const SPARE_VALUES = 100_000;
const MOST_REPEATS = 10;

/** Values when written out, and levels below. */
interface Measure {
  readonly size: number;
  readonly height: number;
}

const LEAF: Measure = { size: 1, height: 0 };

function children(value: unknown): Iterable<unknown> | undefined {
  if (value instanceof Map) return [...value.keys(), ...value.values()];
  if (Array.isArray(value) || value instanceof Set) return value;
  return undefined;
}

/**
 * Checks that only plain values are left, that they contain no circle, are at most 100 deep, and that a walk over them ends soon: a few
 * lists that hold each other ten times over would be billions of values to whoever walks them.
 */
export function plain(where: string, root: unknown): PtValue {
  const known = new Map<unknown, Measure | undefined>();
  let seen = 0;
  const measure = (value: unknown, depth: number): Measure => {
    const inner = children(value);
    if (inner === undefined) return leaf(where, value);
    const before = known.get(value);
    if (before !== undefined) return before;
    if (known.has(value)) throw badPickle(where, "values that do not contain themselves", kindOf(value));
    known.set(value, undefined);
    let [size, height] = [1, 0];
    for (const item of inner) {
      if (depth >= DEEPEST) throw badPickle(where, `values at most ${DEEPEST} deep`, "deeper ones");
      seen++;
      const below = measure(item, depth + 1);
      size += below.size;
      height = Math.max(height, below.height + 1);
    }
    if (depth + height > DEEPEST) throw badPickle(where, `values at most ${DEEPEST} deep`, "deeper ones");
    const measured = { size, height };
    known.set(value, measured);
    return measured;
  };
  const { size } = measure(root, 0);
  const most = MOST_REPEATS * seen + SPARE_VALUES;
  if (size > most) throw badPickle(where, `values that are at most ${most} when written out`, size);
  return root as PtValue;
}

function leaf(where: string, value: unknown): Measure {
  const isObject = typeof value === "object" && value !== null && !(value instanceof Uint8Array);
  if (isObject && !isPtTensor(value)) {
    const got = value instanceof Global ? `the class ${value.name}` : "a storage or a type";
    throw badPickle(where, "plain values and tensors", got);
  }
  return LEAF;
}

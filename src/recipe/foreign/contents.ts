// From what a file holds to the tensors of its network, and to what stands beside them.
import type { PtValue, RawTensor } from "../../nn/index.js";
import { fromBytes, scope } from "../../torch/index.js";
import { DataError } from "../../util/index.js";
import type { Dropped, OpenedFile } from "./checkpoint.js";

/** Where programs put the state_dict; the first that has tensors counts. */
const WRAPPERS = ["state_dict", "net", "model_state_dict", "model", "network"] as const;
const MOST_FACTS = 60;
const LONGEST_FACT = 200;

/** Metadata of our own files that are no facts for people. */
const OURS = new Set(["spec", "meta", "format", "sha256"]);

export function isTensor(value: unknown): value is RawTensor {
  return value !== null && typeof value === "object" && "dtype" in value && "shape" in value && "data" in value;
}

export interface Contents {
  /** The key of the state_dict; undefined of a bare one. */
  readonly wrapper: string | undefined;
  readonly tensors: ReadonlyMap<string, RawTensor>;
  /** What stands beside the state_dict. */
  readonly beside: ReadonlyMap<string, PtValue>;
  readonly facts: Readonly<Record<string, string | number>>;
  readonly dropped: readonly Dropped[];
}

function notACheckpoint(where: string, got: string): DataError {
  const what = `a dict of tensors, or one that has them under ${WRAPPERS.join(", ")}`;
  return new DataError(`${where}: expected ${what}, got ${got}`, { code: "data/layout" });
}

function kindOf(value: PtValue): string {
  if (isTensor(value)) return `one tensor [${value.shape.join(", ")}]`;
  if (value instanceof Map) return `a dict of ${value.size === 0 ? "nothing" : `${value.size} other values`}`;
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (value instanceof Set) return "a set";
  return value === null ? "None" : `a ${typeof value}`;
}

const hasTensors = (value: PtValue | undefined): value is Map<PtValue, PtValue> =>
  value instanceof Map && [...value.values()].some(isTensor);

/** A number of any kind, or the text of it where a number would lose digits. */
function simple(value: PtValue): string | number | undefined {
  if (typeof value === "number") return value;
  if (typeof value === "boolean" || typeof value === "bigint") return String(value);
  if (typeof value === "string") return value.length > LONGEST_FACT ? `${value.slice(0, LONGEST_FACT)}...` : value;
  return isTensor(value) && value.data.length > 0 && value.shape.every((side) => side === 1)
    ? scalar(value)
    : undefined;
}

/** The value of a tensor of one element. */
export function scalar({ data, shape, dtype }: RawTensor): number {
  return scope(() => Number(fromBytes(data, shape, dtype).item()));
}

function whyDropped(name: string, value: PtValue): string {
  if (/optim|sched|scaler|^amp$/.test(name)) return "the state of a training, which is not gone on with";
  if (value === null) return "says nothing";
  if (hasTensors(value)) return "tensors that are not the network's";
  return "not part of the network";
}

interface Told {
  readonly facts: Record<string, string | number>;
  readonly dropped: Dropped[];
}

/** Facts are the simple values; those of `args` count too, one level down. */
function tell(values: ReadonlyMap<PtValue, PtValue>, told: Told, path = ""): void {
  for (const [key, value] of values) {
    const name = `${path}${String(key)}`;
    const fact = simple(value);
    const isRoom = Object.keys(told.facts).length < MOST_FACTS;
    if (fact !== undefined && isRoom) told.facts[name] = fact;
    else if (path === "" && key === "args" && value instanceof Map) tell(value, told, "args.");
    else if (path === "") {
      told.dropped.push({ name, why: fact === undefined ? whyDropped(name, value) : "one fact of too many" });
    }
  }
}

function tensorsOf(where: string, values: ReadonlyMap<PtValue, PtValue>, dropped: Dropped[]): Map<string, RawTensor> {
  const tensors = new Map<string, RawTensor>();
  for (const [key, value] of values) {
    if (isTensor(value)) tensors.set(String(key), value);
    else dropped.push({ name: String(key), why: "no tensor" });
  }
  if (tensors.size === 0) throw notACheckpoint(where, "no tensor");
  return tensors;
}

/** The network's tensors and what stands beside them; DataError where a file has none. */
export function contentsOf({ where, value, metadata = {} }: OpenedFile): Contents {
  if (!(value instanceof Map)) throw notACheckpoint(where, kindOf(value));
  const told: Told = { facts: Object.create(null), dropped: [] };
  const wrapper = WRAPPERS.find((key) => hasTensors(value.get(key)));
  if (wrapper === undefined && !hasTensors(value)) throw notACheckpoint(where, kindOf(value));
  tell(new Map(Object.entries(metadata).filter(([key]) => !OURS.has(key))), told);
  if (wrapper === undefined) {
    const tensors = tensorsOf(where, value, told.dropped);
    return { wrapper, tensors, beside: new Map(), facts: { ...told.facts }, dropped: told.dropped };
  }
  const beside = new Map([...value].filter(([key]) => key !== wrapper));
  tell(beside, told);
  const tensors = tensorsOf(where, value.get(wrapper) as Map<PtValue, PtValue>, told.dropped);
  const named = new Map(Array.from(beside, ([key, inner]) => [String(key), inner]));
  return { wrapper, tensors, beside: named, facts: { ...told.facts }, dropped: told.dropped };
}

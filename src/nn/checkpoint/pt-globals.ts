// The allow list: every class and function that a PyTorch file may name, and what each means here. None of them is Python's.
import type { DType } from "../../torch/index.js";
import { DataError } from "../../util/errors.js";
import type { ByteSource } from "../../util/source.js";
import type { Budget } from "./budget.js";
import { COST, Global, kindOf, type PickleHost } from "./pickle.js";
import { numpyGlobals, type Scene } from "./pt-numpy.js";
import { badTensor, Storage, StorageType, storageType, viewOf, wholeNumbers } from "./pt-storage.js";
import { isPtTensor } from "./pt-values.js";

/** The storage of a persistent id ("storage", type, key, device, count, view). */
export type LoadStorage = (id: readonly unknown[], type: StorageType, count: number) => Storage;

const DTYPES: Readonly<Record<string, DType | undefined>> = {
  float64: "float64",
  double: "float64",
  float32: "float32",
  float: "float32",
  float16: "float16",
  half: "float16",
  bfloat16: "bfloat16",
  int64: "int64",
  long: "int64",
  int32: "int32",
  int: "int32",
  int16: "int16",
  short: "int16",
  int8: "int8",
  uint8: "uint8",
  bool: "bool",
};
const dtypeNamed = (name: string) => (Object.hasOwn(DTYPES, name) ? DTYPES[name] : undefined);

/** _rebuild_tensor_v2(storage, offset, size, stride, ...); version 3 has the type at the end, for storages without one. */
function rebuildTensor({ where, budget }: Scene, args: readonly unknown[], dtypeAt?: number): unknown {
  const [storage, offset, size, stride] = args;
  if (!(storage instanceof Storage)) throw badTensor(where, "a storage behind each tensor", kindOf(storage));
  const named = dtypeAt === undefined ? undefined : args[dtypeAt];
  const dtype = typeof named === "string" ? dtypeNamed(named.replace(/^torch\./, "")) : storage.dtype;
  if (dtype === undefined) throw badTensor(where, "a tensor of a known dtype", kindOf(named));
  const [first = 0] = wholeNumbers(`${where}: offset of a tensor`, [offset]);
  const shape = wholeNumbers(`${where}: shape of a tensor`, size);
  const strides = wholeNumbers(`${where}: strides of a tensor`, stride);
  return viewOf(where, storage, dtype, { offset: first, shape, strides }, budget);
}

function parameter({ where }: Scene, [data]: readonly unknown[]): unknown {
  if (!isPtTensor(data)) throw badTensor(where, "a tensor in each parameter", kindOf(data));
  return data;
}

function torchGlobals(scene: Scene): readonly Global[] {
  const { where, budget } = scene;
  return [
    new Global("torch._utils._rebuild_tensor", (args) => rebuildTensor(scene, args)),
    new Global("torch._utils._rebuild_tensor_v2", (args) => rebuildTensor(scene, args)),
    new Global("torch._utils._rebuild_tensor_v3", (args) => rebuildTensor(scene, args, 6)),
    new Global("torch._utils._rebuild_parameter", (args) => parameter(scene, args)),
    new Global("torch._utils._rebuild_parameter_with_state", (args) => parameter(scene, args)),
    // A tensor with attributes: they are dropped.
    new Global("torch._tensor._rebuild_from_type_v2", ([make, , args]) => {
      const isTensor = make instanceof Global && make.name.startsWith("torch._utils._rebuild_");
      const made = isTensor && Array.isArray(args) ? make.call?.(args) : undefined;
      return parameter(scene, [made]);
    }),
    new Global("torch.Tensor"),
    new Global("torch.nn.parameter.Parameter"),
    new Global("torch.Size", ([sizes]) => {
      budget.charge(COST.slot * 64);
      return [...wholeNumbers(`${where}: torch.Size`, sizes ?? [])];
    }),
    new Global("torch.device", ([kind, index]) => {
      const isKind = typeof kind === "string" && kind.length < 40;
      if (!isKind || !(index === undefined || Number.isSafeInteger(index))) {
        throw badTensor(`${where}: torch.device`, "a kind and a number", kindOf(kind));
      }
      return index === undefined ? kind : `${kind}:${index}`;
    }),
  ];
}

/** A dict of some kind; what it is given beside its items is dropped, as OrderedDict's `_metadata`. */
function mapFrom({ where, budget, onBuild }: Scene, items: unknown): Map<unknown, unknown> {
  const count = items instanceof Map ? items.size : Array.isArray(items) ? items.length : 0;
  budget.charge(COST.map + 2 * COST.pair * count);
  const pairs = items instanceof Map ? [...items] : (items ?? []);
  if (!Array.isArray(pairs) || !pairs.every((pair) => Array.isArray(pair) && pair.length === 2)) {
    throw badTensor(where, "a dict's keys and values", kindOf(items));
  }
  const map = new Map<unknown, unknown>(pairs as [unknown, unknown][]);
  onBuild(map, () => undefined);
  return map;
}

/** An object that is only its attributes. */
function holder(scene: Scene): Map<unknown, unknown> {
  const map = mapFrom(scene, undefined);
  scene.onBuild(map, (state) => {
    if (!(state instanceof Map)) throw badTensor(scene.where, "attributes", kindOf(state));
    scene.budget.charge(COST.pair * state.size);
    for (const [key, value] of state) map.set(key, value);
  });
  return map;
}

function setFrom({ where, budget }: Scene, items: unknown): Set<unknown> {
  if (!Array.isArray(items)) throw badTensor(where, "the items of a set", kindOf(items));
  budget.charge(COST.map + COST.pair * items.length);
  return new Set(items);
}

/** How protocol 2 writes bytes. */
function encode({ where, budget }: Scene, [value, encoding]: readonly unknown[]): Uint8Array {
  if (typeof value !== "string" || encoding !== "latin1") throw badTensor(where, "bytes as latin1", kindOf(value));
  budget.charge(COST.object + value.length);
  return new Uint8Array(Buffer.from(value, "latin1"));
}

function path({ where, budget }: Scene, parts: readonly unknown[]): string {
  if (!parts.every((part) => typeof part === "string")) throw badTensor(where, "the parts of a path", "something else");
  budget.charge(parts.reduce<number>((sum, part) => sum + 2 * part.length + 2, 0));
  return parts.join("/").replace(/^\/\//, "/");
}

function pythonGlobals(scene: Scene): readonly Global[] {
  const builtins = ["builtins", "__builtin__"].flatMap((module) => [
    new Global(`${module}.set`, ([items]) => setFrom(scene, items ?? [])),
    new Global(`${module}.frozenset`, ([items]) => setFrom(scene, items ?? [])),
    // Named as what a defaultdict makes.
    ...["list", "dict", "int", "float"].map((name) => new Global(`${module}.${name}`)),
  ]);
  return [
    new Global("collections.OrderedDict", ([items]) => mapFrom(scene, items)),
    new Global("collections.Counter", ([items]) => mapFrom(scene, items)),
    new Global("collections.defaultdict", () => mapFrom(scene, undefined)),
    new Global("easydict.EasyDict", ([items]) => mapFrom(scene, items)),
    new Global("argparse.Namespace", () => holder(scene)),
    new Global("types.SimpleNamespace", () => holder(scene)),
    new Global("_codecs.encode", (args) => encode(scene, args)),
    new Global("pathlib.PosixPath", (args) => path(scene, args)),
    new Global("pathlib.PurePosixPath", (args) => path(scene, args)),
    ...builtins,
  ];
}

const FRONT = 1 << 16;
const CURE = "save the network's state_dict() instead, or convert the file where its code is trusted";

/** Why a name is refused. */
function refusal(where: string, name: string, front: Buffer): DataError {
  const quoted = name.length > 200 ? `${name.slice(0, 200)}...` : name;
  const isModule =
    name.startsWith("torch.nn.modules.") || (front.includes("_parameters") && front.includes("_modules"));
  const isTensor =
    /^torch\._utils\._rebuild_|^torch\.(cuda\.|storage\.)?\w*Storage$|^torch\.(q?u?int|complex|float)\w*$/;
  let got = `the class or function ${quoted}, which is not on the list of what is only data; ${CURE}`;
  if (isModule) got = `a whole pickled module: the class ${quoted}, whose code would have to run; ${CURE}`;
  else if (isTensor.test(name)) got = `${quoted}: tensors of this kind are not read`;
  else if (name === "torch.storage._load_from_bytes") got = `${quoted}: a file within the file is not read`;
  return new DataError(`${where}: expected plain values and tensors, got ${got}`, { code: "data/pt-global" });
}

/** What a pickle of PyTorch is allowed; `source` is only looked at to say what was refused. */
export function ptHost(source: ByteSource, where: string, budget: Budget, load: LoadStorage): PickleHost {
  const builders = new WeakMap<object, (state: unknown) => void>();
  const scene: Scene = { where, budget, onBuild: (object, take) => void builders.set(object, take) };
  const all = [...torchGlobals(scene), ...pythonGlobals(scene), ...numpyGlobals(scene)];
  const globals = new Map(all.map((global) => [global.name, global]));
  return {
    where,
    charge: budget.charge,
    global: (module, name) => {
      const known = globals.get(`${module}.${name}`) ?? storageType(module, name);
      if (known !== undefined) return known;
      if (module === "torch" && dtypeNamed(name) !== undefined) return `torch.${name}`;
      throw refusal(where, `${module}.${name}`, source.read(0, Math.min(source.length, FRONT)));
    },
    persistent: (id) => {
      const [kind, type, , , count] = Array.isArray(id) ? id : [];
      if (kind !== "storage" || !(type instanceof StorageType)) {
        throw badTensor(
          where,
          "nothing outside the pickle but storages",
          kind === "module" ? "a whole module" : kindOf(kind),
        );
      }
      const [numel = 0] = wholeNumbers(`${where}: elements of a storage`, [count]);
      return load(id as unknown[], type, numel);
    },
    build: (value, state) => {
      const take = typeof value === "object" && value !== null ? builders.get(value) : undefined;
      take?.(state);
      return take !== undefined;
    },
  };
}

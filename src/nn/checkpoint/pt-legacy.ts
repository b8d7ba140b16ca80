// The format of torch.save before PyTorch 1.6: five pickles in a row (a magic number, a version, facts of the machine, the value, the
// keys of the storages), then for each key the number of its elements and their bytes. The value names storages before their bytes
// come: memory is taken for them when they are named, and filled at the end.
import type { ByteSource } from "../../util/source.js";
import { type Budget, budget } from "./budget.js";
import { badPickle, COST, kindOf, type PickleHost, unpickle } from "./pickle.js";
import { type LoadStorage, ptHost } from "./pt-globals.js";
import { badTensor, Storage, type StorageType, wholeNumbers } from "./pt-storage.js";
import { type PtValue, plain } from "./pt-values.js";
import { ELEMENT_SIZE } from "./safetensors-header.js";

const MAGIC = 0x1950a86a20f9469cfc6cn;
const VERSION = 1001;
/** The pickle of the magic number, with which the format begins. */
export const LEGACY_START = Buffer.from("80028a0a6cfc9c46f9206aa850192e", "hex");

/** Of pickles that hold only numbers, texts and dicts. */
function plainHost(where: string, { charge }: Budget): PickleHost {
  const refuse = (what: string) => badPickle(where, "a header of plain values", what);
  return {
    where,
    charge,
    global: (module, name) => {
      throw refuse(`${module}.${name}`);
    },
    persistent: () => {
      throw refuse("a storage");
    },
    build: () => false,
  };
}

interface Stored {
  readonly storage: Storage;
  readonly count: number;
  /** Parts of it that old files name as storages of their own. */
  readonly parts: Map<string, Storage>;
}

const sizeOf = ({ dtype }: StorageType | Storage) => (dtype === undefined ? 1 : ELEMENT_SIZE[dtype]);

function loader(source: ByteSource, { charge }: Budget, stored: Map<string, Stored>): LoadStorage {
  let taken = 0;
  return ([, , key, , , part], type, count) => {
    const where = `${source.where}: storage ${kindOf(key)}`;
    if (typeof key !== "string") throw badTensor(where, "a key of text", kindOf(key));
    const known = stored.get(key);
    if (known === undefined) {
      taken += count * sizeOf(type);
      if (!(taken <= source.length))
        throw badTensor(where, `storages within its ${source.length} bytes`, `${taken} bytes`);
      charge(COST.object + COST.map);
      const storage = new Storage(type.dtype, source.allocate(count * sizeOf(type)), { pending: true });
      stored.set(key, { storage, count, parts: new Map() });
    } else if (known.count !== count || known.storage.dtype !== type.dtype) {
      throw badTensor(where, "one type and size", "two");
    }
    const whole = stored.get(key) as Stored;
    return part === undefined || part === null ? whole.storage : partOf(where, whole, part, charge);
  };
}

/** A view ("key", offset, count) of a storage, as PyTorch wrote them before 0.4. */
function partOf(where: string, { storage, count, parts }: Stored, part: unknown, charge: Budget["charge"]): Storage {
  const [, ...place] = Array.isArray(part) ? part : [];
  const [offset = 0, length = 0] = wholeNumbers(`${where}: view`, place);
  if (place.length !== 2 || offset + length > count)
    throw badTensor(where, `a view of its ${count} elements`, kindOf(part));
  const name = `${offset},${length}`;
  const known = parts.get(name);
  if (known !== undefined) return known;
  charge(COST.object);
  const size = sizeOf(storage);
  const made = new Storage(storage.dtype, storage.data.subarray(offset * size, (offset + length) * size), {
    pending: true,
  });
  storage.whenRead(() => made.settle());
  parts.set(name, made);
  return made;
}

/** Reads the bytes of all storages; returns where they end. */
function fill(source: ByteSource, from: number, keys: unknown, stored: ReadonlyMap<string, Stored>): number {
  const { where } = source;
  if (!Array.isArray(keys)) throw badTensor(where, "a list of the storages' keys", kindOf(keys));
  const left = new Map(stored);
  let at = from;
  for (const key of keys) {
    const found = left.get(key as string);
    if (found === undefined) throw badTensor(where, "the keys of the storages, each once", kindOf(key));
    const count = Number(source.read(at, 8).readBigInt64LE());
    if (count !== found.count) throw badTensor(`${where}: storage ${kindOf(key)}`, `${found.count} elements`, count);
    source.readInto(at + 8, found.storage.data);
    found.storage.settle();
    at += 8 + found.storage.data.length;
    left.delete(key as string);
  }
  if (left.size > 0)
    throw badTensor(where, "the bytes of each storage", `none for ${[...left.keys()].slice(0, 8).join(", ")}`);
  return at;
}

export function decodeLegacy(source: ByteSource): PtValue {
  const { where } = source;
  const bound = budget(where, source.length);
  const header = plainHost(where, bound);
  const magic = unpickle(source, 0, header);
  if (magic.value !== MAGIC) throw badTensor(where, "a file by torch.save", "a pickle by another program");
  const version = unpickle(source, magic.end, header);
  if (version.value !== VERSION) throw badTensor(where, `version ${VERSION} of the format`, kindOf(version.value));
  const machine = unpickle(source, version.end, header);
  const order = machine.value instanceof Map ? machine.value.get("little_endian") : undefined;
  if (order !== true) throw badTensor(where, "numbers in little-endian", "another byte order");
  const stored = new Map<string, Stored>();
  const { value, end } = unpickle(source, machine.end, ptHost(source, where, bound, loader(source, bound, stored)));
  const keys = unpickle(source, end, header);
  const last = fill(source, keys.end, keys.value, stored);
  if (last !== source.length)
    throw badTensor(where, `an end after its last storage, at ${last}`, `${source.length} bytes`);
  return plain(where, value);
}

// The zip format of torch.save (PyTorch 1.6 and later): NAME/data.pkl, and NAME/data/KEY with the bytes of each storage.
import { type ByteSource, bytesSource } from "../../util/source.js";
import { unzip, type ZipEntry, zipDirectory } from "../../util/zip.js";
import { type Budget, budget } from "./budget.js";
import { COST, unpickle } from "./pickle.js";
import { type LoadStorage, ptHost } from "./pt-globals.js";
import { badTensor, Storage } from "./pt-storage.js";
import { type PtValue, plain } from "./pt-values.js";
import { ELEMENT_SIZE } from "./safetensors-header.js";

const LIMITS = { entries: 100_000, listBytes: 16 * 2 ** 20 };
/** A file that says that it unpacks to more than so many times its own size is a bomb: weights hardly shrink. */
export const MOST_EXPANSION = 20;
const LONGEST_PICKLE = 256 * 2 ** 20;

/** The folder that all names begin with, and its pickle. */
function pickleEntry(where: string, entries: ReadonlyMap<string, ZipEntry>): { folder: string; entry: ZipEntry } {
  const names = [...entries.keys()];
  const script = names.find((name) => /(^|\/)(constants\.pkl|code\/.*\.py)$/.test(name));
  if (script !== undefined) {
    throw badTensor(
      where,
      "weights",
      `a TorchScript archive (it has ${script}), which is a program; save its state_dict()`,
    );
  }
  const pickles = names.filter((name) => /^([^/]*\/)?data\.pkl$/.test(name));
  const [name] = pickles;
  const entry = name === undefined ? undefined : entries.get(name);
  if (name === undefined || entry === undefined || pickles.length > 1) {
    const got =
      pickles.length > 1 ? pickles.join(", ") : `a zip archive of ${names.slice(0, 4).join(", ") || "nothing"}`;
    throw badTensor(where, "a file by torch.save, with one data.pkl", got);
  }
  return { folder: name.slice(0, -"data.pkl".length), entry };
}

function declared(where: string, length: number, entries: ReadonlyMap<string, ZipEntry>): number {
  let total = 0;
  for (const { size } of entries.values()) total += size;
  if (total > MOST_EXPANSION * length) {
    throw badTensor(where, `at most ${MOST_EXPANSION} times its ${length} bytes when unpacked`, `${total} bytes`);
  }
  return total;
}

/** Reads a storage's bytes when a tensor asks for it first. */
function loader(
  source: ByteSource,
  folder: string,
  entries: ReadonlyMap<string, ZipEntry>,
  { charge, checksums }: Budget & { readonly checksums: boolean },
): LoadStorage {
  const read = new Map<string, Storage>();
  return ([, , key], type, count) => {
    const name = `${folder}data/${typeof key === "string" ? key : "?"}`;
    const entry = entries.get(name);
    const length = count * (type.dtype === undefined ? 1 : ELEMENT_SIZE[type.dtype]);
    const where = `${source.where}: storage ${name}`;
    if (entry === undefined) throw badTensor(where, "its bytes in the archive", "none");
    if (entry.size !== length) throw badTensor(where, `${length} bytes, as its ${count} elements need`, entry.size);
    const known = read.get(name);
    if (known === undefined) {
      // While it is unpacked, the packed bytes are there too.
      charge(COST.object + (entry.deflated ? entry.packed : 0));
      read.set(name, new Storage(type.dtype, unzip(source, entry, { checksum: checksums })));
    } else if (known.dtype !== type.dtype) read.set(name, new Storage(type.dtype, known.data));
    return read.get(name) as Storage;
  };
}

/** `checksums`: whether those of the tensors' bytes are checked. */
export function decodeZip(source: ByteSource, checksums: boolean): PtValue {
  const { where } = source;
  const entries = zipDirectory(source, LIMITS);
  const { folder, entry } = pickleEntry(where, entries);
  const total = declared(where, source.length, entries);
  const order = entries.get(`${folder}byteorder`);
  if (order !== undefined && order.size < 20) {
    const name = unzip(source, order).toString("latin1").trim();
    if (name !== "little") throw badTensor(where, "numbers in little-endian", `byteorder ${name}`);
  }
  if (entry.size > LONGEST_PICKLE) throw badTensor(where, `a pickle of at most ${LONGEST_PICKLE} bytes`, entry.size);
  const pickle = unzip(source, entry);
  const inner = bytesSource(pickle, where);
  const bound = budget(where, total);
  const host = ptHost(inner, where, bound, loader(source, folder, entries, { ...bound, checksums }));
  const { value, end } = unpickle(inner, 0, host);
  if (end !== pickle.length) throw badTensor(where, `a pickle of ${pickle.length} bytes`, `its end after ${end}`);
  return plain(where, value);
}

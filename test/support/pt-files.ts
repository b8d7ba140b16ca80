import { crc32, deflateRawSync } from "node:zlib";
import { storedZip } from "../../src/util/zip-write.js";

/** Files of torch.save made by hand, to say what PyTorch never would. Pickles are opcodes in latin1. */
export const latin1 = (text: string): Buffer => Buffer.from(text, "latin1");

export type Files = readonly (readonly [name: string, data: Uint8Array])[];

/** A zip archive of deflated files; `lies` are sizes that its list tells instead of the true ones. */
export function deflatedZip(files: Files, lies: Readonly<Record<string, number>> = {}): Buffer {
  const archive = Buffer.concat(storedZip(files.map(([name, data]) => [name, deflateRawSync(data)])));
  let from = archive.readUInt32LE(archive.length - 6);
  for (const [name, data] of files) {
    archive.writeUInt16LE(8, from + 10);
    archive.writeUInt32LE(crc32(data), from + 16);
    archive.writeUInt32LE(lies[name] ?? data.length, from + 24);
    from += 46 + name.length;
  }
  return archive;
}

/** A zip file of torch.save with this pickle and these storages. */
export function zipPt(pickle: string | Buffer, storages: readonly Uint8Array[] = [], pack = plainZip): Buffer {
  const data = storages.map((bytes, key) => [`a/data/${key}`, bytes] as const);
  return pack([["a/data.pkl", typeof pickle === "string" ? latin1(pickle) : pickle], ...data]);
}

const plainZip = (files: Files): Buffer => Buffer.concat(storedZip(files));

export function int32(value: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes.toString("latin1");
}

/** Opcodes for storage `key` of so many floats. */
export const storage = (key: number, count: number): string =>
  `(U\x07storagectorch\nFloatStorage\nU${String.fromCharCode(String(key).length)}${key}U\x03cpuJ${int32(count)}tQ`;

/** Opcodes for a float tensor of one side in storage `key`. */
export const vector = (key: number, count: number, view = { length: count, stride: 1 }): string =>
  `ctorch._utils\n_rebuild_tensor_v2\n(${storage(key, count)}K\x00J${int32(view.length)}\x85J${int32(view.stride)}\x85\x89NtR`;

/** A legacy file of torch.save with this value and these storages. */
export function legacyPt(value: string, storages: readonly Uint8Array[] = []): Buffer {
  const keys = storages.map((_, key) => `U${String.fromCharCode(String(key).length)}${key}`).join("");
  const bytes = storages.flatMap((data) => {
    const count = Buffer.alloc(8);
    count.writeBigInt64LE(BigInt(data.length / 4));
    return [count, data];
  });
  const head = "\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.\x80\x02}X\x0d\0\0\0little_endian\x88s.";
  return Buffer.concat([latin1(`${head}${value}\x80\x02](${keys}e.`), ...bytes]);
}

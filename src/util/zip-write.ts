// Zip archives of stored files, as torch.save writes them: the bytes of each begin at a multiple of 64.
import { crc32 } from "node:zlib";
import { expected, UsageError } from "./errors.js";

const ALIGNED = 64;
const LOCAL_BYTES = 30;
const CENTRAL_BYTES = 46;
/** Version 2.0, no flags, stored, and midnight of 1 January 1980: the same input gives the same bytes. */
const COMMON = Buffer.from("14000000000000002100", "hex");
const LARGEST = 0xffffffff;

/** Extra field "FB" that fills up to where the data shall begin. */
function padding(at: number): Buffer {
  const length = (ALIGNED - ((at + 4) % ALIGNED)) % ALIGNED;
  const extra = Buffer.alloc(4 + length);
  extra.write("FB", "latin1");
  extra.writeUInt16LE(length, 2);
  return extra;
}

/** Checksum, size twice, length of the name. */
function facts(name: Buffer, data: Uint8Array): Buffer {
  const bytes = Buffer.alloc(14);
  bytes.writeUInt32LE(crc32(data), 0);
  bytes.writeUInt32LE(data.length, 4);
  bytes.writeUInt32LE(data.length, 8);
  bytes.writeUInt16LE(name.length, 12);
  return bytes;
}

/** The bytes of an archive, in chunks; the files' own are not copied. UsageError at 4 GB, which would need zip64. */
export function storedZip(files: readonly (readonly [name: string, data: Uint8Array])[]): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  const list: Buffer[] = [];
  let at = 0;
  for (const [path, data] of files) {
    const name = Buffer.from(path, "latin1");
    const extra = padding(at + LOCAL_BYTES + name.length);
    const local = Buffer.alloc(LOCAL_BYTES);
    local.write("PK\x03\x04", "latin1");
    COMMON.copy(local, 4);
    const begin = at;
    at += LOCAL_BYTES + name.length + extra.length + data.length;
    if (at + CENTRAL_BYTES + name.length > LARGEST || files.length >= 0xffff) {
      throw new UsageError(expected("storedZip", "at most 4 GB and 65534 files; safetensors have no such limit", at));
    }
    facts(name, data).copy(local, 14);
    local.writeUInt16LE(extra.length, 28);
    chunks.push(local, name, extra, data);
    const central = Buffer.alloc(CENTRAL_BYTES);
    central.write("PK\x01\x02\x14\x00", "latin1");
    COMMON.copy(central, 6);
    facts(name, data).copy(central, 16);
    central.writeUInt32LE(begin, 42);
    list.push(central, name);
  }
  const size = list.reduce((sum, part) => sum + part.length, 0);
  const end = Buffer.alloc(22);
  end.write("PK\x05\x06", "latin1");
  end.writeUInt16LE(files.length, 8);
  end.writeUInt16LE(files.length, 10);
  end.writeUInt32LE(size, 12);
  end.writeUInt32LE(at, 16);
  return [...chunks, ...list, end];
}

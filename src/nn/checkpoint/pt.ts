/**
 * Files of torch.save (`.pt`, `.pth`, `.pth.tar`, `.tar`, `.t7`; the name says nothing, the first bytes do) as plain values and tensors.
 * They are pickles, which are programs; ours is a reader that knows a list of harmless names and refuses every other, so no code of a
 * file ever runs. Memory stays within twice the size that the file declares for its contents plus 64 MB.
 */
import type { DataError } from "../../util/errors.js";
import { type ByteSource, bytesSource, type Memory, withFile } from "../../util/source.js";
import { decodeLegacy, LEGACY_START } from "./pt-legacy.js";
import { badTensor } from "./pt-storage.js";
import type { PtValue } from "./pt-values.js";
import { decodeZip } from "./pt-zip.js";

export interface PtFile {
  readonly format: "zip" | "legacy";
  readonly value: PtValue;
}

const FRONT = 512;
const ZIP_START = "PK\x03\x04";
const TAR_MARK = "ustar";

/** What a file is that is not torch.save's. */
function stranger({ where, length }: ByteSource, front: Buffer): DataError {
  const text = front.toString("latin1");
  const refuse = (got: string) => badTensor(where, "a file by torch.save", got);
  if (length === 0) return refuse("an empty file");
  if (/^(\xef\xbb\xbf)?\s*<(!doctype|html|head|body|\?xml|!--|script)/i.test(text)) {
    return refuse("a web page saved under this name: the download asked for a confirmation or failed; fetch it again");
  }
  if (text.startsWith("version https://git-lfs"))
    return refuse("a Git LFS pointer; fetch the file itself (git lfs pull)");
  if (text.startsWith("\x1f\x8b")) return refuse("a gzip archive; unpack it first");
  if (text.startsWith(TAR_MARK, 257))
    return refuse("a tar archive, of files or of PyTorch before 0.2; unpack it first");
  if (/^.{4}\0{4}\{"/s.test(text)) return refuse("safetensors; name the file .safetensors");
  if (front[0] === 0x80) return refuse("a pickle by another program, which may run code");
  return refuse(`${length} bytes of something else`);
}

function decode(source: ByteSource, checksums = true): PtFile {
  const front = source.read(0, Math.min(FRONT, source.length));
  if (front.toString("latin1", 0, 4) === ZIP_START) return { format: "zip", value: decodeZip(source, checksums) };
  if (front.subarray(0, LEGACY_START.length).equals(LEGACY_START))
    return { format: "legacy", value: decodeLegacy(source) };
  throw stranger(source, front);
}

/** Reads a whole file from memory; tensors may be views of `bytes`. `where` (usually the path) opens every error text. */
export function decodePt(bytes: Uint8Array, where: string): PtFile {
  return decode(bytesSource(bytes, where));
}

/**
 * Reads a file; DataError when it is missing, damaged, hostile, or holds more than data. `memory` makes what its bytes are read into: with
 * `tensorMemory` of s2ap/torch large tensors can be taken over by libtorch (`takeTensors`). By default plain ArrayBuffers. `checksums:
 * false` leaves those of the tensors' bytes unchecked, as torch.load does: a fifth of the time, and a flipped bit stays unseen.
 */
export function readPt(path: string, options: { readonly memory?: Memory; readonly checksums?: boolean } = {}): PtFile {
  return withFile(path, (source) => decode(source, options.checksums), options.memory);
}

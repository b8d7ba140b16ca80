import { readPt, readSafetensors } from "../../nn/index.js";
import { withFile } from "../../util/source.js";
import type { OpenedFile } from "./checkpoint.js";

/** Eight bytes of the header's length, of which the upper four are zero in any file that fits a disk, and its brace. */
function looksLikeSafetensors(path: string): boolean {
  return withFile(path, (source) =>
    /^.{4}\0{4}\{/s.test(source.read(0, Math.min(9, source.length)).toString("latin1")),
  );
}

/** Reads a file of tensors, whatever its name says. DataError with the reason when it is none, or holds more than data. */
export function openForeign(path: string): OpenedFile {
  if (path.endsWith(".safetensors") || looksLikeSafetensors(path)) {
    const { tensors, metadata } = readSafetensors(path);
    return { where: path, container: "safetensors", value: new Map(tensors), metadata };
  }
  const { format, value } = readPt(path);
  return { where: path, container: format, value };
}

import { DataError } from "../../util/errors.js";
import { sha256 } from "../../util/index.js";
import type { RawTensor, SafetensorsFile } from "./safetensors.js";

/** SHA-256 over names, metadata (but the checksum itself, `sha256`) and data, the same whatever their order. */
export function checksum(tensors: ReadonlyMap<string, RawTensor>, metadata: Readonly<Record<string, string>>): string {
  const words = Object.entries(metadata)
    .filter(([key]) => key !== "sha256")
    .sort(([a], [b]) => (a < b ? -1 : 1));
  const names = Array.from(tensors, ([name, { dtype, shape }]) => [name, dtype, shape]).sort();
  const header = new TextEncoder().encode(JSON.stringify([words, names]));
  return sha256([
    header,
    ...Array.from(tensors.keys())
      .sort()
      .map((name) => tensors.get(name)?.data ?? new Uint8Array()),
  ]);
}

/** The metadata with the checksum in it. */
export function sealed(tensors: ReadonlyMap<string, RawTensor>, metadata: Readonly<Record<string, string>>) {
  return { ...metadata, sha256: checksum(tensors, metadata) };
}

/** DataError where a file carries our checksum and does not match it; other people's files have none. */
export function checkSeal(path: string, file: SafetensorsFile): void {
  const wanted = file.metadata.sha256;
  if (wanted === undefined || wanted === checksum(file.tensors, file.metadata)) return;
  throw new DataError(`${path}: expected SHA-256 ${wanted.slice(0, 12)}..., got other contents: the file is damaged`, {
    code: "data/checksum",
  });
}

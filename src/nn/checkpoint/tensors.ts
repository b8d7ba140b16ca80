import { fromBytes, keep, scope, type Tensor, takeBytes, tensorMemory, toBytes } from "../../torch/index.js";
import { writeFileAtomic } from "../../util/index.js";
import { channelsLast, type Params } from "../params.js";
import { checkSeal, sealed } from "./checksum.js";
import { encodeSafetensors, type RawTensor, readSafetensors } from "./safetensors.js";

export interface SavedTensors {
  readonly tensors: Map<string, Tensor>;
  readonly metadata: Readonly<Record<string, string>>;
}

/** Writes tensors as safetensors, atomically, with a SHA-256 over names, metadata and data in the metadata. */
export function saveTensors(path: string, params: Params, metadata: Readonly<Record<string, string>> = {}): void {
  const tensors = new Map<string, RawTensor>();
  for (const [name, tensor] of params) {
    tensors.set(name, { dtype: tensor.dtype, shape: tensor.shape, data: toBytes(tensor) });
  }
  writeFileAtomic(path, encodeSafetensors({ tensors, metadata: sealed(tensors, metadata) }));
}

/**
 * Tensors of a file that was read, in the innermost scope. Where the bytes of one are the whole of a large piece of memory that no
 * other here shares, they move into the tensor without a copy, and its `data` is empty afterwards.
 */
export function takeTensors<K>(raw: ReadonlyMap<K, RawTensor>): Map<K, Tensor> {
  const [seen, shared] = [new Set<ArrayBufferLike>(), new Set<ArrayBufferLike>()];
  for (const { data } of raw.values()) (seen.has(data.buffer) ? shared : seen).add(data.buffer);
  return new Map(
    Array.from(raw, ([name, { data, shape, dtype }]) => {
      const make = shared.has(data.buffer) ? fromBytes : takeBytes;
      return [name, make(data, shape, dtype)];
    }),
  );
}

/**
 * Reads safetensors into tensors that no scope owns. A file that carries our checksum must match it; other people's
 * files are taken as they are. Throws DataError with the path for anything that is not right.
 */
export function loadTensors(path: string): SavedTensors {
  const file = readSafetensors(path, { memory: tensorMemory });
  checkSeal(path, file);
  const tensors = scope(() => {
    const laidOut = Array.from(takeTensors(file.tensors), ([name, tensor]) => {
      const result = channelsLast(tensor);
      if (result !== tensor) tensor.dispose();
      return [name, result] as const;
    });
    return keep(new Map(laidOut), { forever: true });
  });
  return { tensors, metadata: file.metadata };
}

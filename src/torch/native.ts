import { createRequire } from "node:module";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { S2apError, TorchError, UsageError, UseAfterFreeError } from "../util/errors.js";

/** What the addon exports; tensors travel as numbers (handles), operators as numbers (plans). */
export interface Native {
  setErrorFactory(factory: (kind: string, where: string, message: string) => Error): void;
  resolve(name: string): number;
  schema(name: string): string;
  call(plan: number, ...values: readonly unknown[]): unknown;
  fromBytes(data: ArrayBufferView, shape: readonly number[], dtype: string): number;
  lend(bytes: number): ArrayBuffer;
  takeBytes(data: ArrayBufferView, shape: readonly number[], dtype: string): number;
  toArray(handle: number): ArrayBufferView;
  item(handle: number): number;
  shape(handle: number): number[];
  dtype(handle: number): string;
  device(handle: number): string;
  isChannelsLast(handle: number): boolean;
  release(handle: number): boolean;
  releaseAll(handles: readonly number[]): void;
  liveTensors(): number;
  liveBytes(): number;
  startMeter(): void;
  stopMeter(): number;
  grad(
    outputs: readonly number[],
    inputs: readonly number[],
    gradOutputs: readonly number[] | undefined,
    retainGraph: boolean,
    createGraph: boolean,
    allowUnused: boolean,
  ): (number | undefined)[];
  requiresGrad(handle: number): boolean;
  setRequiresGrad(handle: number, value: boolean): void;
  setGradMode(enabled: boolean): boolean;
  setAutocast(enabled: boolean): boolean;
  manualSeed(seed: bigint): void;
  setThreads(threads: number): void;
  threads(): number;
  returnMemory(): void;
  version(): string;
}

const addonPath = fileURLToPath(new URL("../../build/Release/s2ap.node", import.meta.url));

function load(): Native {
  // Spinning threads halve the speed of a busy machine; libgomp reads this when the addon brings it in.
  process.env.OMP_WAIT_POLICY ??= "PASSIVE";
  // Left alone, libtorch takes half of the processors.
  process.env.OMP_NUM_THREADS ??= String(availableParallelism());
  try {
    return createRequire(import.meta.url)(addonPath) as Native;
  } catch (error) {
    const cause = error instanceof Error ? error.message : String(error);
    throw new S2apError(`native addon: expected it to load, got: ${cause}. Run scripts/bootstrap to build it`, {
      code: "native/missing",
      cause: error,
    });
  }
}

export const native: Native = load();

native.setErrorFactory((kind, where, message) => {
  const operator = where.replace(/^aten::/, "").replace(/\..*$/, "");
  if (kind === "usage") return new UsageError(`${operator}: ${message}`);
  if (kind === "use-after-free") return new UseAfterFreeError(`${operator}: ${message}`);
  return new TorchError(operator, message);
});

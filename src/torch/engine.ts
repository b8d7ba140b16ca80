import { readFileSync } from "node:fs";
import { resetPeakMemory } from "../util/peak-memory.js";
import { native } from "./native.js";
import { scope } from "./scope.js";

/** libtorch's own version, e.g. `1.13.1`. */
export function torchVersion(): string {
  return native.version();
}

/** Threads of one operator; default: what OMP_NUM_THREADS says. */
export function setThreads(threads: number): void {
  native.setThreads(threads);
}

export function threads(): number {
  return native.threads();
}

/**
 * Begins to measure this process's peak of resident memory. What earlier work freed goes back to the system first, which
 * otherwise keeps it for the next step: a peak is then that of the work which follows.
 */
export function beginPeakMemory(): void {
  native.returnMemory();
  resetPeakMemory();
}

/**
 * Runs `fn` (synchronous, in a scope) for what it costs: the most bytes that its tensors held at one time, those of
 * recorded graphs included, beyond what was there before. Not to be nested.
 */
export function peakBytes(fn: () => void): number {
  native.startMeter();
  let peak = 0;
  try {
    scope(fn);
  } finally {
    peak = native.stopMeter();
  }
  return peak;
}

function readOr(path: string, otherwise: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return otherwise;
  }
}

/** Whether this CPU multiplies bfloat16 natively (AVX512-BF16 or AMX); elsewhere it is emulated and slow. */
export function hasBfloat16(): boolean {
  return /\b(avx512_bf16|amx_bf16)\b/.test(readOr("/proc/cpuinfo", ""));
}

/** What to say where bfloat16 is asked for and the CPU has it not. */
export const EMULATED_BFLOAT16 = "this CPU has no bfloat16: it is emulated, and much slower than float32";

/** The BLAS library in this process: its path, and whether it is the reference one, about 25 times slower than OpenBLAS. */
export function blas(): { readonly path: string; readonly isReference: boolean } {
  const lines = readOr("/proc/self/maps", "").match(/\/\S*lib(?:open)?blas\S*\.so\S*|\/\S*libmkl\S*\.so\S*/g) ?? [];
  const path = lines[0] ?? "unknown";
  return { path, isReference: path !== "unknown" && !/openblas|mkl|atlas|blis/i.test(lines.join(" ")) };
}

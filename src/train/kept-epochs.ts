// Which of a search's epochs leave files in a run folder, and what these are called: `epoch-0000.safetensors` before the first step,
// and so on by epochs done.
import { existsSync, readdirSync } from "node:fs";

/**
 * Of which epochs: `none`, or the start and the end and besides those listed (by epochs done, 0 being the start) or
 * every so many.
 */
export type KeepEpochs = "none" | readonly number[] | { readonly every: number };

/** Whether the state after so many epochs is kept. */
export function keeps(choice: KeepEpochs | undefined, done: number, epochs: number): boolean {
  if (choice === "none") return false;
  if (done === 0 || done === epochs || choice === undefined) return done === 0 || done === epochs;
  return "length" in choice ? choice.includes(done) : done % choice.every === 0;
}

export const epochFile = (done: number): string => `epoch-${String(done).padStart(4, "0")}.safetensors`;

/** The epochs that have a file in a folder, by epochs done, in order; none where there is no folder. */
export function epochsIn(folder: string): number[] {
  if (!existsSync(folder)) return [];
  const numbers = readdirSync(folder).map((name) => /^epoch-(\d+)\.safetensors$/.exec(name)?.[1]);
  return numbers
    .filter((digits) => digits !== undefined)
    .map(Number)
    .sort((a, b) => a - b);
}

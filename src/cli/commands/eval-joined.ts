// What several processes tell of their parts of one evaluation, as one.

import { timeLeft } from "../../evaluation/time-left.js";
import type { RunUpdate } from "../../recipe/run.js";
import { wilson } from "../../util/index.js";

type Told = RunUpdate & { readonly kind: "evaluation" };

/** Whether a message of a process is one that all may know: its progress, or a warning. */
export const isTold = (message: unknown): message is Told | (RunUpdate & { readonly kind: "warning" }) => {
  const { kind } = (message ?? {}) as { kind?: unknown };
  return kind === "evaluation" || kind === "warning";
};

/**
 * Joins progress: units of work are summed up, and every image counts as standing until the process that has it says
 * otherwise, so the bound is one at any time. Undefined where an update says nothing of its part.
 */
export function joinProgress(clock?: () => number): (shard: number, told: Told) => Told | undefined {
  const known = new Map<number, Told>();
  let left = timeLeft(clock);
  return (shard, told) => {
    const { bound } = told;
    if (bound?.part === undefined) return undefined;
    // One more process: the work is more than it seemed, and the pace another one.
    if (!known.has(shard)) left = timeLeft(clock);
    known.set(shard, told);
    const all = [...known.values()];
    const sum = (of: (each: Told) => number) => all.reduce((total, each) => total + of(each), 0);
    const [done, of] = [sum((each) => each.done), sum((each) => each.of)];
    const { examples } = bound.part;
    const standing = examples - sum((each) => each.bound?.part?.broken ?? 0);
    // The slowest says which attack is at work.
    const last = all.reduce((a, b) => (b.done / b.of < a.done / a.of ? b : a));
    return {
      ...{ kind: "evaluation", run: "", attack: last.attack, done, of, robust: standing },
      bound: { accuracy: standing / examples, interval: wilson(standing, examples), secondsLeft: left(done, of) },
    };
  };
}

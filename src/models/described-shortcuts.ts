import type { Operation } from "./described-operations.js";
import type { Shortcuts } from "./model.js";

/** What may be changed in a described network that is only evaluated: read off the order of its operations. */
export function shortcutsOf(steps: readonly Operation[]): Shortcuts {
  const uses = new Map<string, number>();
  for (const step of steps) if ("name" in step) uses.set(step.name, (uses.get(step.name) ?? 0) + 1);
  // Weights that serve in two places stay as they are.
  const once = (step: Operation | undefined, op: "conv2d" | "batchnorm2d") =>
    step?.op === op && uses.get(step.name) === 1 ? step.name : undefined;

  const norms = new Map<string, { name: string; eps: number }>();
  const hidden = new Map<string, string>();
  steps.forEach((step, i) => {
    const name = once(step, "conv2d");
    if (name === undefined) return;
    const norm = steps[i + 1];
    if (norm?.op === "batchnorm2d" && once(norm, "batchnorm2d")) norms.set(name, { name: norm.name, eps: norm.eps });
    const reader = once(readerOf(steps, i + (norms.has(name) ? 2 : 1)), "conv2d");
    if (reader !== undefined) hidden.set(name, reader);
  });
  return { norms, hidden };
}

/** The operation behind a ReLU at `at` and any max-pooling; nothing stored in between. */
function readerOf(steps: readonly Operation[], at: number): Operation | undefined {
  if (steps[at]?.op !== "relu") return undefined;
  return steps.slice(at + 1).find(({ op }) => op !== "maxpool2d");
}

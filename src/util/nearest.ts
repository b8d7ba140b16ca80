import { expected, UsageError } from "./errors.js";

/** Edit distance with transpositions (optimal string alignment), in single-character edits. */
function distance(a: string, b: string): number {
  let before: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let best = Math.min((previous[j - 1] ?? 0) + (same ? 0 : 1), (previous[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        best = Math.min(best, (before[j - 2] ?? 0) + 1);
      }
      row.push(best);
    }
    before = previous;
    previous = row;
  }
  return previous[b.length] ?? 0;
}

/** `learning_rate`, `LearningRate` and `learning-rate` are the same word to somebody who types it. */
function fold(name: string): string {
  return name.toLowerCase().replaceAll(/[-_\s]/g, "");
}

/** The known name a typed one was most likely meant to be, or `undefined` when nothing is close. */
export function nearest(name: string, known: readonly string[]): string | undefined {
  const typed = fold(name);
  let best: { name: string; distance: number } | undefined;
  for (const candidate of known) {
    const folded = fold(candidate);
    const d = distance(typed, folded);
    // An abbreviation (`schedule` for `scheduleName`) counts as close however much was left out.
    const abbreviates = typed.length >= 3 && (folded.startsWith(typed) || typed.startsWith(folded));
    const allowed = Math.max(1, Math.floor(Math.max(typed.length, folded.length) * 0.4));
    if (d > allowed && !abbreviates) continue;
    if (best === undefined || d < best.distance) best = { name: candidate, distance: d };
  }
  return best?.name;
}

/** The known names in brackets, with the nearest: `(pgd, fgsm; nearest: pgd)`. */
export function listNames(name: string, known: readonly string[]): string {
  if (known.length === 0) return "(there are none)";
  const near = nearest(name, known);
  return `(${known.join(", ")}${near === undefined ? "" : `; nearest: ${near}`})`;
}

/** The error for a name that is not registered: lists the known names and the nearest one. */
export function unknownName(where: string, kind: string, name: string, known: readonly string[]): UsageError {
  const what = `a known ${kind} ${listNames(name, known)}`;
  return new UsageError(expected(where, what, name), { code: "usage/unknown-name" });
}

import type { ClassCounts, ImageFindings, Splits } from "../../data/index.js";
import { count } from "../format.js";

type SplitName = keyof Splits;

/** What warnings are about. */
export interface Counted {
  readonly classNames: readonly string[];
  readonly counts: Readonly<Record<SplitName, ClassCounts>>;
  /** Absent where no image was looked at. */
  readonly findings?: ImageFindings | undefined;
}

const SHOWN = 5;

/** `a, b, c`, and how many more there are. */
function some(items: readonly (string | number)[]): string {
  const more = items.length - SHOWN;
  return `${items.slice(0, SHOWN).join(", ")}${more > 0 ? ` and ${count(more)} more` : ""}`;
}

const images = (n: number) => `${count(n)} ${n === 1 ? "image" : "images"}`;

/** What somebody should know before they train on a data set, a sentence each. */
export function dataWarnings({ classNames, counts, findings }: Counted): string[] {
  const warnings: string[] = [];
  for (const [split, { counts: own, strays }] of Object.entries(counts)) {
    if (strays.length > 0) {
      const which = some(strays.map(({ position, label }) => `${label} at ${position}`));
      warnings.push(
        `${split}: ${images(strays.length)} with a label that is no class in [0, ${own.length - 1}]: ${which}`,
      );
    }
    const empty = own.flatMap((n, label) => (n === 0 ? [classNames[label] ?? String(label)] : []));
    // Few images are held out: that some class has none of them is nothing to warn of.
    if (empty.length > 0 && split !== "selection") warnings.push(`${split}: no image of ${some(empty)}`);
  }
  for (const [split, positions] of Object.entries(findings?.flat ?? {})) {
    if (positions.length === 0) continue;
    warnings.push(`${split}: ${images(positions.length)} all of one value, at ${some(positions)}`);
  }
  const leaked = findings?.leaked ?? [];
  if (leaked.length > 0) {
    const pairs = some(leaked.map(({ test, train }) => `${test} = ${train}`));
    warnings.push(
      `test: ${images(leaked.length)} equal, byte for byte, to training images (test = training): ${pairs}; accuracy on them is not on unseen images`,
    );
  }
  return warnings;
}

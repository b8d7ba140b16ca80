import type { Split } from "./dataset.js";

/** How many images of a split each class has. */
export interface ClassCounts {
  /** By class, `numClasses` of them. */
  readonly counts: readonly number[];
  /** Images whose label is no class, by their position in the data set. */
  readonly strays: readonly { readonly position: number; readonly label: number }[];
}

/** Labels of a split's images, in the order of the split. */
export function labelsOf({ dataset, indices }: Split): number[] {
  const all = dataset.labels.toNumbers();
  return Array.from(indices, (at) => all[at] as number);
}

/** Counts the labels of a split; no image is looked at. */
export function classCounts(split: Split): ClassCounts {
  const counts = new Array<number>(split.dataset.numClasses).fill(0);
  const strays: { position: number; label: number }[] = [];
  for (const [i, label] of labelsOf(split).entries()) {
    const before = counts[label];
    if (before === undefined) strays.push({ position: split.indices[i] as number, label });
    else counts[label] = before + 1;
  }
  return { counts, strays };
}

import { statSync } from "node:fs";
import { join } from "node:path";
// From its own file: the layer's index would load libtorch.
import { type DistanceFile, distancesOf, loadDistances } from "../evaluation/distances.js";
import type { CurveSummary } from "./api.js";
import { type Found, isInside } from "./folders.js";

const NAME = "distances.json";
const MOST_BYTES = 64 * 2 ** 20;
/** Of a curve: more steps could not be told apart. */
const MOST_POINTS = 500;

function archOf({ key: { spec } }: DistanceFile): string | null {
  const arch = (spec as { arch?: unknown } | null)?.arch;
  return typeof arch === "string" ? arch : null;
}

/** Distances as far as they are measured; nothing where none is, or where they cannot be read. */
function summaryOf({ id, path, folder, root }: Found): CurveSummary[] {
  try {
    if (!isInside({ folder, root }, NAME) || statSync(join(folder, NAME)).size > MOST_BYTES) return [];
    const file = loadDistances(folder);
    if (file === undefined || file.distances.length === 0) return [];
    const { attack, norm, eps, examples, cleanAccuracy, robustAccuracy, interval, medianDistance, curve } =
      distancesOf(file);
    const stride = Math.ceil(curve.points.length / MOST_POINTS);
    const kept = curve.points.filter((_, i, all) => i === 0 || (all.length - 1 - i) % stride === 0);
    return [
      {
        ...{ id, path, model: archOf(file), attack, norm, eps, radius: file.radius },
        ...{ images: file.key.indices.length, examples, cleanAccuracy, robustAccuracy, interval, medianDistance },
        points: kept.map((point) => [point.radius, point.robustAccuracy]),
      },
    ];
  } catch {
    return []; // None of ours, or gone meanwhile.
  }
}

/** The security curve of every record that has distances, by path. */
export const curveSummaries = (records: readonly Found[]): CurveSummary[] =>
  records.flatMap(summaryOf).sort((a, b) => (a.path < b.path ? -1 : 1));

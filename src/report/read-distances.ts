import { basename, join } from "node:path";
import { type DistanceFile, distancesOf, loadDistances } from "../evaluation/distances.js";
import { DataError } from "../util/index.js";
import type { CardData } from "./data.js";
import { shortPath } from "./json.js";
import { type How, type Origins, pointer, read } from "./origin.js";

function fileIn(folder: string, problems: string[]): DistanceFile | undefined {
  const path = shortPath(join(folder, "distances.json"));
  try {
    const file = loadDistances(folder);
    if (file === undefined || file.distances.length === file.key.indices.length) return file;
    problems.push(
      `${path} is of a measurement under way: ${file.distances.length} of ${file.key.indices.length} images.`,
    );
  } catch (error) {
    if (!(error instanceof DataError)) throw error;
    problems.push(`${path} holds no distances.`);
  }
  return undefined;
}

/** The evaluation of a folder that has distances and no card; undefined where it has none, or not all of them. */
export function readDistances(folder: string, problems: string[]): CardData | undefined {
  const file = fileIn(folder, problems);
  if (file === undefined) return undefined;
  const { attack, norm, eps, examples, curve } = distancesOf(file);
  const place = (...steps: readonly (string | number)[]) => ({
    file: join(folder, "distances.json"),
    at: pointer("distances", ...steps),
  });
  const firstAt = new Map<number, number>();
  for (const [i, distance] of file.distances.entries()) {
    if (distance !== null && !firstAt.has(distance)) firstAt.set(distance, i);
  }
  const pointOrigins = curve.points.map(({ radius }): Origins => {
    const i = firstAt.get(radius);
    // A curve without clean mistakes begins at a radius that is no image's.
    if (i === undefined) return {};
    const computed = (how: How) => ({ how, from: [place(), place(i)] });
    return {
      radius: read(place(i)),
      robustAccuracy: computed("above"),
      low: computed("above-low"),
      high: computed("above-high"),
    };
  });
  const name = basename(folder);
  const own = { attack, norm, eps, curve };
  return { name, preset: null, norm, eps, examples, endedEarly: null, classes: [], curve: own, pointOrigins };
}

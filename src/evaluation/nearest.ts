// The points behind distances, so that anyone can check them: a file for each block of images, written before its distances
// are, so that a measurement that was stopped goes on with all of them there.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { predict, type Threat, type Victim } from "../attacks/index.js";
import type { Batch, Split } from "../data/index.js";
import { bindNetwork, type Model } from "../models/index.js";
import { loadTensors, saveTensors } from "../nn/index.js";
import { ops, scope, type Tensor, tensor } from "../torch/index.js";
import { DataError, expected, makeFolder } from "../util/index.js";
import { confirm, rowsOf } from "./confirm.js";
import type { DistanceFile, DistanceKey } from "./distances.js";
import { BLOCK } from "./list.js";
import { anywhere, type Nearest } from "./security-curve.js";
import { recordedImages, threatOfRecord, type Verification } from "./verify.js";

const folderOf = (folder: string) => join(folder, "nearest");
const pathOf = (folder: string, first: number) => join(folderOf(folder), `${first}.safetensors`);

/** Whether a folder has points of its distances: earlier versions kept none. */
export const hasNearest = (folder: string): boolean => existsSync(folderOf(folder));

/**
 * Writes `nearest/<first>.safetensors`: `images` [M,C,H,W], `indices`, `labels` and `predictions` of the images of a block that
 * have a point, where `first` counts the images before it.
 */
export function saveNearest(folder: string, first: number, nearest: Nearest, key: DistanceKey): void {
  makeFolder(folderOf(folder));
  const { indices, labels, classes, points } = nearest;
  if (points === undefined) return;
  const whole = (values: readonly number[]) => tensor(BigInt64Array.from(values, BigInt));
  scope(() => {
    const saved = new Map<string, Tensor>([
      ["images", points],
      ["indices", whole(indices)],
      ["labels", whole(labels)],
      ["predictions", whole(classes)],
    ]);
    saveTensors(pathOf(folder, first), saved, { norm: key.norm, weights: key.weights, data: key.data });
  });
}

/** The points of a block, and the rows of them by position in the data set; none where there is no file. */
function loadNearest(folder: string, first: number): { readonly points: Tensor; readonly rows: Map<number, number> } {
  const path = pathOf(folder, first);
  if (!existsSync(path)) return { points: ops.empty([0]), rows: new Map() };
  const { tensors } = loadTensors(path);
  const [points, indices] = ["images", "indices"].map((name) => tensors.get(name));
  if (points === undefined || indices === undefined) {
    throw new DataError(expected(path, "images and indices", [...tensors.keys()].join(", ")), { code: "data/record" });
  }
  return { points, rows: new Map(indices.toNumbers().map((index, row) => [index, row])) };
}

/** The claims of one block: what its images' distances are. */
interface Claims {
  readonly indices: readonly number[];
  readonly distances: readonly (number | null)[];
  readonly saved: ReturnType<typeof loadNearest>;
}

/** What is wrong with the claims of a block: a reason by place in it. To be called in a scope. */
function checkBlock(judge: Victim, threat: Threat, { x, y }: Batch, claims: Claims): Map<number, string> {
  const { indices, distances, saved } = claims;
  const reasons = new Map<number, string>();
  const places = (holds: (distance: number | null) => boolean) =>
    [...distances.keys()].filter((i) => holds(distances[i] as number | null));
  const mistakes = places((distance) => distance === 0);
  const labels = y.toNumbers();
  if (mistakes.length > 0) {
    const seen = predict(judge, rowsOf(x, mistakes));
    for (const [k, i] of mistakes.entries()) {
      if (seen[k] === labels[i]) reasons.set(i, "the network is right on the clean image");
    }
  }
  const rowOf = (i: number) => saved.rows.get(indices[i] as number);
  const far = places((distance) => distance !== null && distance > 0);
  for (const i of far) if (rowOf(i) === undefined) reasons.set(i, "there is no point at its distance");
  const known = far.filter((i) => rowOf(i) !== undefined);
  if (known.length === 0) return reasons;
  const points = rowsOf(
    saved.points,
    known.map((i) => rowOf(i) as number),
  );
  const { rows, norms } = confirm(judge, anywhere(threat), rowsOf(x, known), rowsOf(y, known), points);
  for (const [k, i] of known.entries()) {
    const at = rows.indexOf(k);
    if (at === -1) reasons.set(i, "its nearest point is no misclassified one in [0,1]");
    else if (!(Math.abs((norms[at] as number) - (distances[i] as number)) <= 1e-9)) {
      reasons.set(i, "its nearest point is at another distance");
    }
  }
  return reasons;
}

/** Checks the distances of a finished measurement: one pass over its points, and one over the clean mistakes. */
export function verifyDistances(
  folder: string,
  { key, eps, radius, distances }: DistanceFile,
  model: Model,
  split: Split,
): Pick<Verification, "claimed" | "confirmed" | "failures" | "robustAccuracy"> {
  const images = recordedImages({ folder, data: key.data, positions: Int32Array.from(key.indices) }, split, model);
  const judge = bindNetwork(model, model).victim;
  const threat = threatOfRecord({ norm: key.norm, eps });
  const reasons = new Map<number, string>();
  for (let block = 0; block < images.blocks; block++) {
    const [first, end] = images.range(block);
    scope(() => {
      const claims = {
        indices: key.indices.slice(first, end),
        distances: distances.slice(first, end),
        saved: loadNearest(folder, block * BLOCK),
      };
      for (const [i, reason] of checkBlock(judge, threat, images.load(block), claims)) reasons.set(first + i, reason);
    });
  }
  const claimed = distances.flatMap((distance, i) => (distance === null ? [] : [[distance, i] as const]));
  const confirmed = claimed.filter(([, i]) => !reasons.has(i));
  const broken = confirmed.filter(([distance]) => distance <= radius).length;
  return {
    claimed: claimed.length,
    confirmed: confirmed.length,
    failures: Array.from(reasons, ([at, reason]) => ({ index: key.indices[at] as number, reason })),
    robustAccuracy: (distances.length - broken) / distances.length,
  };
}

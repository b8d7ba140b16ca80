// A record is a claim that anyone can check: each broken image comes with a point, and one pass says whether it holds.
import { existsSync, readFileSync } from "node:fs";
import { z } from "zod";
import { l1, l2, linf, predict, reach, type Threat, type Victim } from "../attacks/index.js";
import { type Split, split as splitOf } from "../data/index.js";
import { bindNetwork, type Model } from "../models/index.js";
import { loadTensors, readMetadata } from "../nn/index.js";
import { ops, scope, type Tensor } from "../torch/index.js";
import { DataError, sha256 } from "../util/index.js";
import { type BlockImages, blockImages } from "./block-images.js";
import { changedCleanImages, cleanImagePositions, cleanPath } from "./clean-images.js";
import { confirm, rowsOf } from "./confirm.js";
import { type Description, modelDtype, weightsHash } from "./description.js";
import { adversarialPath, describedIndices, imagesPath } from "./finish.js";
import type { WarmStart } from "./list.js";
import { findDescription } from "./record.js";
import { contradictionsOf, readRecordFile } from "./record-numbers.js";
import type { ImageRecord } from "./robustness.js";

const imageSchema = z.strictObject({
  index: z.int(),
  label: z.int(),
  clean: z.int(),
  adversarial: z.int().nullable(),
  brokenBy: z.string().nullable(),
  run: z.string(),
  step: z.int().nullable(),
  norm: z.number().nullable(),
});

/** What a check of a record found. */
export interface Verification {
  /** The weights are the record's, every image is what it is said to be, and the record's numbers follow from its images. */
  readonly holds: boolean;
  /** Images whose record says that they are wrong as they are, or broken; and those of them that are. */
  readonly claimed: number;
  readonly confirmed: number;
  readonly failures: readonly { readonly index: number; readonly reason: string }[];
  /** Numbers of its files that do not follow from its images, in words. */
  readonly contradictions: readonly string[];
  /** Share of images that the confirmed points leave, in [0,1]: an upper bound of robust accuracy by itself. */
  readonly robustAccuracy: number;
  /** Whether the network has the very weights that the record names. */
  readonly sameWeights: boolean;
  /** Of the data set that the record names, or those that it keeps itself, which nothing compares with the data set. */
  readonly images: "data" | "kept";
}

export function threatOfRecord({ norm, eps }: Pick<Description, "norm" | "eps">): Threat {
  return { linf, l2, l1 }[norm]({ eps });
}

function described(folder: string): Description {
  const found = findDescription(folder);
  if (found !== undefined) return found;
  throw new DataError(`${folder}: expected a record, got a folder without record.json`, { code: "data/record" });
}

/** The images of a finished record. */
export function readImages(folder: string): ImageRecord[] {
  return readRecordFile(imagesPath(folder), z.array(imageSchema), "a list of images");
}

/** The adversarial set of a finished record; its tensors belong to the caller. */
export function loadAdversarial(folder: string): WarmStart {
  const path = adversarialPath(folder);
  const { tensors, metadata } = loadTensors(path);
  const [points, indices, labels] = ["images", "indices", "labels"].map((name) => tensors.get(name));
  if (points === undefined || indices === undefined || labels === undefined) {
    throw new DataError(`${path}: expected images, indices and labels, got ${[...tensors.keys()].join(", ")}`, {
      code: "data/record",
    });
  }
  const found = {
    points,
    indices: Int32Array.from(indices.toNumbers()),
    source: folder,
    sha256: metadata.sha256 ?? "",
    data: metadata.data,
  };
  indices.dispose();
  labels.dispose();
  return found;
}

/** Images of a record, by their positions in the data set that it names. */
interface RecordedImages {
  readonly folder: string;
  /** SHA-256 of the data set. */
  readonly data: string;
  readonly positions: Int32Array;
}

/** Whether a data set is the very file of images that the record keeps. */
function isKept({ folder, data }: Pick<RecordedImages, "folder" | "data">, { source }: Split["dataset"]): boolean {
  const path = cleanPath(folder);
  if (source.sha256 === data || !existsSync(path)) return false;
  return source.sha256 === sha256(readFileSync(path)) && readMetadata(path).data === data;
}

/** Rows in the record's own file of the images at these positions. */
function keptRows(folder: string, positions: Int32Array): Int32Array {
  const rows = new Map(cleanImagePositions(folder).map((position, row) => [position, row]));
  const found = [...positions].flatMap((position) => rows.get(position) ?? []);
  if (found.length < positions.length) {
    const what = `all ${positions.length} images, got ${found.length} of them; give the record's data set`;
    throw new DataError(`${cleanPath(folder)}: expected ${what}`, { code: "data/record" });
  }
  return Int32Array.from(found);
}

/** The images in the given data, which is the record's data set or, as `kept` says, the file that it keeps itself. */
export function recordedImages(
  recorded: RecordedImages,
  split: Split,
  model: Model,
): BlockImages & { readonly kept: boolean } {
  const { folder, data, positions } = recorded;
  const at = { dtype: modelDtype(model), classes: model.numClasses };
  if (isKept(recorded, split.dataset)) {
    const rows = keptRows(folder, positions);
    return { ...blockImages(splitOf(split.dataset, rows), at), indices: positions, kept: true };
  }
  const { sha256 } = split.dataset.source;
  if (sha256 !== data) {
    const what = `data with SHA-256 ${data.slice(0, 12)}..., got ${sha256.slice(0, 12)}...`;
    const own = existsSync(cleanPath(folder)) ? `, or --images ${cleanPath(folder)}` : "";
    throw new DataError(`verify: expected ${what}: these are other images; give the record's data set${own}`, {
      code: "data/hash",
    });
  }
  return { ...blockImages(splitOf(split.dataset, positions), at), kept: false };
}

interface Given {
  readonly judge: Victim;
  readonly threat: Threat;
  readonly adversarial: WarmStart;
}

/** What is wrong with a claim, by what the network sees in the clean image. */
function cleanProblem({ brokenBy, clean }: ImageRecord, label: number, seen: number): string | undefined {
  if (brokenBy === "clean" && seen === label) return "the network is right on the clean image";
  if (seen !== clean) return "the network sees another class in the clean image";
  if (brokenBy !== "clean" && clean !== label) return "it is wrong as it is, and not said to be";
  return undefined;
}

const hasPoint = ({ brokenBy }: ImageRecord) => brokenBy !== null && brokenBy !== "clean";

/** What is wrong with the claims of one block's images: a reason by position. */
function checkBlock(given: Given, images: BlockImages, block: number, claims: readonly ImageRecord[]) {
  const { judge, threat, adversarial } = given;
  const [first, end] = images.range(block);
  const rowOf = new Map(Array.from(adversarial.indices, (index, row) => [index, row]));
  const reasons = new Map<number, string>();
  const mine = claims.slice(first, end);
  scope(() => {
    const { x, y } = images.load(block);
    const labels = y.toNumbers();
    const seen = predict(judge, x);
    for (const [i, claim] of mine.entries()) {
      const label = labels[i] as number;
      const problem = cleanProblem(claim, label, seen[i] as number);
      if (claim.index !== images.indices[first + i]) reasons.set(first + i, "its index is another one");
      else if (claim.label !== label) reasons.set(first + i, "its label is another one");
      else if (problem !== undefined) reasons.set(first + i, problem);
      else if (!hasPoint(claim) && rowOf.has(claim.index)) reasons.set(first + i, "there is a point that breaks it");
    }
    const broken = rowsWhere(mine, hasPoint);
    const saved = broken.filter((i) => rowOf.has((mine[i] as ImageRecord).index));
    for (const i of broken) if (!saved.includes(i)) reasons.set(first + i, "there is no point for it");
    if (saved.length === 0) return;
    const rows = saved.map((i) => rowOf.get((mine[i] as ImageRecord).index) as number);
    const points: Tensor = ops.to(rowsOf(adversarial.points, rows), x.dtype);
    const { rows: held, norms } = confirm(judge, threat, rowsOf(x, saved), rowsOf(y, saved), points);
    for (const [k, i] of saved.entries()) {
      const at = held.indexOf(k);
      const norm = (mine[i] as ImageRecord).norm ?? Number.NaN;
      if (at === -1) reasons.set(first + i, `its point is no misclassified one in [0,1] within ${reach(threat)}`);
      else if (!(Math.abs((norms[at] as number) - norm) <= 1e-9)) reasons.set(first + i, "its norm is another one");
    }
  });
  return reasons;
}

function rowsWhere(claims: readonly ImageRecord[], holds: (claim: ImageRecord) => boolean): number[] {
  return [...claims.keys()].filter((i) => holds(claims[i] as ImageRecord));
}

/**
 * Checks the claims of a finished record: one pass over its adversarial set, one over its clean images, those that it keeps against
 * the data set's, and its numbers against its images.
 */
export function verifyRecord(folder: string, model: Model, split: Split): Verification {
  const description = described(folder);
  const claims = readImages(folder);
  const { sha256: data } = description.data;
  const images = recordedImages({ folder, data, positions: describedIndices(description) }, split, model);
  if (claims.length !== images.count) {
    const what = `${images.count} images, as record.json says, got ${claims.length}`;
    throw new DataError(`${imagesPath(folder)}: expected ${what}`, { code: "data/record" });
  }
  const adversarial = loadAdversarial(folder);
  try {
    const given = { judge: bindNetwork(model, model).victim, threat: threatOfRecord(description), adversarial };
    const blocks = Array.from({ length: images.blocks }, (_, block) => checkBlock(given, images, block, claims));
    const changed = images.kept ? [] : changedCleanImages(folder, split.dataset);
    const failures = [
      ...blocks.flatMap((reasons) =>
        Array.from(reasons, ([at, reason]) => ({ index: images.indices[at] as number, reason })),
      ),
      ...changed.map((index) => ({ index, reason: "its clean image is not the data set's" })),
    ];
    const contradictions = contradictionsOf(folder, claims);
    const sameWeights = weightsHash(model) === description.model.weights;
    const claimed = claims.filter(({ brokenBy }) => brokenBy !== null).length;
    const failed = new Set(failures.map(({ index }) => index));
    const confirmed = claims.filter(({ index, brokenBy }) => brokenBy !== null && !failed.has(index)).length;
    return {
      holds: sameWeights && failures.length + contradictions.length === 0,
      claimed,
      confirmed,
      failures,
      contradictions,
      robustAccuracy: (claims.length - confirmed) / claims.length,
      sameWeights,
      images: images.kept ? "kept" : "data",
    };
  } finally {
    adversarial.points.dispose();
  }
}

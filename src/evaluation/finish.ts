// What a finished record gives: the result, an entry per image, and the adversarial set that anyone can verify.
import { closeSync, openSync, readSync } from "node:fs";
import { join } from "node:path";
import { saveTensors } from "../nn/index.js";
import { type DType, fromBytes, scope, type Tensor, tensor } from "../torch/index.js";
import { DataError, diskError, writeFileAtomic } from "../util/index.js";
import { assemble, missingUnits } from "./assemble.js";
import type { Description } from "./description.js";
import { Ledger } from "./ledger.js";
import type { UnitLine } from "./lines.js";
import { findDescription, type RecordedLine, readLines } from "./record.js";
import type { Robustness } from "./robustness.js";

export const imagesPath = (folder: string) => join(folder, "images.json");
export const adversarialPath = (folder: string) => join(folder, "adversarial.safetensors");
export const resultPath = (folder: string) => join(folder, "result.json");

/** Position in the data set of each image of an evaluation. */
export function describedIndices({ data }: Description): Int32Array {
  return data.indices === null
    ? Int32Array.from({ length: data.examples }, (_, i) => i)
    : Int32Array.from(data.indices);
}

function readAt(path: string, offset: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  try {
    const descriptor = openSync(path, "r");
    try {
      for (let done = 0; done < length; ) {
        const got = readSync(descriptor, bytes, done, length - done, offset + done);
        if (got === 0) throw new DataError(`${path}: expected ${length} bytes at ${offset}, got fewer`);
        done += got;
      }
    } finally {
      closeSync(descriptor);
    }
  } catch (error) {
    throw diskError(path, error, "read");
  }
  return bytes;
}

/** The bytes of each broken image's point, of the attack that its record names; by position. */
function pointsOf(recorded: readonly RecordedLine[], description: Description): Map<number, Uint8Array> {
  const order = new Map(description.attacks.map(({ name }, i) => [name, i]));
  const units = recorded.filter((r): r is RecordedLine & { line: UnitLine } => r.line.kind === "unit");
  // The warm start is in no list: it comes first.
  const rank = ({ line }: { line: UnitLine }) => order.get(line.attack) ?? -1;
  const found = new Map<number, Uint8Array>();
  for (const { line, points } of [...units].sort((a, b) => rank(a) - rank(b))) {
    if (line.points === null) continue;
    const size = line.points.length / line.broken.length;
    const fresh = line.broken.map(({ at }, i) => [at, i] as const).filter(([at]) => !found.has(at));
    if (fresh.length === 0) continue;
    const bytes = readAt(points, line.points.offset, line.points.length);
    for (const [at, i] of fresh) found.set(at, bytes.slice(i * size, (i + 1) * size));
  }
  return found;
}

function concatenate(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Writes the points [M,C,H,W], `indices` and `labels` of all broken images, by position. */
function saveAdversarial(
  folder: string,
  description: Description,
  points: ReadonlyMap<number, Uint8Array>,
  result: Robustness,
): void {
  const indices = describedIndices(description);
  const order = [...points.keys()].sort((a, b) => a - b);
  const labels = new Map(result.images.map(({ index, label }) => [index, label]));
  const ids = order.map((at) => indices[at] as number);
  const whole = (values: readonly number[]) => tensor(BigInt64Array.from(values, BigInt));
  scope(() => {
    const bytes = concatenate(order.map((at) => points.get(at) as Uint8Array));
    const saved = new Map<string, Tensor>([
      ["images", fromBytes(bytes, [order.length, ...description.data.shape], description.model.dtype as DType)],
      ["indices", whole(ids)],
      ["labels", whole(ids.map((id) => labels.get(id) as number))],
    ]);
    const { norm, eps, model, data } = description;
    saveTensors(adversarialPath(folder), saved, { norm, eps, weights: model.weights, data: data.sha256 });
  });
}

/**
 * Merges the journals of all processes into one result, and writes `images.json`, `adversarial.safetensors` and
 * `result.json`. DataError where units are missing, unless a verdict ended the evaluation early.
 */
export function mergeRecord(folder: string, options: { readonly verdict?: Robustness["verdict"] } = {}): Robustness {
  const description = findDescription(folder);
  if (description === undefined) {
    throw new DataError(`${folder}: expected a record, got a folder without record.json`, { code: "data/record" });
  }
  const recorded = readLines(folder);
  const ledger = new Ledger(description.data.examples);
  for (const { line } of recorded) ledger.apply(line);
  const missing = missingUnits(description, ledger, () => true);
  if (missing > 0 && options.verdict === undefined) {
    throw new DataError(`${folder}: expected a finished evaluation, got ${missing} units of work undone; resume it`, {
      code: "data/record-unfinished",
    });
  }
  const lines = recorded.map(({ line }) => line);
  const result = assemble(description, describedIndices(description), ledger, lines, options.verdict);
  saveAdversarial(folder, description, pointsOf(recorded, description), result);
  writeFileAtomic(imagesPath(folder), `${JSON.stringify(result.images)}\n`);
  writeFileAtomic(resultPath(folder), `${JSON.stringify(result, null, 2)}\n`);
  return result;
}

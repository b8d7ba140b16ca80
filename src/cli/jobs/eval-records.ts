// What is done with records that are there: compare two, check one.
import { existsSync, readFileSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import {
  type Comparison,
  cleanImageHashes,
  compareRecords,
  type DistanceFile,
  distancesOf,
  findDescription,
  hasNearest,
  loadDistances,
  type Robustness,
  verifyDistances,
  verifyRecord,
} from "../../evaluation/index.js";
import { writeCurves } from "../../report/curve-files.js";
import { DataError, diskError, expected, ratio, UsageError } from "../../util/index.js";
import { normName } from "./eval-finish.js";
import type { CompareResult, CurvesResult, EvalOptions, VerifyResult } from "./eval-options.js";
import type { Opened } from "./eval-source.js";

function fileOf(folder: string, name: string): string {
  const path = join(folder, name);
  if (existsSync(path)) return path;
  if (loadDistances(folder) !== undefined) {
    const what = "the record of a list of attacks";
    throw new DataError(`${expected(folder, what, "one of distances only")}; --curves draws these`, {
      code: "data/record",
    });
  }
  const what = "the folder of a finished evaluation (--out)";
  throw new DataError(`${expected(folder, what, `none with ${name}`)}; run it to its end`, { code: "data/record" });
}

function readBytes(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw diskError(path, error, "read");
  }
}

/** What an evaluation found, from its folder. */
export function readResult(folder: string): Robustness {
  const path = fileOf(folder, "result.json");
  const wrong = (cause?: unknown) =>
    new DataError(expected(path, "what an evaluation wrote", "other contents: the file is damaged"), {
      code: "data/record",
      cause,
    });
  let result: Robustness;
  try {
    result = JSON.parse(readBytes(path).toString("utf8")) as Robustness;
  } catch (error) {
    if (error instanceof SyntaxError) throw wrong(error);
    throw error;
  }
  if (!Array.isArray(result.images) || typeof result.after !== "object") throw wrong();
  return result;
}

/** Labels alone do not tell one data set from another. Where the hashes differ, the images that both keep decide. */
function requireSameImages(folders: readonly [string, string], results: readonly [Robustness, Robustness]): void {
  const [a, b] = folders.map((folder) => findDescription(folder)?.data);
  if (a === undefined || b === undefined || a.sha256 === b.sha256) return;
  const [inA, inB] = folders.map(cleanImageHashes) as [Map<number, string>, Map<number, string>];
  const shared = new Set(results[1].images.map(({ index }) => index));
  const other = results[0].images.find(
    ({ index }) => shared.has(index) && (!inA.has(index) || inA.get(index) !== inB.get(index)),
  );
  if (other === undefined) return;
  const of = ({ name, sha256 }: typeof a) => `${name} (SHA-256 ${sha256.slice(0, 12)}...)`;
  throw new DataError(
    `compare: expected two records of the same images, got ${of(a)} and ${of(b)}, which image ${other.index} differs in; ` +
      "evaluate both on one --data or one --images",
    { code: "data/records-differ" },
  );
}

/** Two records of the same images, image by image. */
export function compareFolders(a: string, b: string): Comparison {
  const results = [readResult(a), readResult(b)] as const;
  requireSameImages([a, b], results);
  return compareRecords(...results, { a: findDescription(a), b: findDescription(b) });
}

export function compareJob(folders: readonly string[]): CompareResult {
  const [a, b, ...more] = folders;
  if (a === undefined || b === undefined || more.length > 0) {
    throw new UsageError(expected("--compare", "the folders of two records", folders.join(" ")));
  }
  return { kind: "comparison", records: [a, b], ...compareFolders(a, b) };
}

/** The distances of a record. */
function readDistances(folder: string): DistanceFile {
  const file = loadDistances(folder);
  const whole = file !== undefined && file.distances.length === file.key.indices.length;
  if (whole) return file;
  const what = "the folder of a finished evaluation with distances (--preset curve or ap-benchmark)";
  const got = file === undefined ? "none with distances.json" : "an unfinished one: run it to its end";
  throw new DataError(expected(folder, what, got), { code: "data/record" });
}

/** Folders by their last name, or whole where two would be called the same. */
function namesOf(folders: readonly string[]): string[] {
  const short = folders.map((folder) => basename(resolve(folder)));
  return new Set(short).size === short.length ? short : [...folders];
}

/** Several records' security curves in one picture. */
export async function curvesJob({ curves: folders = [], out }: EvalOptions): Promise<CurvesResult> {
  if (out === undefined) throw new UsageError("eval: expected --out FOLDER for the picture of --curves, got nothing");
  if (new Set(folders.map((folder) => resolve(folder))).size < folders.length) {
    throw new UsageError(expected("--curves", "folders of different records", folders.join(" ")));
  }
  const found = folders.map((folder) => distancesOf(readDistances(folder)));
  const norms = [...new Set(found.map(({ norm }) => norm))];
  if (norms.length > 1) throw new UsageError(expected("--curves", "records of one norm", norms.join(", ")));
  const [norm = ""] = norms;
  const names = namesOf(folders);
  // The radius of the claim is marked where all have the same one.
  const [eps, ...others] = new Set(found.map((each) => each.eps));
  const mark = eps === undefined || others.length > 0 ? {} : { mark: ratio(eps).value, markName: `eps ${eps}` };
  const named = found.map(({ attack, curve }, i) => ({ name: `${names[i]}, ${attack}`, curve }));
  const files = await writeCurves(out, named, { norm: normName(norm), ...mark });
  const rows = found.map(({ distances: _d, indices: _i, options: _o, curve: _c, passes: _p, ...rest }, i) => ({
    ...{ name: names[i] as string, record: folders[i] as string },
    ...rest,
  }));
  return { kind: "curves", norm, curves: rows, files };
}

/** Asks the network once more about the points behind distances. */
function verifyCurve(folder: string, { model, split, origin }: Opened): VerifyResult {
  const file = readDistances(folder);
  if (!hasNearest(folder)) {
    const what = "the points of its distances in nearest/";
    throw new DataError(`${expected(folder, what, "none")}; versions that kept none measured it: measure it anew`, {
      code: "data/record",
    });
  }
  const { examples, cleanAccuracy, robustAccuracy: recorded } = distancesOf(file);
  const found = verifyDistances(folder, file, model, split);
  const sameWeights = origin.sha256 === file.key.weights;
  const holds = sameWeights && found.failures.length === 0;
  const said = { kind: "verified", record: folder, examples, cleanAccuracy, recorded } as const;
  return { ...said, ...found, holds, contradictions: [], sameWeights, images: "data" };
}

/** What is wrong with the distances that a list's record has beside it. */
function besideFailures(folder: string, { model, split }: Opened): VerifyResult["failures"] {
  const file = hasNearest(folder) ? readDistances(folder) : undefined;
  return file === undefined ? [] : verifyDistances(folder, file, model, split).failures;
}

/** Asks the network once more about every adversarial example of a record. */
export function verifyJob(folder: string, opened: Opened): VerifyResult {
  const { model, split } = opened;
  if (!existsSync(join(folder, "result.json")) && loadDistances(folder) !== undefined)
    return verifyCurve(folder, opened);
  const { examples, cleanAccuracy, robustAccuracy: said } = readResult(folder);
  const found = verifyRecord(folder, model, split);
  const beside = besideFailures(folder, opened);
  const more = { holds: found.holds && beside.length === 0, failures: [...found.failures, ...beside] };
  return { kind: "verified", record: folder, examples, cleanAccuracy, recorded: said, ...found, ...more };
}

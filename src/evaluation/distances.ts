// Distances of images by a minimum-norm attack as plain data, as `distances.json` in a record's folder holds them.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import type { FmnTrial, Threat } from "../attacks/index.js";
import { differences } from "../run/index.js";
import { DataError, diskError, expected, show, UsageError, wilson, writeFileAtomic } from "../util/index.js";
// From its own file: what only reads distances must not load libtorch.
import { curveAt, type SecurityCurve, securityCurve } from "./curve.js";
import type { FmnTrialMade } from "./fmn-option-search.js";
import type { Interval } from "./robustness.js";
import type { MinimumNorms } from "./security-curve.js";

/** What decides the distances; two measurements of one key have the same. */
const keySchema = z.strictObject({
  /** SHA-256 of the network's file, and of the data set. */
  weights: z.string(),
  data: z.string(),
  /** Of the network. */
  spec: z.json(),
  attack: z.string(),
  options: z.json(),
  norm: z.enum(["linf", "l2", "l1"]),
  seed: z.number(),
  /** Positions in the data set. */
  indices: z.array(z.int()).min(1),
});

const fileSchema = z.strictObject({
  format: z.literal(1),
  key: keySchema,
  /**
   * In the order of the indices: 0 for clean mistakes, null where no misclassified point was found. Shorter than they are
   * while the measurement is under way.
   */
  distances: z.array(z.number().min(0).nullable()),
  /** Where options were searched for: the trials so far and the median distance of each, null where it is infinite. */
  trials: z.array(z.strictObject({ options: z.json(), median: z.number().nullable() })).optional(),
  /** The options that the search ended with. */
  used: z.json().optional(),
  /** The radius of the claim, as written, and its value. */
  eps: z.string(),
  radius: z.number().min(0),
  passes: z.strictObject({ forward: z.int(), backward: z.int() }),
  seconds: z.number(),
});

export type DistanceKey = z.output<typeof keySchema>;
export type DistanceFile = z.output<typeof fileSchema>;

/** What a minimum-norm attack says of a network: upper bounds, as all attacks give. */
export interface Distances {
  readonly attack: string;
  /** Those that were used: where they were searched for, the best found. */
  readonly options: DistanceKey["options"];
  /** Where the options were searched for: in how many trials. */
  readonly trials?: number;
  readonly norm: string;
  readonly examples: number;
  readonly indices: readonly number[];
  /** In the order of `indices`, in the norm: 0 for clean mistakes, null where no misclassified point was found. */
  readonly distances: readonly (number | null)[];
  /** Of the images with a distance above 0 (not found counts as farthest); null where none was found there. */
  readonly medianDistance: number | null;
  readonly cleanAccuracy: number;
  /** As written. */
  readonly eps: string;
  /** Share of images whose distance is above eps, and its 95 % Wilson interval. */
  readonly robustAccuracy: number;
  readonly interval: Interval;
  /** The share at every radius. */
  readonly curve: SecurityCurve;
  readonly passes: { readonly forward: number; readonly backward: number };
  readonly seconds: number;
}

const path = (folder: string) => join(folder, "distances.json");

/** A measurement that has not begun. */
export function emptyDistances(key: DistanceKey, { eps, epsText }: Threat): DistanceFile {
  const passes = { forward: 0, backward: 0 };
  return { format: 1, key, distances: [], eps: epsText, radius: eps, passes, seconds: 0 };
}

/** A measurement with the next images of its key. */
export function withMore(
  file: DistanceFile,
  { distances, passes, seconds }: Pick<MinimumNorms, "distances" | "passes" | "seconds">,
): DistanceFile {
  const forward = file.passes.forward + passes.forward;
  const backward = file.passes.backward + passes.backward;
  return {
    ...file,
    distances: [...file.distances, ...distances.map((distance) => (Number.isFinite(distance) ? distance : null))],
    passes: { forward, backward },
    seconds: file.seconds + seconds,
  };
}

/** A measurement with the next trial of its options. */
export function withTrial(file: DistanceFile, { trial, passes, seconds }: FmnTrialMade): DistanceFile {
  const options = trial.options as DistanceKey["options"];
  const median = Number.isFinite(trial.median) ? trial.median : null;
  const spent = withMore(file, { distances: [], passes, seconds });
  return { ...spent, trials: [...(file.trials ?? []), { options, median }] };
}

/** The trials of a measurement so far. */
export const trialsOf = ({ trials = [] }: DistanceFile): FmnTrial[] =>
  trials.map(({ options, median }) => ({
    options: options as FmnTrial["options"],
    median: median ?? Number.POSITIVE_INFINITY,
  }));

/** A file as what it means. */
export function distancesOf({ key, distances, trials, used, eps, radius, passes, seconds }: DistanceFile): Distances {
  const numbers = distances.map((distance) => distance ?? Number.POSITIVE_INFINITY);
  const right = numbers.filter((distance) => distance > 0).sort((a, b) => a - b);
  const median = right[Math.floor((right.length - 1) / 2)];
  const curve = securityCurve(numbers);
  const at = curveAt(curve, radius);
  return {
    attack: key.attack,
    options: used ?? key.options,
    ...(trials && { trials: trials.length }),
    norm: key.norm,
    examples: numbers.length,
    indices: key.indices.slice(0, distances.length),
    distances,
    medianDistance: median === undefined || median === Number.POSITIVE_INFINITY ? null : median,
    cleanAccuracy: right.length / numbers.length,
    eps,
    robustAccuracy: at.robustAccuracy,
    interval: wilson(Math.round(at.robustAccuracy * numbers.length), numbers.length),
    curve,
    passes,
    seconds,
  };
}

/** Writes `distances.json`. */
export function saveDistances(folder: string, file: DistanceFile): void {
  writeFileAtomic(path(folder), `${JSON.stringify(file, null, 2)}\n`);
}

/** Reads `distances.json`; undefined where there is none. */
export function loadDistances(folder: string): DistanceFile | undefined {
  const from = path(folder);
  if (!existsSync(from)) return undefined;
  let text: string;
  try {
    text = readFileSync(from, "utf8");
  } catch (error) {
    throw diskError(from, error, "read");
  }
  try {
    const file = fileSchema.parse(JSON.parse(text));
    if (file.distances.length <= file.key.indices.length) return file;
  } catch (cause) {
    throw damaged(from, cause);
  }
  throw damaged(from);
}

const damaged = (from: string, cause?: unknown) =>
  new DataError(expected(from, "what an evaluation wrote", "other contents: the file is damaged"), {
    code: "data/record",
    cause,
  });

/** The distances that a folder has, where they are those of this key; UsageError where they are of another. */
export function knownDistances(folder: string, key: DistanceKey): DistanceFile | undefined {
  const file = loadDistances(folder);
  if (file === undefined) return undefined;
  const [first] = differences(file.key, key);
  if (first === undefined) return file;
  const apart = `${first.path} ${show(first.before)}, now ${show(first.after)}`;
  throw new UsageError(`${expected(folder, "the distances of this evaluation", apart)}; choose another folder`, {
    code: "usage/record-changed",
  });
}

import { join } from "node:path";
import { z } from "zod";
import { wilson } from "../util/index.js";
import type { EpochData, EvaluationData, ImageExample, ImageGrid, Prediction, ReportRow, RunData } from "./data.js";
import type { Interval } from "./format.js";
import { interval, number, numbers, readJson, share, shortPath, text } from "./json.js";
import { computed, type Origins, pointer, read } from "./origin.js";

const row = z.object({
  name: z.string(),
  sparsity: share,
  cleanAccuracy: share,
  cleanInterval: interval,
  robustAccuracy: share,
  robustInterval: interval,
  attack: text,
  examples: number,
  eps: text,
  seed: number,
  maskRobustAccuracy: share,
  maskDistance: share,
  swapFraction: share,
  sharpnessGap: number,
  passes: number,
  seconds: number,
  stageSeconds: numbers,
  run: text,
} satisfies Record<keyof Omit<ReportRow, "origins">, z.ZodType>);

const results = z.object({ name: text, rows: z.array(z.unknown()).catch([]) });

/** The rows of a folder's `results.json`; `null` when there is none. */
export function readRows(folder: string, problems: string[]): { name: string | null; rows: ReportRow[] } | null {
  const path = join(folder, "results.json");
  const json = readJson(path, problems);
  const file = results.safeParse(json);
  if (!file.success) {
    if (json !== undefined) problems.push(`${shortPath(path)} holds no rows.`);
    return null;
  }
  const parsed = file.data.rows.map((entry) => row.safeParse(entry));
  const bad = parsed.filter((entry) => !entry.success).length;
  if (bad > 0) problems.push(`${shortPath(path)}: ${bad} of ${parsed.length} rows cannot be read and are left out.`);
  return {
    name: file.data.name,
    rows: parsed.flatMap((entry, index) => {
      return entry.success ? [withoutAttack({ ...entry.data, origins: rowOrigins(path, index, entry.data) })] : [];
    }),
  };
}

/** Where the numbers of a row of a file stand. */
function rowOrigins(file: string, index: number, found: z.output<typeof row>): Origins {
  const at = (...steps: readonly string[]) => read({ file, at: pointer("rows", index, ...steps) });
  const own = Object.entries(found).filter(([, value]) => value !== null);
  const stages = Object.keys(found.stageSeconds);
  return Object.fromEntries([
    ...own.map(([field]) => [field, at(field)]),
    ...stages.map((stage) => [`stageSeconds.${stage}`, at("stageSeconds", stage)]),
  ]);
}

function last<K extends keyof EpochData>(run: RunData, stage: string, key: K): EpochData[K] | null {
  return run.stages.find((entry) => entry.stage === stage)?.epochs.at(-1)?.[key] ?? null;
}

function intervalOf(accuracy: number | null, examples: number | null): Interval | null {
  if (accuracy === null || examples === null || !Number.isInteger(examples) || examples < 1) return null;
  return wilson(Math.round(accuracy * examples), examples);
}

const sum = (values: readonly number[]): number | null => (values.length === 0 ? null : values.reduce((a, b) => a + b));

/** What the events of a run alone say about its network: the row of a run that belongs to no experiment. */
export function rowOfRun(run: RunData): ReportRow {
  const attacked = run.evaluations.findLast((entry) => entry.attack !== "clean");
  const evaluation = attacked ?? run.evaluations.at(-1);
  const cleanAccuracy = evaluation?.cleanAccuracy ?? null;
  const robustAccuracy = evaluation?.robustAccuracy ?? null;
  const examples = evaluation?.examples ?? null;
  const stageSeconds = Object.fromEntries(
    run.stages.map(({ stage, epochs }) => [stage, sum(epochs.map((epoch) => epoch.seconds ?? 0)) ?? 0]),
  );
  return withoutAttack({
    name: run.name,
    sparsity: last(run, "search", "sparsity"),
    cleanAccuracy,
    cleanInterval: intervalOf(cleanAccuracy, examples),
    robustAccuracy,
    robustInterval: evaluation?.robustInterval ?? intervalOf(robustAccuracy, examples),
    attack: evaluation?.attack ?? null,
    examples,
    eps: evaluation?.eps ?? null,
    seed: run.seed,
    maskRobustAccuracy: last(run, "search", "robustAccuracy"),
    maskDistance: last(run, "search", "maskDistance"),
    swapFraction: last(run, "search", "swapFraction"),
    sharpnessGap: last(run, "search", "sharpnessGap"),
    passes: sum(run.stages.flatMap(({ epochs }) => epochs.at(-1)?.passes ?? [])),
    seconds: sum(Object.values(stageSeconds)),
    stageSeconds,
    run: null,
    origins: runOrigins(run, evaluation, stageSeconds),
  });
}

/** Where the numbers of a run's own row stand in its log. */
function runOrigins(run: RunData, evaluation: EvaluationData | undefined, stages: Readonly<Record<string, number>>) {
  const found = evaluation?.origins ?? {};
  const { cleanAccuracy, robustAccuracy, examples } = found;
  const masked = run.stages.find((entry) => entry.stage === "search")?.epochs.at(-1)?.origins ?? {};
  const secondsOf = (stage: string) => {
    const epochs = run.stages.find((entry) => entry.stage === stage)?.epochs ?? [];
    return computed(
      "sum",
      epochs.flatMap(({ seconds, origins }) => (seconds === null ? [] : [origins.seconds])),
    );
  };
  const seconds = Object.keys(stages).map((stage) => [`stageSeconds.${stage}`, secondsOf(stage)] as const);
  const spent = run.stages.flatMap(({ epochs }) => epochs.at(-1)?.origins.passes ?? []);
  const all = {
    ...found,
    cleanInterval: computed("wilson", [cleanAccuracy, examples]),
    robustInterval: found.robustInterval ?? computed("wilson", [robustAccuracy, examples]),
    sparsity: masked.sparsity,
    maskRobustAccuracy: masked.robustAccuracy,
    maskDistance: masked.maskDistance,
    swapFraction: masked.swapFraction,
    sharpnessGap: masked.sharpnessGap,
    passes: computed("sum", spent),
    ...Object.fromEntries(seconds),
    seconds: computed(
      "sum",
      seconds.flatMap(([, origin]) => origin ?? []),
    ),
  };
  return Object.fromEntries(
    Object.entries(all).flatMap(([field, origin]) => (origin === undefined ? [] : [[field, origin] as const])),
  );
}

/** A row that nothing attacked has no robust accuracy, whatever stands in its place. */
function withoutAttack(found: ReportRow): ReportRow {
  if (found.attack !== "clean") return found.eps === "" ? { ...found, eps: null } : found;
  return { ...found, attack: null, eps: null, robustAccuracy: null, robustInterval: null };
}

const classLabel = z.union([z.string(), z.number()]);
const picture = z.string().nullable().catch(null).transform(checkPng);
const example = z.object({
  label: classLabel,
  clean: picture,
  adversarial: picture,
  difference: picture,
  predictions: z.record(z.string(), z.object({ clean: classLabel, adversarial: classLabel })).catch({}),
});
const images = z.object({
  eps: z.union([z.string(), z.number()]).nullable().catch(null),
  against: text,
  classNames: z.array(z.string()).catch([]),
  examples: z.array(z.unknown()).catch([]),
});

const mostImages = 24;

/** Base64 that holds a PNG, or `null`: nothing else may stand in an image's address. */
function checkPng(base64: string | null): string | null {
  if (base64 === null || !/^[A-Za-z0-9+/]+={0,2}$/.test(base64)) return null;
  return Buffer.from(base64.slice(0, 12), "base64").toString("latin1").startsWith("\x89PNG\r\n\x1a\n") ? base64 : null;
}

/** The image grid of a folder; `null` when it has none. */
export function readImages(folder: string, name: string, problems: string[]): ImageGrid | null {
  const path = join(folder, "images.json");
  const json = readJson(path, problems);
  const file = images.safeParse(json);
  if (!file.success) {
    if (json !== undefined) problems.push(`${shortPath(path)} holds no images.`);
    return null;
  }
  const { eps, against, classNames, examples } = file.data;
  const parsed = examples.slice(0, mostImages).flatMap((entry): ImageExample[] => {
    const found = example.safeParse(entry);
    return found.success ? [toExample(found.data, classNames)] : [];
  });
  const shown = Math.min(examples.length, mostImages);
  if (parsed.length < shown) problems.push(`${shortPath(path)}: ${shown - parsed.length} images cannot be read.`);
  if (parsed.length === 0) return null;
  return { name, against, eps: eps === null ? null : String(eps), examples: parsed };
}

function toExample(found: z.output<typeof example>, classNames: readonly string[]): ImageExample {
  const named = (value: string | number) => (typeof value === "number" ? (classNames[value] ?? String(value)) : value);
  const label = named(found.label);
  const predictions = Object.entries(found.predictions).map(([name, { clean, adversarial }]): Prediction => {
    const [before, after] = [named(clean), named(adversarial)];
    return {
      row: name,
      clean: before,
      adversarial: after,
      cleanRight: before === label,
      adversarialRight: after === label,
    };
  });
  const { clean, adversarial, difference } = found;
  return { label, clean, adversarial, difference, predictions };
}

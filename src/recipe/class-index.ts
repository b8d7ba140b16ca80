// What labels mean where they come from the disk: a network that learned one list of classes says nothing about another one.
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { z } from "zod";
import type { Dataset } from "../data/index.js";
import type { Run } from "../run/index.js";
import { checkOptions, DataError, diskError, expected, writeFileAtomic } from "../util/index.js";

const FILE = "classes.json";

const classesFile = z.object({
  format: z.literal(1),
  /** By label. */
  classes: z.array(z.string()),
  /** Damaged images that training does without. */
  leftOut: z.array(z.object({ file: z.string(), reason: z.string() })),
});
type Classes = z.output<typeof classesFile>;

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

/** What a run folder says of its classes; undefined where it says nothing. */
function readClasses(folder: string): Classes | undefined {
  const path = join(folder, FILE);
  if (!existsSync(path)) return undefined;
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw diskError(path, error, "read");
  }
  const checked = checkOptions(classesFile, parseJson(text));
  if (checked.ok) return checked.value;
  throw new DataError(expected(path, "JSON with format 1, classes and leftOut", text), { code: "data/classes" });
}

function assertSame(where: string, learned: readonly string[], { name, classNames }: Dataset): void {
  const at = [...Array(Math.max(learned.length, classNames.length)).keys()].find((k) => learned[k] !== classNames[k]);
  if (at === undefined) return;
  const of = (names: readonly string[]) => names[at] ?? "no class";
  const first = `label ${at} is ${of(learned)} there and ${of(classNames)} here`;
  throw new DataError(
    `${where}: expected ${name} to have the ${learned.length} classes that the network learned, got ${classNames.length}, of which ${first}; ` +
      "accuracies would mean nothing",
    { code: "data/classes" },
  );
}

/** Writes `classes.json` into a run folder; DataError where the run began with other classes, or without other images. */
export function keepClasses(run: Run, dataset: Dataset): void {
  const { classIndex } = dataset;
  if (classIndex === undefined) return;
  const before = readClasses(run.folder);
  if (before === undefined) {
    writeFileAtomic(run.path(FILE), `${JSON.stringify({ format: 1, ...classIndex }, null, 2)}\n`);
    return;
  }
  assertSame(run.path(FILE), before.classes, dataset);
  const { data } = run.manifest;
  if (data === null || data.sha256 === dataset.source.sha256) return;
  throw new DataError(
    `${run.folder}: expected the images of ${data.location} that the run began with, got others (files were added, removed or changed); ` +
      "put them back to go on, or choose another folder to begin anew",
    { code: "data/images-changed" },
  );
}

/** Compares what a network learned, as the folder of its file says, with the images it is to be tried on. */
export function assertClassesOf(networkFile: string, dataset: Dataset): void {
  if (dataset.classIndex === undefined) return;
  const beside = dirname(networkFile);
  // Checkpoints lie one folder deeper.
  for (const folder of [beside, dirname(beside)]) {
    const learned = readClasses(folder);
    if (learned === undefined) continue;
    assertSame(join(folder, FILE), learned.classes, dataset);
    return;
  }
}

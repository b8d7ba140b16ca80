import { existsSync, readdirSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { DataError, diskError, UsageError } from "../util/index.js";
import type { ImageGrid, ReportData, ReportRow, RunData, StabilityData } from "./data.js";
import { listing } from "./format.js";
import { readImages, readRows, rowOfRun } from "./read-results.js";
import { readRun } from "./read-run.js";
import { readStability } from "./read-stability.js";

/** What one folder of the command line holds. */
interface Source {
  readonly name: string;
  readonly rows: readonly ReportRow[];
  readonly runs: readonly RunData[];
  readonly images: ImageGrid | null;
  readonly stability: StabilityData | null;
}

/**
 * Reads run folders and experiment folders from disk. Parts that are missing or damaged are named in `problems`;
 * UsageError when no folder is given, DataError when one is neither a run nor an experiment.
 */
export function collect(dirs: readonly string[]): ReportData {
  if (dirs.length === 0) throw new UsageError("report: expected at least one run or experiment folder, got none");
  const problems: string[] = [];
  const sources = dirs.map((dir) => readSource(dir, problems));
  const named = distinct(sources);
  return {
    name: listing([...new Set(sources.map((source) => source.name))]),
    rows: named.flatMap((source) => source.rows),
    runs: named.flatMap((source) => source.runs),
    images: named.flatMap((source) => source.images ?? []),
    stability: named.flatMap((source) => source.stability ?? []),
    problems,
  };
}

const isRun = (folder: string): boolean =>
  existsSync(join(folder, "run.json")) || existsSync(join(folder, "events.jsonl"));

function subfolders(dir: string): string[] {
  try {
    const names = readdirSync(dir, { withFileTypes: true }).filter((entry) => entry.isDirectory());
    return names.map((entry) => join(dir, entry.name)).sort();
  } catch (error) {
    throw diskError(dir, error, "read");
  }
}

function readSource(dir: string, problems: string[]): Source {
  const runFolders = [...(isRun(dir) ? [dir] : []), ...subfolders(dir).filter(isRun)];
  if (runFolders.length === 0 && !existsSync(join(dir, "results.json"))) {
    throw new DataError(`${dir}: expected a run or experiment folder, got one without run.json and results.json`, {
      code: "data/not-a-run",
    });
  }
  const results = readRows(dir, problems);
  const runs = runFolders.map((folder) => readRun(folder, problems));
  const name = results?.name ?? runs.find((run) => run.folder === dir)?.name ?? basename(resolve(dir));
  const images = readImages(dir, name, problems);
  if (results === null && !isRun(dir)) problems.push(`${basename(resolve(dir))} has no results.json yet.`);
  const stability = readStability(dir, problems);
  return { name, images, stability, ...joined(dir, results?.rows ?? [], runs) };
}

/** Rows and their runs under one name, in the rows' order; runs that no row speaks of give a row of their own. */
function joined(dir: string, rows: readonly ReportRow[], runs: readonly RunData[]): Pick<Source, "rows" | "runs"> {
  const left = new Set(runs);
  const pairs = rows.map((row): [ReportRow, RunData | undefined] => {
    const free = [...left];
    const run =
      free.find((entry) => row.run !== null && resolve(entry.folder) === resolve(dir, row.run)) ??
      free.find((entry) => row.run === null && [entry.name, basename(entry.folder)].includes(row.name));
    if (run !== undefined) left.delete(run);
    return [run === undefined ? row : filled(row, rowOfRun(run)), run];
  });
  // The name of the run of an experiment is that of its folder, as a row's is.
  const rest = [...left].map((run) => (run.folder === dir ? run : { ...run, name: basename(run.folder) }));
  return {
    rows: [...pairs.map(([row]) => row), ...rest.map(rowOfRun)],
    runs: [...pairs.flatMap(([row, run]) => (run === undefined ? [] : { ...run, name: row.name })), ...rest],
  };
}

/** A row with what its run's events know where it has nothing itself. */
function filled(row: ReportRow, other: ReportRow): ReportRow {
  const present = Object.entries(row).filter(([, value]) => value !== null);
  const stageSeconds = { ...other.stageSeconds, ...row.stageSeconds };
  const origins = { ...other.origins, ...row.origins };
  return { ...other, ...(Object.fromEntries(present) as unknown as ReportRow), stageSeconds, origins };
}

/** Two folders may each hold a `hydra`: then every name says which folder it is of. */
function distinct(sources: readonly Source[]): readonly Source[] {
  const names = sources.flatMap((source) => source.rows.map((row) => row.name));
  if (new Set(names).size === names.length) return sources;
  return sources.map((source, index) => {
    const twin = sources.some((other, at) => at !== index && other.name === source.name);
    const prefix = twin ? `${source.name} ${index + 1}` : source.name;
    const rename = <T extends { readonly name: string }>(entry: T): T => ({
      ...entry,
      name: `${prefix}/${entry.name}`,
    });
    return { ...source, rows: source.rows.map(rename), runs: source.runs.map(rename) };
  });
}

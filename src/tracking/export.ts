import { join } from "node:path";
import { readEvents } from "../run/index.js";
import { DataError, makeFolder, UsageError, writeFileAtomic } from "../util/index.js";
import { runFolders, sourceOf } from "./follow.js";
import { writeMlrun } from "./mlruns.js";
import type { OpenSink, Source } from "./sink.js";
import { eventRows, toCsv, toJsonl } from "./tables.js";
import { tensorboard } from "./tensorboard.js";

/** Runs in these folders, each a run folder or the folder of an experiment. Two of one name in one experiment are refused. */
export function sourcesOf(folders: readonly string[]): Source[] {
  const sources = folders.flatMap((folder) => {
    const found = runFolders(folder);
    if (found.length > 0) return found.map(sourceOf);
    throw new DataError(`${folder}: expected a run folder or one that holds some, got one without run.json`, {
      code: "data/not-a-run",
    });
  });
  const names = new Set<string>();
  for (const { experiment, name, folder } of sources) {
    if (names.has(`${experiment}/${name}`)) {
      const text = `export: expected runs of different names, got two of ${experiment}/${name}, the second ${folder}`;
      throw new UsageError(`${text}; export them one after the other, into different folders`);
    }
    names.add(`${experiment}/${name}`);
  }
  return sources;
}

/** Event files of runs, `EXPERIMENT/RUN` below a folder; returns their folders. */
export function exportTensorboard(root: string, sources: readonly Source[]): string[] {
  return sources.map(({ folder, experiment, name }) => {
    const out = join(root, experiment, name);
    tensorboard(out).write(readEvents(folder), true);
    return out;
  });
}

/** An `mlruns` folder of runs; returns the folder of each. */
export function exportMlruns(root: string, sources: readonly Source[]): string[] {
  return sources.map((source) => writeMlrun(root, source));
}

/** `events.csv` and `results.csv`, or `.jsonl`, in a folder; returns their paths. */
export function exportTables(
  root: string,
  kind: "csv" | "jsonl",
  { sources, results }: { readonly sources: readonly Source[]; readonly results: readonly object[] },
): string[] {
  makeFolder(root);
  const textOf = kind === "csv" ? toCsv : toJsonl;
  return Object.entries({ events: eventRows(sources), results }).map(([name, rows]) => {
    const path = join(root, `${name}.${kind}`);
    writeFileAtomic(path, textOf(rows));
    return path;
  });
}

/** Gives whole logs to trackers, and waits until they have them. Warnings are given to `warn`. */
export async function exportTo(
  open: OpenSink,
  sources: readonly Source[],
  warn: (text: string) => void,
): Promise<void> {
  for (const source of sources) {
    const sink = open(source, warn);
    sink.write(readEvents(source.folder), true);
    await sink.close();
  }
}

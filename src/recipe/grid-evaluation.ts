// What a grid measured of a network, in the log and the results of its run, where all that reads runs looks for it.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type AccuracyData, type CostLine, writeReport } from "../report/index.js";
import { type Evaluated, openLog, readEvents } from "../run/index.js";
import { wilson, writeFileAtomic } from "../util/index.js";
import type { Row } from "./row.js";

/** A finished network under the recipe's last attack, and what that took; earlier versions kept no cost. */
export interface Found {
  readonly accuracy: AccuracyData;
  readonly cost: CostLine | undefined;
}

const isOf =
  ({ accuracy: { attack, eps } }: Found) =>
  (event: { readonly attack: string; readonly eps: string }) =>
    event.attack === attack && event.eps === eps;

function readResults(folder: string): { readonly rows: readonly Row[] } | undefined {
  const path = join(folder, "results.json");
  return existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as { rows: Row[] }) : undefined;
}

const logged = (folder: string, found: Found) =>
  readEvents(folder).some((event) => event.type === "evaluation" && isOf(found)(event));

/** Whether a run's own files do not say what the grid found of its network. */
export function lacksEvaluation(folder: string, found: Found): boolean {
  const [row] = readResults(folder)?.rows ?? [];
  if (row === undefined || found.cost === undefined) return false;
  return !isOf(found)(row) || !logged(folder, found);
}

/** Accuracies and their intervals, as a run that attacks by itself has them. */
function numbersOf({ attack, eps, clean, robust }: AccuracyData) {
  const hits = (images: string) => images.replaceAll("0", "").length;
  const examples = clean.length;
  return {
    ...{ attack, eps, examples, cleanAccuracy: hits(clean) / examples, robustAccuracy: hits(robust) / examples },
    cleanInterval: wilson(hits(clean), examples),
    interval: wilson(hits(robust), examples),
  };
}

/** Writes into a run's log, results and report what they lack of `found`. The caller holds the folder's lock. */
export function addEvaluation(folder: string, found: Found): void {
  if (!lacksEvaluation(folder, found)) return;
  const { cleanInterval, interval, ...numbers } = numbersOf(found.accuracy);
  const { forward, backward, seconds, peakMemory } = found.cost as CostLine;
  if (!logged(folder, found)) {
    const cost = { passes: { forward, backward }, seconds, ...(peakMemory !== null && { peakMemory }) };
    const event: Omit<Evaluated, "at"> = { type: "evaluation", ...numbers, interval, ...cost };
    using log = openLog(join(folder, "events.jsonl"));
    log.append(event);
  }
  const results = readResults(folder) as { rows: Row[] };
  const rows = results.rows.map((row) => ({ ...row, ...numbers, cleanInterval, robustInterval: interval }));
  writeFileAtomic(join(folder, "results.json"), `${JSON.stringify({ ...results, rows }, null, 2)}\n`);
  writeReport([folder], { html: join(folder, "report.html"), markdown: join(folder, "report.md") });
}

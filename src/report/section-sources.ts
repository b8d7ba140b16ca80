import { stringify } from "yaml";
import { type Block, figures, type Section, type Table, words } from "./blocks.js";
import { figure, share, shareInterval } from "./cells.js";
import type { ReportData, RunData } from "./data.js";
import { count, decimal, missing, seconds } from "./format.js";

/** Seeds, recipes, versions and machines: where every number came from, and what went wrong on the way. */
export function sourcesSection(data: ReportData): Section {
  const warnings = data.runs.flatMap((run) =>
    run.warnings.map(({ code, message }) => `${run.name}: ${message} (${code})`),
  );
  const blocks: Block[] = [];
  if (data.runs.length > 0) blocks.push({ kind: "table", table: factsTable(data.runs) });
  if (data.runs.some((run) => run.evaluations.length > 1))
    blocks.push({ kind: "table", table: evaluations(data.runs) });
  const notes = [...data.problems, ...warnings];
  if (notes.length > 0) blocks.push({ kind: "heading", text: "Notes and warnings" }, { kind: "list", items: notes });
  for (const { names, text } of recipesOf(data.runs)) {
    blocks.push({ kind: "code", summary: `Resolved recipe of ${names.join(", ")}`, text });
  }
  return { id: "sources", title: "Where the numbers come from", blocks };
}

/** A value of `run.json` on one line: `node 20.19.0, s2ap 0.1.0`. */
function flat(value: unknown): string {
  if (value === null || value === undefined || value === "") return missing;
  if (typeof value !== "object") return String(value);
  const parts = Object.entries(value).map(([key, inner]) => {
    if (key === "memoryBytes" && typeof inner === "number") return `memory ${decimal(inner / 2 ** 30, 1)} GiB`;
    return Array.isArray(value) ? flat(inner) : `${key} ${flat(inner)}`;
  });
  return parts.length === 0 ? missing : parts.join(", ");
}

/** One line a fact; runs that agree on it share the line. */
function factsTable(runs: readonly RunData[]): Table {
  const facts: readonly [string, (run: RunData) => string][] = [
    ["State", (run) => run.state],
    ["Started", (run) => run.createdAt?.replace(/T(\d\d:\d\d).*Z$/, " $1 UTC") ?? missing],
    ["Seed", (run) => flat(run.seed)],
    ["Recipe hash (SHA-256)", (run) => run.recipeHash ?? missing],
    ["Data", (run) => flat(run.data)],
    ["Versions", (run) => flat(run.versions)],
    ["Machine", (run) => flat(run.machine)],
  ];
  const rows = facts.flatMap(([fact, read]) => {
    const byValue = groupBy(runs, read);
    return [...byValue].map(([value, same]) => {
      return [fact, same.length === runs.length ? "all" : same.map((run) => run.name).join(", "), value];
    });
  });
  return { caption: "Runs", columns: [words("What"), words("Run"), words("Value")], rows };
}

function groupBy<T>(items: readonly T[], key: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) groups.set(key(item), [...(groups.get(key(item)) ?? []), item]);
  return groups;
}

function evaluations(runs: readonly RunData[]): Table {
  return {
    caption: "Every evaluation",
    columns: [
      words("Run"),
      words("Attack"),
      words("eps"),
      figures("Images"),
      figures("Clean accuracy, %"),
      figures("Robust accuracy, %"),
      figures("95 % interval"),
      figures("Seconds"),
    ],
    rows: runs.flatMap((run) =>
      run.evaluations.map((entry) => [
        run.name,
        entry.attack,
        entry.eps ?? missing,
        figure(count(entry.examples), entry.examples, entry.origins.examples),
        share(entry.cleanAccuracy, entry.origins.cleanAccuracy),
        share(entry.robustAccuracy, entry.origins.robustAccuracy),
        shareInterval(entry.robustInterval, entry.origins.robustInterval),
        figure(seconds(entry.seconds), entry.seconds, entry.origins.seconds),
      ]),
    ),
  };
}

function recipesOf(runs: readonly RunData[]): { names: string[]; text: string }[] {
  const known = runs.filter((run) => run.recipe !== null);
  const groups = groupBy(known, (run) => stringify(run.recipe, { lineWidth: 100 }));
  return [...groups].map(([text, same]) => ({ names: same.map((run) => run.name), text }));
}

// Events and results of runs as CSV (RFC 4180) and JSON Lines, for spreadsheets and notebooks.
import { csvField } from "../report/csv.js";
import { readEvents } from "../run/index.js";
import type { Source } from "./sink.js";

type Cell = string | number | boolean | null | undefined;
type Row = ReadonlyMap<string, Cell>;

/** `{ a: { b: 1 } }` as `a.b`: one cell each. */
function flatten(value: unknown, path = "", into = new Map<string, Cell>()): Map<string, Cell> {
  if (typeof value === "object" && value !== null) {
    for (const [key, inner] of Object.entries(value)) flatten(inner, path === "" ? key : `${path}.${key}`, into);
  } else into.set(path, value as Cell);
  return into;
}

const cell = (value: Cell) => (value === undefined || value === null ? "" : csvField(String(value)));

/** Columns are those of the first row, then what later ones add; what a row has not is empty. */
function csvOf(rows: readonly Row[]): string {
  const columns = [...new Set(rows.flatMap((row) => [...row.keys()]))];
  const lines = [columns.map(cell), ...rows.map((row) => columns.map((name) => cell(row.get(name))))];
  return lines.map((line) => `${line.join(",")}\r\n`).join("");
}

/** Objects as CSV. */
export function toCsv(objects: readonly object[]): string {
  return csvOf(objects.map((object) => flatten(object)));
}

/** Objects as JSON, one a line. */
export function toJsonl(objects: readonly object[]): string {
  return objects.map((object) => `${JSON.stringify(object)}\n`).join("");
}

/** Every event of some runs, each with the experiment and run it is of. */
export function eventRows(sources: readonly Source[]): object[] {
  return sources.flatMap((source) =>
    readEvents(source.folder).map((event) => ({ experiment: source.experiment, run: source.name, ...event })),
  );
}

import type { Chart, ReportDocument, Table } from "./blocks.js";
import { predictions } from "./markdown.js";

/** A table of a document with a name that may be a file's. */
export interface NamedTable {
  readonly id: string;
  readonly section: string;
  readonly table: Table;
}

/** `Accuracy of every network` -> `accuracy-of-every-network`. */
function slug(caption: string): string {
  const words = caption.split(/[(,:]/)[0] ?? caption;
  const plain = words.toLowerCase().replace(/[^a-z0-9]+/g, "-");
  return plain.replace(/^-+|-+$/g, "").slice(0, 60) || "table";
}

/** All tables in order, those of numbers beneath charts included. */
export function tablesOf(report: ReportDocument): NamedTable[] {
  const taken = new Set<string>();
  const distinct = (name: string) => {
    let id = name;
    for (let i = 2; taken.has(id); i += 1) id = `${name}-${i}`;
    taken.add(id);
    return id;
  };
  return report.sections.flatMap(({ id: section, blocks }) =>
    blocks.flatMap((block) => {
      if (block.kind === "table") return [{ id: distinct(slug(block.table.caption)), section, table: block.table }];
      if (block.kind === "images") {
        const table = predictions(block.grid.examples);
        return [{ id: distinct(slug(table.caption)), section, table }];
      }
      if (block.kind !== "charts" || block.numbers === null) return [];
      return [{ id: distinct(slug(block.numbers.caption)), section, table: block.numbers }];
    }),
  );
}

/** All charts in order. */
export function chartsOf(report: ReportDocument): Chart[] {
  return report.sections.flatMap(({ blocks }) =>
    blocks.flatMap((block) => (block.kind === "charts" ? block.charts : [])),
  );
}

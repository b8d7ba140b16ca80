import { type Block, type Cell, fullHead, type ReportDocument } from "./blocks.js";
import { tablesOf } from "./document-tables.js";
import { placeText } from "./origin.js";

/** A number of a report with where it comes from. */
function cellJson(cell: Cell, base: string): unknown {
  if (typeof cell === "string") return cell;
  const { text, values, origin, times, best } = cell;
  return {
    text,
    ...(values.length === 1 ? { value: values[0] } : { low: values[0], high: values[1] }),
    how: origin.how,
    ...(times !== 1 && { times }),
    ...(best && { best }),
    from: origin.from.map((place) => placeText(place, base)),
  };
}

function textsOf(block: Block): string[] {
  if (block.kind === "text" || block.kind === "heading") return [block.text];
  if (block.kind === "list") return [...block.items];
  return block.kind === "charts" ? block.charts.map(({ alt }) => alt) : [];
}

/**
 * The report as JSON: its texts, and its tables with all rows. A cell is text, or an object: `value` (or `low` and `high`) in
 * the unit of the column is `times` (default 1) what `how` makes of the values at `from`, whose files are named from `base`.
 */
export function reportJson(report: ReportDocument, base: string): string {
  const { title, lead, notices } = report;
  const sections = report.sections.map(({ id, title: head, blocks }) => ({
    ...{ id, title: head, texts: blocks.flatMap(textsOf) },
  }));
  const tables = tablesOf(report).map(({ id, section, table: { caption, columns, rows } }) => ({
    ...{ id, section, caption, columns: columns.map(fullHead) },
    rows: rows.map((row) => row.map((cell) => cellJson(cell, base))),
  }));
  return `${JSON.stringify({ format: 1, title, lead, notices, sections, tables }, undefined, 1)}\n`;
}

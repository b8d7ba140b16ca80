// Tables as comma-separated values (RFC 4180: CRLF, quotes doubled). Numbers have all their digits and a point; intervals take two
// columns; what is missing is empty.
//
// A spreadsheet runs text that begins with = + - @, tab or return as a formula, also inside quotes. Names come from files
// of others, so such text is written with an apostrophe before it, which spreadsheets do not show. Numbers are left alone: a
// leading minus before digits is no formula.
import { type Cell, fullHead, type Table } from "./blocks.js";
import { label, missing } from "./format.js";

const formula = /^[=+\-@\t\r\uff1d\uff0b\uff0d\uff20]/;
const plainNumber = /^-?\d+(\.\d+)?(e[+-]?\d+)?$/i;

/** Text as a field, with every character. */
export function csvField(text: string): string {
  const inert = formula.test(text) && !plainNumber.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(inert) ? `"${inert.replaceAll('"', '""')}"` : inert;
}

/** Text as a field of a page's table: one line. */
export const csvText = (text: string): string => csvField(label(text, 2000));

function fields(cell: Cell, wide: boolean): string[] {
  if (typeof cell !== "string") {
    const values = cell.values.map((value) => String(Number(value.toPrecision(15))));
    return wide && values.length < 2 ? [...values, ""] : values;
  }
  const text = cell === missing ? "" : csvText(cell);
  return wide ? [text, ""] : [text];
}

/** A table with its head; a column of intervals becomes two. */
export function csv({ columns, rows }: Table): string {
  const wide = columns.map((_, index) =>
    rows.some((row) => {
      const cell = row[index];
      return cell !== undefined && typeof cell !== "string" && cell.values.length > 1;
    }),
  );
  const head = columns.flatMap((column, i) =>
    wide[i] ? [csvText(`${fullHead(column)}, low`), csvText(`${fullHead(column)}, high`)] : [csvText(fullHead(column))],
  );
  const body = rows.map((row) => columns.flatMap((_, i) => fields(row[i] ?? missing, wide[i] === true)));
  return [head, ...body].map((line) => `${line.join(",")}\r\n`).join("");
}

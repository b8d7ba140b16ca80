import type { ImageGrid } from "./data.js";
import type { Origin } from "./origin.js";
import type { Surface } from "./surface.js";

/** The report before it is HTML, Markdown, CSV, JSON or LaTeX: all say the same because all are written from this. */
export interface ReportDocument {
  readonly title: string;
  /** What the reader sees, in one or two sentences. */
  readonly lead: string;
  /** What the reader must know before the numbers: runs that have not finished. */
  readonly notices: readonly string[];
  readonly sections: readonly Section[];
}

export interface Section {
  readonly id: string;
  readonly title: string;
  readonly blocks: readonly Block[];
}

export type Block =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "heading"; readonly text: string }
  | { readonly kind: "table"; readonly table: Table }
  | { readonly kind: "list"; readonly items: readonly string[] }
  | { readonly kind: "charts"; readonly charts: readonly Chart[]; readonly numbers: Table | null }
  | { readonly kind: "images"; readonly grid: ImageGrid }
  | { readonly kind: "code"; readonly summary: string; readonly text: string };

export interface Table {
  readonly caption: string;
  readonly columns: readonly Column[];
  readonly rows: readonly (readonly Cell[])[];
  /** So many columns at the left name groups of rows: LaTeX leaves out what repeats the row above. */
  readonly groups?: number;
  /** What a page shows of rows that are too many for it; files of numbers have them all. */
  readonly excerpt?: { readonly rows: readonly number[]; readonly note: string };
}

export type Cell = string | Figure;

/** A number, or the two ends of an interval. */
export interface Figure {
  /** As it is shown. */
  readonly text: string;
  /** With all digits, in the unit of the column. */
  readonly values: readonly number[];
  readonly origin: Origin;
  /** `values` are so many times what stands at the origin: 100 for percent. */
  readonly times: number;
  /** No other of its group can be told to be better. */
  readonly best?: boolean;
}

export const cellText = (cell: Cell): string => (typeof cell === "string" ? cell : cell.text);

/** The part of a table that fits on a page. */
export function onPage({ caption, columns, rows, excerpt }: Table): Table {
  if (excerpt === undefined) return { caption, columns, rows };
  const shown = excerpt.rows.flatMap((index) => (rows[index] === undefined ? [] : [rows[index]]));
  return { caption: `${caption} (${excerpt.note})`, columns, rows: shown };
}

export interface Column {
  readonly head: string;
  readonly align: "left" | "right";
  /** Columns side by side may share a name above their heads. */
  readonly group?: string;
}

export interface Chart {
  /** Unique in the report; also the start of the ids inside the SVG. */
  readonly id: string;
  readonly title: string;
  /** The chart in words and numbers, for those who do not see it. */
  readonly alt: string;
  draw(): string;
  /** Name of the SVG beside the document, where it is drawn into one whatever the format. */
  readonly file?: string;
  /** Where the chart shows one, for readers that can turn it. */
  readonly surface?: Surface;
}

/** A column's head where there is no line above it for its group's name. */
export const fullHead = ({ head, group }: Column): string => (group === undefined ? head : `${group}: ${head}`);

/** Runs of columns of one group, from left to right; none where no column has one. */
export function headSpans(columns: readonly Column[]): { readonly group: string; readonly length: number }[] {
  const spans: { group: string; length: number }[] = [];
  for (const { group = "" } of columns) {
    const last = spans.at(-1);
    if (last?.group === group) last.length += 1;
    else spans.push({ group, length: 1 });
  }
  return spans.some(({ group }) => group !== "") ? spans : [];
}

/** Shorthands for columns. */
export const words = (head: string): Column => ({ head, align: "left" });
export const figures = (head: string): Column => ({ head, align: "right" });

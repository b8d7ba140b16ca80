import type { ImageGrid } from "./data.js";

/** The report before it is HTML or Markdown: both say the same because both are written from this. */
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
  readonly rows: readonly (readonly string[])[];
}

export interface Column {
  readonly head: string;
  readonly align: "left" | "right";
}

export interface Chart {
  /** Unique in the report; also the start of the ids inside the SVG. */
  readonly id: string;
  readonly title: string;
  /** The chart in words and numbers, for those who do not see it. */
  readonly alt: string;
  draw(): string;
}

/** Shorthands for columns. */
export const words = (head: string): Column => ({ head, align: "left" });
export const figures = (head: string): Column => ({ head, align: "right" });

import { dirname, resolve } from "node:path";
import { makeFolder, writeFileAtomic } from "../util/index.js";
import { collect } from "./collect.js";
import type { ReportData } from "./data.js";
import { reportDocument } from "./document.js";
import { html } from "./html.js";
import { markdown } from "./markdown.js";
import { rowStyles } from "./palette.js";

export { collect } from "./collect.js";
export type * from "./data.js";
export type * from "./grid-data.js";
export { apartText } from "./grid-means.js";
export { gridCharts, gridMarkdown, gridSummary } from "./grid-page.js";
export type { Losses, SliceAxis } from "./landscape-schema.js";
export { rowOfRun } from "./read-results.js";
export { conditions, sentence } from "./sentence.js";
export { terminalTable } from "./table.js";
export { FORMATS, type Format, type WrittenReport, writeReportFiles } from "./write.js";

/** Where a report is written. */
export interface ReportPaths {
  readonly html: string;
  readonly markdown: string;
}

/** The report of some data as one HTML page without scripts or outside addresses. */
export function toHtml(data: ReportData): string {
  return html(reportDocument(data), rowStyles([...data.rows, ...data.runs]));
}

/** The same report as GitHub-flavoured Markdown. */
export function toMarkdown(data: ReportData): string {
  return markdown(reportDocument(data));
}

/** Reads run or experiment folders, writes the report twice, and returns what was read. */
export function writeReport(dirs: readonly string[], out: ReportPaths): ReportData {
  const data = collect(dirs);
  for (const path of [out.html, out.markdown]) makeFolder(dirname(resolve(path)));
  writeFileAtomic(out.html, toHtml(data));
  writeFileAtomic(out.markdown, toMarkdown(data));
  return data;
}

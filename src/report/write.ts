// A report in the formats that were asked for. All are written from one document, so they cannot say different things.
import { join } from "node:path";
import { makeFolder, writeFileAtomic } from "../util/index.js";
import type { ReportDocument } from "./blocks.js";
import { collect } from "./collect.js";
import { csv } from "./csv.js";
import type { ReportData } from "./data.js";
import { reportDocument } from "./document.js";
import { chartsOf, tablesOf } from "./document-tables.js";
import { figureFiles } from "./figure-files.js";
import { html } from "./html.js";
import { latex } from "./latex.js";
import { markdown } from "./markdown.js";
import { rowStyles } from "./palette.js";
import { reportJson } from "./report-json.js";

/** `html`, `md` and `json` are a file each; `csv` and `latex` a file each table; `figures` an SVG and a PNG each chart. */
export const FORMATS = ["html", "md", "csv", "json", "latex", "figures"] as const;
export type Format = (typeof FORMATS)[number];

type Files = ReadonlyMap<string, string | Buffer>;

/** What a format writes, by path in the report's folder. */
type Writer = (
  report: ReportDocument,
  data: ReportData,
  out: string,
) => Promise<{ files: Files; problems?: readonly string[] }>;

const one = (name: string, text: string) => ({ files: new Map([[name, text]]) });
const inFolder = (folder: string, files: Iterable<readonly [string, string | Buffer]>): Files =>
  new Map(Array.from(files, ([name, bytes]) => [join(folder, name), bytes]));

const writers: Readonly<Record<Format, Writer>> = {
  html: async (report, data) => one("report.html", html(report, rowStyles([...data.rows, ...data.runs]))),
  md: async (report) => one("report.md", markdown(report)),
  json: async (report, _, out) => one("report.json", reportJson(report, out)),
  csv: async (report) => ({
    files: inFolder(
      "tables",
      tablesOf(report).map(({ id, table }) => [`${id}.csv`, csv(table)] as const),
    ),
  }),
  latex: async (report) => ({
    files: inFolder(
      "latex",
      tablesOf(report).map(({ id, table }) => [`${id}.tex`, latex(id, table)] as const),
    ),
  }),
  figures: async (report) => {
    const { files, problems } = await figureFiles(chartsOf(report));
    return { files: inFolder("figures", files), problems };
  },
};

/** What was read, and what was written, as paths. */
export interface WrittenReport {
  readonly data: ReportData;
  readonly files: readonly string[];
}

/** Reads run or experiment folders and writes their report into a folder. */
export async function writeReportFiles(
  dirs: readonly string[],
  { out, formats }: { readonly out: string; readonly formats: readonly Format[] },
): Promise<WrittenReport> {
  const data = collect(dirs);
  const report = reportDocument(data);
  const problems = [...data.problems];
  const written: string[] = [];
  for (const format of formats) {
    const { files, problems: found = [] } = await writers[format](report, data, out);
    problems.push(...found);
    for (const [name, bytes] of files) {
      const path = join(out, name);
      makeFolder(join(path, ".."));
      writeFileAtomic(path, bytes);
      written.push(path);
    }
  }
  return { data: { ...data, problems }, files: written };
}

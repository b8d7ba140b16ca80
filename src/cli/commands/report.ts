import { InvalidArgumentError } from "@commander-js/extra-typings";
// A type alone: the report's code is loaded when it is asked for.
import type { Format } from "../../report/index.js";
import { type Cli, command, printJson } from "./context.js";

const FORMATS: readonly Format[] = ["html", "md", "csv", "json", "latex", "figures"];

/** `html,csv` as formats, each once. */
function formats(text: string): Format[] {
  const found = text.split(",").map((part) => {
    const format = FORMATS.find((known) => known === part.trim());
    if (format === undefined) throw new InvalidArgumentError(`Expected some of ${FORMATS.join(", ")}.`);
    return format;
  });
  return [...new Set(found)];
}

/** `s2ap report`: run folders, read and told. */
export function reportCommand(cli: Cli) {
  return command("report", "Read run folders and write a report of them: one HTML file, tables, figures.", [
    "s2ap report runs/quickstart",
    "s2ap report runs/hydra runs/hydra-s2ap --out comparison",
    "s2ap report runs/quickstart --format latex,figures --out paper",
    "s2ap report runs/quickstart --json",
  ])
    .argument("<runs...>", "run folders, or folders of an experiment")
    .option("--out <folder>", "where the files go; default the first folder")
    .option("--format <list>", `some of ${FORMATS.join(",")}; default html,md`, formats)
    .action(async (runs, { out = runs[0] as string, format = ["html", "md"], json }) => {
      const { conditions, sentence, terminalTable, writeReportFiles } = await import("../../report/index.js");
      const { data, files } = await writeReportFiles(runs, { out, formats: format });
      const { rows, problems } = data;
      for (const problem of problems) cli.terminal.err(cli.terminal.paint("yellow", `warning: ${problem}`));
      const named = (end: string) => files.find((file) => file.endsWith(end));
      if (json === true) {
        const [html, markdown] = [named("report.html"), named("report.md")];
        return printJson(cli.terminal, { report: html, markdown, files, rows, problems });
      }
      if (rows.length > 0) cli.terminal.out(`${terminalTable(rows)}\n${conditions(rows)}\n${sentence(rows)}`);
      return cli.terminal.out(shown(files, out));
    });
}

/** A file or two by name; of more, how many are where. */
function shown(files: readonly string[], out: string): string {
  return files.length <= 2 ? (files[0] ?? "") : `${files.length} files in ${out}`;
}

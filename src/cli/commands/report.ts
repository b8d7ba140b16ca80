import { join } from "node:path";
import { type Cli, command, printJson } from "./context.js";

/** `s2ap report`: run folders, read and told. */
export function reportCommand(cli: Cli) {
  return command("report", "Read run folders and write a report of them: HTML in one file, and Markdown.", [
    "s2ap report runs/quickstart",
    "s2ap report runs/hydra runs/hydra-s2ap --out comparison",
    "s2ap report runs/quickstart --json",
  ])
    .argument("<runs...>", "run folders, or folders of an experiment")
    .option("--out <folder>", "where report.html and report.md go; default the first folder")
    .action(async (runs, { out = runs[0] as string, json }) => {
      const { conditions, sentence, terminalTable, writeReport } = await import("../../report/index.js");
      const paths = { html: join(out, "report.html"), markdown: join(out, "report.md") };
      const { rows, problems } = writeReport(runs, paths);
      for (const problem of problems) cli.terminal.err(cli.terminal.paint("yellow", `warning: ${problem}`));
      if (json === true)
        return printJson(cli.terminal, { report: paths.html, markdown: paths.markdown, rows, problems });
      if (rows.length > 0) cli.terminal.out(`${terminalTable(rows)}\n${conditions(rows)}\n${sentence(rows)}`);
      return cli.terminal.out(paths.html);
    });
}

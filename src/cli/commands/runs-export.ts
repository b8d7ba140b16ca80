import { UsageError } from "../../util/index.js";
import { toMlflow } from "../trackers.js";
import { type Cli, command, printJson } from "./context.js";

/** `s2ap runs export`: finished runs in the formats of other tools. */
export function runsExportCommand(cli: Cli) {
  return command("export", "Write runs in the formats of other tools. Writing again replaces, and doubles nothing.", [
    "s2ap runs export runs/quickstart --tensorboard boards     # then: tensorboard --logdir boards",
    "s2ap runs export runs/* --mlruns mlruns                   # then: mlflow ui",
    "s2ap runs export runs/quickstart --mlflow http://127.0.0.1:5000",
    "s2ap runs export runs/quickstart --csv tables --jsonl tables",
  ])
    .argument("<runs...>", "run folders, or folders of an experiment")
    .option("--tensorboard <folder>", "event files, one folder a run")
    .option("--mlruns <folder>", "a folder as MLflow's file store keeps it")
    .option("--mlflow <address>", "send what an MLflow server does not have yet")
    .option("--csv <folder>", "events.csv and results.csv")
    .option("--jsonl <folder>", "events.jsonl and results.jsonl")
    .action(async (folders, { json, plugin: _plugin, mlflow, ...to }) => {
      if (mlflow === undefined && Object.values(to).every((folder) => folder === undefined)) {
        const what = "at least one of --tensorboard, --mlruns, --mlflow, --csv and --jsonl";
        throw new UsageError(`runs export: expected ${what}, got none`);
      }
      const tracking = await import("../../tracking/index.js");
      const warn = (text: string) => cli.terminal.err(cli.terminal.paint("yellow", `warning: ${text}`));
      const sources = tracking.sourcesOf(folders);
      const written: string[] = [];
      if (to.tensorboard !== undefined) written.push(...tracking.exportTensorboard(to.tensorboard, sources));
      if (to.mlruns !== undefined) written.push(...tracking.exportMlruns(to.mlruns, sources));
      if (to.csv !== undefined || to.jsonl !== undefined) {
        const { collect } = await import("../../report/index.js");
        const { rows, problems } = collect(folders);
        // Where each number stands is for the report's own files.
        const results = rows.map(({ origins: _origins, ...row }) => row);
        for (const problem of problems) warn(problem);
        for (const kind of ["csv", "jsonl"] as const) {
          const folder = to[kind];
          if (folder !== undefined) {
            written.push(...tracking.exportTables(folder, kind, { sources, results }));
          }
        }
      }
      if (mlflow !== undefined) {
        let warnings = 0;
        const later = "give the command again: it sends what is missing";
        await tracking.exportTo(toMlflow(mlflow, process.env, later), sources, (text) => {
          warnings += 1;
          warn(text);
        });
        // Here nothing else was asked for: what did not arrive is a failure.
        if (warnings > 0) cli.exitCode = 1;
        else written.push(mlflow);
      }
      if (json === true) printJson(cli.terminal, { runs: sources.map(({ folder }) => folder), written });
      else cli.terminal.out(written.join("\n"));
    });
}

import { Command } from "@commander-js/extra-typings";
import { packageVersion } from "../util/index.js";
import { compareCommand } from "./commands/compare.js";
import type { Cli } from "./commands/context.js";
import { dashboardCommand } from "./commands/dashboard.js";
import { dataCommand } from "./commands/data.js";
import { doctorCommand } from "./commands/doctor.js";
import { estimateCommand } from "./commands/estimate.js";
import { evalCommand } from "./commands/eval.js";
import { exportCommand } from "./commands/export.js";
import { gridCommand } from "./commands/grid.js";
import { importCommand } from "./commands/import.js";
import { inspectCommand } from "./commands/inspect.js";
import { landscapeCommand } from "./commands/landscape.js";
import { listCommand } from "./commands/list.js";
import { recipeCommand } from "./commands/recipe.js";
import { reportCommand } from "./commands/report.js";
import { runCommand } from "./commands/run.js";
import { runsCommand } from "./commands/runs.js";
import { sharpnessCommand } from "./commands/sharpness.js";
import { stabilityCommand } from "./commands/stability.js";

const AFTER = `
Examples:
  s2ap run recipes/quickstart.yaml           train, prune, attack, report; run again to resume
  s2ap recipe check my.yaml                  find every error of a recipe
  s2ap import model_best.pth.tar             take over a checkpoint of another program
  s2ap list attacks                          what recipes can name
  s2ap data check cifar10                    is the data set here and whole
  s2ap doctor                                what is installed, and how fast it is

Exit codes: 0 done; 1 our failure; 2 bad usage or recipe; 3 bad data;
130, 143, 129 interrupted by SIGINT, SIGTERM, SIGHUP, with the state saved.`;

/** The whole command line. Commander's own errors and help come as CommanderError, never as an exit. */
export function buildProgram(cli: Cli) {
  const program = new Command("s2ap")
    .description("Make a robust image classifier small without making it fragile.")
    .version(packageVersion())
    .addHelpText("after", AFTER)
    .addCommand(runCommand(cli))
    .addCommand(gridCommand(cli))
    .addCommand(compareCommand(cli))
    .addCommand(estimateCommand(cli))
    .addCommand(recipeCommand(cli))
    .addCommand(evalCommand(cli))
    .addCommand(dataCommand(cli))
    .addCommand(importCommand(cli))
    .addCommand(inspectCommand(cli))
    .addCommand(exportCommand(cli))
    .addCommand(sharpnessCommand(cli))
    .addCommand(landscapeCommand(cli))
    .addCommand(reportCommand(cli))
    .addCommand(stabilityCommand(cli))
    .addCommand(runsCommand(cli))
    .addCommand(dashboardCommand(cli))
    .addCommand(listCommand(cli))
    .addCommand(doctorCommand(cli));
  forAll(program, (command) =>
    command.exitOverride().configureOutput({
      writeOut: (text: string) => cli.terminal.out(text.trimEnd()),
      writeErr: (text: string) => cli.terminal.err(text.trimEnd()),
      getOutHelpWidth: () => Math.min(100, cli.terminal.columns),
    }),
  );
  return program;
}

type AnyCommand = {
  readonly commands: readonly unknown[];
  exitOverride(): AnyCommand;
  configureOutput(o: object): AnyCommand;
};

/** Settings are not inherited by commands that were added whole. */
function forAll(command: unknown, apply: (command: AnyCommand) => void): void {
  apply(command as AnyCommand);
  for (const inner of (command as AnyCommand).commands) forAll(inner, apply);
}

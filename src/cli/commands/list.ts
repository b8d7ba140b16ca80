import { table } from "../format.js";
import type { Listed } from "../jobs/list.js";
import { type Cli, command, printJson } from "./context.js";

/** `s2ap list`: what recipes can name. */
export function listCommand(cli: Cli) {
  return command("list", "Show what recipes can name.", [
    "s2ap list",
    "s2ap list attacks",
    "s2ap list methods --options",
    "s2ap list losses --json",
    "s2ap list models --plugin ./my-model.js",
  ])
    .argument(
      "[kind]",
      "models, data, attacks, losses, methods, gradients, weightGradients, optimizers or schedules; default all",
    )
    .option("--options", "also show the options of each")
    .action(async (kind, options) => {
      const listed = (await cli.work("list", { kind }, { plugins: options.plugin ?? [] })) as Listed[];
      if (options.json === true) printJson(cli.terminal, listed);
      else cli.terminal.out(listText(listed, options.options === true));
    });
}

function listText(listed: readonly Listed[], withOptions: boolean): string {
  const rows = listed.flatMap(({ kind, name, summary, options }, i) => [
    [kind === listed[i - 1]?.kind ? "" : kind, name, summary],
    ...(withOptions ? options.map((option) => ["", `  ${option.name}`, option.description]) : []),
  ]);
  return table(rows);
}

import type { EstimateJobOptions } from "../jobs/estimate.js";
import { showProgress } from "../progress.js";
import { type Cli, collect, command, positive, printJson } from "./context.js";
import type { Predicted } from "./estimate-text.js";
import { estimateSummary, estimateTable } from "./estimate-text.js";

/** `s2ap estimate`: what a recipe costs, before it runs. */
export function estimateCommand(cli: Cli) {
  return command("estimate", "Predict time, passes and peak memory of a recipe from a few measured steps.", [
    "s2ap estimate recipes/quickstart.yaml",
    "s2ap estimate my.yaml --set stages.finetune.epochs=100",
    "s2ap estimate my.yaml --json | jq .seconds",
  ])
    .argument("<recipe>", "YAML file")
    .option("--set <path=value>", "change a value of the recipe; may be repeated", collect)
    .option("--profile <name>", "lay one of the recipe's profiles over it")
    .option("--tiny", "the same as --profile tiny")
    .option("--threads <n>", "threads of libtorch; default one a processor", positive)
    .action(async (path, { plugin = [], set = [], profile, tiny, threads, json }) => {
      const progress = showProgress(cli.terminal);
      const options: EstimateJobOptions = { path, set, profile: profile ?? (tiny === true ? "tiny" : undefined) };
      const onReport = json === true ? () => {} : progress.update;
      try {
        const found = (await cli.work("estimate", options, { threads, plugins: plugin, onReport })) as Predicted;
        if (json === true) return printJson(cli.terminal, found);
        cli.terminal.out(`${estimateTable(found)}\n${estimateSummary(found)}`);
      } finally {
        progress.close();
      }
    });
}

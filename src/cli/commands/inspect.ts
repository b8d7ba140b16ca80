import type { InspectResult } from "../jobs/inspect.js";
import { type Cli, command, printJson, share } from "./context.js";
import { inspectText } from "./inspect-text.js";

/** `s2ap inspect`: what a file of weights is. */
export function inspectCommand(cli: Cli) {
  return command(
    "inspect",
    "Say what a checkpoint or a run is: its layout, network, masks and sparsity. No code of a file ever runs.",
    [
      "s2ap inspect model_best.pth.tar",
      "s2ap inspect model_best.pth.tar --keep-ratio 0.1",
      "s2ap inspect weights.safetensors --json",
      "s2ap inspect runs/quickstart",
    ],
  )
    .argument("<file>", ".pt, .pth, .pth.tar, .tar, .t7, .safetensors, or the folder of a run")
    .option("--keep-ratio <k>", "share of the weights that was kept, to see the masks of scores", share)
    .action(async (path, { json, plugin = [], keepRatio }) => {
      const result = (await cli.work("inspect", { path, keepRatio }, { plugins: plugin })) as InspectResult;
      if (json === true) printJson(cli.terminal, result);
      else cli.terminal.out(inspectText(result));
    });
}

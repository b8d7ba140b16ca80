import { type Cli, group } from "./context.js";
import { runsExportCommand } from "./runs-export.js";

/** `s2ap runs`: what to do with run folders. */
export function runsCommand(cli: Cli) {
  return group("runs", "Look after run folders.", [
    "s2ap runs export runs/quickstart --tensorboard boards   for other tools",
  ]).addCommand(runsExportCommand(cli));
}

import { type Cli, group } from "./context.js";
import { runsRmCommand, runsTagCommand } from "./runs-change.js";
import { runsExportCommand } from "./runs-export.js";
import { runsFindCommand, runsListCommand } from "./runs-list.js";

/** `s2ap runs`: what to do with run folders. */
export function runsCommand(cli: Cli) {
  return group("runs", "List, find, tag, remove and export runs.", [
    "s2ap runs list                                          every run in runs/",
    "s2ap runs find 'robust > 0.3 and method = hydra'        those that meet a condition",
    "s2ap runs tag quickstart/hydra-s2ap best                words of your own",
    "s2ap runs rm quickstart/magnitude                       to the trash folder",
    "s2ap runs export runs/quickstart --tensorboard boards   for other tools",
  ])
    .addCommand(runsListCommand(cli))
    .addCommand(runsFindCommand(cli))
    .addCommand(runsTagCommand(cli))
    .addCommand(runsRmCommand(cli))
    .addCommand(runsExportCommand(cli));
}

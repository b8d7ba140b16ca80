import { UsageError } from "../../util/index.js";
import { type Cli, collect, command, printJson } from "./context.js";
import { ROOT } from "./runs-list.js";

const RUN = "run folder, or its name below the root";

/** `s2ap runs tag`: words of your own on a run. */
export function runsTagCommand(cli: Cli) {
  return command("tag", "Add words to a run, to find it by. They are kept in its folder, in tags.json.", [
    "s2ap runs tag runs/quickstart/hydra-s2ap best paper",
    "s2ap runs tag quickstart/hydra --remove best",
    "s2ap runs tag quickstart/hydra                  # shows its tags",
  ])
    .argument("<run>", RUN)
    .argument("[tags...]", "letters, digits, _, - and .")
    .option("--remove <tag>", "take one away; may be repeated", collect)
    .option(...ROOT)
    .action(async (name, add, { root = "runs", remove = [], json }) => {
      const { changeTags, resolveRun } = await import("../../tracking/index.js");
      const folder = resolveRun(root, name);
      const tags = changeTags(folder, add, remove);
      if (json === true) printJson(cli.terminal, { folder, tags });
      else cli.terminal.out(`${folder}: ${tags.length === 0 ? "no tags" : tags.join(" ")}`);
    });
}

/** `s2ap runs rm`: away with runs. */
export function runsRmCommand(cli: Cli) {
  return command("rm", "Move runs to the trash folder of their root, or delete them. Never one that runs.", [
    "s2ap runs rm quickstart/magnitude               # move it back to undo",
    "s2ap runs rm runs/old-1 runs/old-2 --delete --yes",
  ])
    .argument("<runs...>", `each a ${RUN}`)
    .option("--delete", "delete for good instead; needs --yes")
    .option("--yes", "yes, delete")
    .option(...ROOT)
    .action(async (names, { root = "runs", yes, json, ...options }) => {
      const forGood = options.delete === true;
      if (forGood && yes !== true) {
        const text = `runs rm: expected --yes beside --delete, got none: ${names.join(", ")} would be gone for good`;
        throw new UsageError(`${text}; without --delete they are moved to the trash folder`);
      }
      const { removeRun, resolveRun } = await import("../../tracking/index.js");
      // All names first: a wrong one removes nothing.
      const folders = names.map((name) => resolveRun(root, name));
      const removed = folders.map((folder) => {
        const to = removeRun(root, folder, { forGood });
        if (json !== true) cli.terminal.out(to === undefined ? `${folder}: deleted` : `${folder}: moved to ${to}`);
        return { folder, to: to ?? null };
      });
      if (json === true) printJson(cli.terminal, { removed });
    });
}

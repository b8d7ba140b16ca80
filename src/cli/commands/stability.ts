import { dirname, resolve } from "node:path";
import { makeFolder, writeFileAtomic } from "../../util/index.js";
import type { StabilityOptions, StabilityResult } from "../jobs/stability.js";
import { showProgress } from "../progress.js";
import { SIGNAL_CODES, watchSignals } from "../signals.js";
import { type Cli, collect, command, positive, printJson, whole } from "./context.js";
import { stabilityText } from "./stability-text.js";

/** `s2ap stability`: how alike the masks and networks of runs are, and how a run's masks settled. */
export function stabilityCommand(cli: Cli) {
  return command("stability", "Compare masks and networks of runs in pairs; of one run, its masks over the epochs.", [
    "s2ap stability runs/hydra-s2ap                    # the search's epochs",
    "s2ap stability runs/seed-1 runs/seed-2            # two seeds, layer by layer",
    "s2ap stability runs/quickstart --images 1000      # all runs of an experiment",
    "s2ap stability runs/a runs/b --images 0 --json    # masks and logs alone",
  ])
    .argument("<runs...>", "run folders, or folders of an experiment")
    .option("--images <n>", "test images that networks are compared on, from the front; 0 for none", whole, 256)
    .option("--layer <name>", "a layer whose features are compared too, e.g. layer3.1.conv2; repeated", collect)
    .option(
      "--record <folder>",
      "a finished evaluation (s2ap eval --out) of each run, in order, in place of PGD-10 here; repeated",
      collect,
    )
    .option("--seed <n>", "of the attack's noise and the bootstrap", whole, 0)
    .option("--out <file>", "write the JSON document there too")
    .option("--threads <n>", "threads of libtorch; default one a processor", positive)
    .action(
      async (runs, { plugin = [], json, threads, out, layer: layers = [], record: records = [], images, seed }) => {
        const options: StabilityOptions = { runs, images, layers, records, seed };
        const result = await compare(cli, options, { plugins: plugin, threads, quiet: json === true });
        if (out !== undefined) {
          makeFolder(dirname(resolve(out)));
          writeFileAtomic(out, `${JSON.stringify(result, undefined, 2)}\n`);
        }
        if (json === true) printJson(cli.terminal, result);
        else cli.terminal.out(stabilityText(result));
      },
    );
}

interface How {
  readonly plugins: readonly string[];
  readonly threads: number | undefined;
  readonly quiet: boolean;
}

async function compare(cli: Cli, options: StabilityOptions, { quiet, ...how }: How): Promise<StabilityResult> {
  const progress = showProgress(cli.terminal);
  using stopper = watchSignals({
    onStop: () => progress.say("stopping; once more to leave at once"),
    onLeave: progress.close,
  });
  try {
    const onReport = quiet ? () => {} : progress.update;
    const result = (await cli.work("stability", options, { ...how, flag: stopper.flag, onReport })) as StabilityResult;
    const { reason } = stopper;
    if (result.status === "stopped") {
      cli.terminal.err("stopped before all networks were compared; nothing is kept of that");
      if (reason !== undefined && reason !== "time") cli.exitCode = SIGNAL_CODES[reason];
    }
    return result;
  } finally {
    progress.close();
  }
}

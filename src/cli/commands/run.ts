import { Option } from "@commander-js/extra-typings";
import { STAGES } from "../../run/index.js";
import type { EvalAnswer } from "../jobs/eval-options.js";
import type { RunJobOptions, RunJobResult } from "../jobs/run.js";
import { showProgress } from "../progress.js";
import { parseDuration, SIGNAL_CODES, watchSignals } from "../signals.js";
import { LOG_OPTION, trackersOf } from "../trackers.js";
import { type Cli, collect, command, positive, printJson } from "./context.js";
import { longJob, stopText } from "./long-job.js";

/** `s2ap run`: a recipe from beginning to end. */
export function runCommand(cli: Cli) {
  return command("run", "Run a recipe: train, prune, finetune, attack, report. Run it again to resume.", [
    "s2ap run recipes/quickstart.yaml",
    "s2ap run recipes/quickstart.yaml --tiny",
    "s2ap run recipes/quickstart.yaml --autoattack",
    "s2ap run recipes/quickstart.yaml --log tensorboard",
    "s2ap run my.yaml --set stages.search.method.keepRatio=0.05 --set seed=2 --out runs/five-percent",
    "s2ap run my.yaml --only search --from runs/dense",
    "s2ap run my.yaml --max-time 50m       # stops cleanly; run again to go on",
  ])
    .argument("<recipe>", "YAML file")
    .option("--set <path=value>", "change a value of the recipe; may be repeated", collect)
    .option("--profile <name>", "lay one of the recipe's profiles over it")
    .option("--tiny", "the same as --profile tiny")
    .option("--autoattack", "then AutoAttack on 100 images of its networks: minutes, with a card for each")
    .option("--out <folder>", "where results go; default runs/ and the recipe's name")
    .addOption(new Option("--only <stage>", "do this stage only").choices(STAGES))
    .option(
      "--from <checkpoint>",
      "begin with this network: a run folder, the result of a stage in its checkpoints/, or safetensors",
    )
    .option("--max-time <duration>", "stop cleanly after 90s, 30m, 1h30m", parseDuration)
    .option(...LOG_OPTION, collect)
    .option("--threads <n>", "threads of libtorch; default one a processor", positive)
    .action(async (path, { plugin = [], set = [], log = [], json, threads, maxTime, tiny, autoattack, ...rest }) => {
      const profile = rest.profile ?? (tiny === true ? "tiny" : undefined);
      const options: RunJobOptions = { path, set, ...rest, profile };
      const result = await longJob<RunJobResult>(cli, "run", options, {
        threads,
        plugins: plugin,
        maxTime,
        quiet: json === true,
        trackers: trackersOf(log),
      });
      if (json === true) await printResultJson(cli, result);
      else if (result.status === "done") await printResult(cli, result);
      if (autoattack === true && result.status === "done")
        await attackAll(cli, result.out, { threads, plugins: plugin });
    });
}

async function attackAll(
  cli: Cli,
  out: string,
  how: { readonly threads: number | undefined; readonly plugins: readonly string[] },
): Promise<void> {
  const { autoAttackRuns } = await import("./run-autoattack.js");
  const progress = showProgress(cli.terminal);
  using stopper = watchSignals({ onStop: (reason) => progress.say(stopText(reason)), onLeave: progress.close });
  try {
    await autoAttackRuns(
      out,
      (options) =>
        cli.work("eval", options, {
          ...how,
          flag: stopper.flag,
          onReport: progress.update,
        }) as Promise<EvalAnswer>,
      cli.terminal.err,
    );
    const { reason } = stopper;
    if (reason !== undefined && reason !== "time") cli.exitCode = SIGNAL_CODES[reason];
  } finally {
    progress.close();
  }
}

/** Table, what it shows in a sentence, and on the last line the report's path. */
async function printResult({ terminal }: Cli, { out, report }: RunJobResult): Promise<void> {
  const { collect: collectRuns, conditions, sentence, terminalTable } = await import("../../report/index.js");
  const { rows } = collectRuns([out]);
  if (rows.length > 0) terminal.out(`${terminalTable(rows)}\n${conditions(rows)}\n${sentence(rows)}`);
  terminal.out(report ?? out);
}

async function printResultJson({ terminal }: Cli, result: RunJobResult): Promise<void> {
  const { collect: collectRuns } = await import("../../report/index.js");
  const rows = result.status === "done" ? collectRuns([result.out]).rows : [];
  printJson(terminal, { ...result, rows });
}

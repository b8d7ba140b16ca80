import { Option } from "@commander-js/extra-typings";
import { count, duration, percent, table } from "../format.js";
import type { EvalOptions, EvalResult } from "../jobs/eval.js";
import { showProgress } from "../progress.js";
import { SIGNAL_CODES, watchSignals } from "../signals.js";
import { type Cli, collect, command, positive, printJson, whole } from "./context.js";

/** `s2ap eval`: attacks a finished network. */
export function evalCommand(cli: Cli) {
  return command("eval", "Measure a network on the test set: clean accuracy, and accuracy under attacks.", [
    "s2ap eval runs/quickstart/hydra-s2ap",
    "s2ap eval runs/quickstart/dense --attack pgd --eps 8/255 --examples 1000 --json",
    "s2ap eval runs/quickstart/dense --attack '{name: pgd, steps: 50, restarts: 5}' --attack fgsm",
    "s2ap eval model.safetensors --arch arch.json --data cifar10 --attack pgd --norm l2 --eps 0.5",
  ])
    .argument("<model>", "a run folder, or a safetensors file")
    .option("--arch <file>", "description of the network in JSON, for safetensors that do not say what they are")
    .option(
      "--attack <name>",
      "an attack, or YAML with its options; may be repeated; default as in the run's recipe",
      collect,
    )
    .option("--eps <ratio>", "radius in pixel scale, e.g. 8/255; default the run's")
    .addOption(
      new Option("--norm <norm>", "of the radius; default the run's, else linf").choices(["linf", "l2"] as const),
    )
    .option("--data <name>", "data set, or YAML with its options; default the run's, else cifar10")
    .option("--examples <n>", "test images, from the front; default all", positive)
    .option("--batch-size <n>", "images at a time; changes no result", positive)
    .option("--seed <n>", "of the attacks' noise; default the run's, else 0", whole)
    .option("--threads <n>", "threads of libtorch; default one a processor", positive)
    .action(async (model, { plugin = [], json, threads, attack: attacks = [], ...rest }) => {
      const result = await evalJob(
        cli,
        { model, attacks, ...rest },
        { plugins: plugin, threads, quiet: json === true },
      );
      if (json === true) printJson(cli.terminal, result);
      else cli.terminal.out(resultText(result));
    });
}

interface How {
  readonly plugins: readonly string[];
  readonly threads: number | undefined;
  readonly quiet: boolean;
}

async function evalJob(cli: Cli, options: EvalOptions, { quiet, ...how }: How): Promise<EvalResult> {
  const progress = showProgress(cli.terminal);
  using stopper = watchSignals({
    onStop: () => progress.say("stopping; once more to leave at once"),
    onLeave: progress.close,
  });
  try {
    // Results come all together at the end: on the way only the live line is of use.
    const onReport = quiet ? () => {} : progress.update;
    const result = (await cli.work("eval", options, { ...how, flag: stopper.flag, onReport })) as EvalResult;
    const { reason } = stopper;
    if (result.status === "stopped" && reason !== undefined && reason !== "time") cli.exitCode = SIGNAL_CODES[reason];
    return result;
  } finally {
    progress.close();
  }
}

export function resultText({ model, weights, data, seed, results }: EvalResult): string {
  const head = ["attack", "threat", "images", "accuracy", "95 % interval", "time"];
  const rows = results.map(({ attack, norm, eps, examples, robustAccuracy, interval, seconds }) => [
    attack,
    norm === null ? "" : `${norm} ${eps}`,
    count(examples),
    percent(robustAccuracy),
    `${percent(interval[0])} to ${percent(interval[1])}`,
    duration(seconds),
  ]);
  const origin = `${model} (sha256 ${weights.slice(0, 12)}), ${data.name}, seed ${seed}`;
  return `${table([head, ...rows], [2, 3, 4, 5])}\n${origin}`;
}

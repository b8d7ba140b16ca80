import { InvalidArgumentError } from "@commander-js/extra-typings";
import { unknownName } from "../../util/index.js";
import type { DataAnswer, DataJobOptions, DataListed, DataSheet, DataSummary } from "../jobs/data.js";
import { showProgress } from "../progress.js";
import { SIGNAL_CODES, watchSignals } from "../signals.js";
import { type Cli, collect, command, group, positive, printJson, whole } from "./context.js";
import { listText, sheetText, summaryText } from "./data-text.js";

const SET = ["--set <option=value>", "an option of the data set, as in recipes; may be repeated"] as const;
const QUICK = [
  "--quick",
  "leave out the look at every image: for constant ones, and test images that are in train",
] as const;
const NAME = ["<name>", "data set; s2ap data lists them"] as const;
const MOST_EXAMPLES = 32;

/** `s2ap data [list]|get|check|show`. */
export function dataCommand(cli: Cli) {
  return group("data", "List, fetch, check and show data sets.", [
    "s2ap data                                  every data set, and whether it is here",
    "s2ap data get cifar10                      fetch it, check it, count its classes",
    "s2ap data check cifar10                    the same, but never fetch",
    "s2ap data show cifar10 --out cifar10.png   look at its images",
  ])
    .addCommand(listCommand(cli), { isDefault: true })
    .addCommand(getCommand(cli))
    .addCommand(checkCommand(cli))
    .addCommand(showCommand(cli));
}

function listCommand(cli: Cli) {
  return command("list", "Show every data set, one a line, and whether it is here.", [
    "s2ap data",
    "s2ap data list --json",
  ])
    .allowExcessArguments(true)
    .action(async ({ json, plugin = [] }, { args }) => {
      // As the default it is also given what was meant to be another command.
      if (args[0] !== undefined) throw unknownName("data", "command", args[0], ["list", "get", "check", "show"]);
      const listed = (await cli.work("data", { what: "list" }, { plugins: plugin })) as DataListed[];
      if (json === true) printJson(cli.terminal, listed);
      else cli.terminal.out(listText(listed));
    });
}

function getCommand(cli: Cli) {
  return command(
    "get",
    "Load a data set, fetched where it is not here, and say where it came from and what is in it.",
    [
      "s2ap data get cifar10",
      "s2ap data get cifar10 --set source=/data/cifar-10-binary.tar.gz",
      "s2ap data get cifar10 --quick --json",
    ],
  )
    .argument(...NAME)
    .option(...SET, collect)
    .option(...QUICK)
    .action(async (name, { json, plugin = [], set = [], quick = false }) => {
      const options = { what: "summary", name, set, quick, offline: false } as const;
      tellSummary(cli, (await dataJob(cli, options, plugin, json === true)) as DataSummary | undefined, json === true);
    });
}

function checkCommand(cli: Cli) {
  return command("check", "The same as get, but never fetch: what is missing or damaged is an error, with its cure.", [
    "s2ap data check cifar10",
    "s2ap data check cifar10 --set source=/data/cifar-10-batches-bin --json",
  ])
    .argument(...NAME)
    .option(...SET, collect)
    .option(...QUICK)
    .action(async (name, { json, plugin = [], set = [], quick = false }) => {
      const options = { what: "summary", name, set, quick, offline: true } as const;
      tellSummary(cli, (await dataJob(cli, options, plugin, json === true)) as DataSummary | undefined, json === true);
    });
}

function showCommand(cli: Cli) {
  return command("show", "Draw a contact sheet of the training images as a PNG: a row for each class.", [
    "s2ap data show cifar10",
    "s2ap data show cifar10 --augmented --out augmented.png",
    "s2ap data show synthetic --set numClasses=4 --set size=16 --examples 12",
  ])
    .argument(...NAME)
    .option("--out <file>", "where the PNG goes; default the data set's name and .png, here")
    .option("--examples <n>", `images of each class, at most ${MOST_EXAMPLES}; default 8`, examples)
    .option("--seed <n>", "which images; default 0", whole)
    .option("--augmented", "as the network is given them in the first epoch: cropped, mirrored, cut, mixed")
    .option(...SET, collect)
    .action(async (name, { json, plugin = [], set = [], ...rest }) => {
      const { out = `${name}.png`, examples = 8, seed = 0, augmented = false } = rest;
      const options = { what: "sheet", name, set, out, examples, seed, augmented } as const;
      const drawn = (await dataJob(cli, options, plugin, json === true)) as DataSheet | undefined;
      if (drawn === undefined) return;
      warn(cli, drawn.warnings);
      if (json === true) printJson(cli.terminal, drawn);
      else cli.terminal.out(sheetText(drawn));
    });
}

function examples(text: string): number {
  const value = positive(text);
  if (value > MOST_EXAMPLES) throw new InvalidArgumentError(`Expected at most ${MOST_EXAMPLES}.`);
  return value;
}

function warn({ terminal }: Cli, warnings: readonly string[]): void {
  for (const warning of warnings) terminal.err(terminal.paint("yellow", `warning: ${warning}`));
}

function tellSummary(cli: Cli, data: DataSummary | undefined, json: boolean): void {
  if (data === undefined) return;
  if (!data.sound) cli.exitCode = 3;
  if (json) printJson(cli.terminal, data);
  else {
    cli.terminal.out(summaryText(data));
    warn(cli, data.warnings);
  }
}

/** Does a job that may take a while, with progress; undefined where a signal stopped it. */
async function dataJob(
  cli: Cli,
  options: DataJobOptions,
  plugins: readonly string[],
  quiet: boolean,
): Promise<DataSummary | DataSheet | undefined> {
  const progress = showProgress(cli.terminal);
  using stopper = watchSignals({
    onStop: () => progress.say("stopping; once more to leave at once"),
    onLeave: progress.close,
  });
  try {
    const onReport = quiet ? () => {} : progress.update;
    const answer = (await cli.work("data", options, { plugins, flag: stopper.flag, onReport })) as DataAnswer;
    if (answer.kind !== "stopped") return answer;
    const { reason } = stopper;
    if (reason !== undefined && reason !== "time") cli.exitCode = SIGNAL_CODES[reason];
    return undefined;
  } finally {
    progress.close();
  }
}

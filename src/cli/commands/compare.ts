import { Option } from "@commander-js/extra-typings";
import { UsageError } from "../../util/index.js";
import { duration } from "../format.js";
import type { CompareJobOptions, ComparePlan } from "../jobs/compare.js";
import type { GridJobResult } from "../jobs/grid.js";
import { showProgress } from "../progress.js";
import { parseDuration } from "../signals.js";
import { LOG_OPTION, trackersOf } from "../trackers.js";
import { type Cli, collect, command, given, positive, printJson, quoted } from "./context.js";
import { estimateSummary } from "./estimate-text.js";
import { JOBS_OPTION, longJob } from "./long-job.js";

/** Longer ones are asked about first, in seconds. */
const LONG = 600;

/** The command line without the options that do not matter to what is made. */
function named(path: string, options: CompareJobOptions, plugins: readonly string[]): string {
  const { grid, seeds, set, profile, from, equal, skipInvalid, smallDense, sharpness, claims } = options;
  return [
    `s2ap compare ${quoted(path)}`,
    ...plugins.map((plugin) => `--plugin ${quoted(plugin)}`),
    ...given("--profile", profile),
    ...set.map((text) => `--set ${quoted(text)}`),
    ...grid.map((text) => `--grid ${quoted(text)}`),
    `--seeds ${seeds}`,
    ...(equal === "passes" ? ["--equal passes"] : []),
    ...(smallDense ? ["--small-dense"] : []),
    ...(skipInvalid ? ["--skip-invalid"] : []),
    ...(sharpness === undefined ? [] : [sharpness === true ? "--sharpness" : `--sharpness ${quoted(sharpness)}`]),
    ...given("--claims", claims),
    ...given("--from", from),
  ].join(" ");
}

function tellPlan({ terminal }: Cli, plan: ComparePlan): void {
  const { cells, done, skipped, estimate, measured, unequal, out } = plan;
  for (const { name, reason } of skipped) terminal.err(`left out: ${name}: ${reason}`);
  const there = done.length === 0 ? "" : `, ${done.length} of them done`;
  terminal.err(`${cells.length} cells${there}, in ${out}`);
  for (const text of unequal) terminal.err(terminal.paint("yellow", `warning: ${text}`));
  if (estimate !== null) terminal.err(estimateSummary(estimate));
  if (measured) terminal.err("sharpness of the searches is not in this: it comes on top");
}

/** Whether to go on; a long comparison is asked about. */
async function agreed({ terminal }: Cli, { estimate }: ComparePlan, yes: boolean): Promise<boolean> {
  if (yes || estimate === null || estimate.seconds <= LONG) return true;
  const time = duration(estimate.seconds);
  if (terminal.confirm) return terminal.confirm(`Run it for about ${time}?`);
  throw new UsageError(`compare: expected --yes for what takes about ${time} where nobody can be asked, got none`, {
    code: "usage/yes",
  });
}

/** `s2ap compare`: a recipe in many versions at equal budgets, and whether they differ. */
export function compareCommand(cli: Cli) {
  return command(
    "compare",
    "Run versions of a recipe over several seeds and say which differ. Run it again to resume.",
    [
      "s2ap compare recipes/quickstart.yaml --grid stages.search.gradient.name=plain,s2ap --seeds 3",
      "s2ap compare my.yaml --grid stages.search.method.name=hydra,harp --grid stages.finetune.awp=on,off",
      "s2ap compare my.yaml --grid stages.search.gradient.name=plain,s2ap,sam,random --equal passes --yes",
      "s2ap compare my.yaml --set stages.search.gradient.name=s2ap --grid stages.search.gradient.gamma=0.003,0.01,0.03",
      "s2ap compare my.yaml --grid stages.search.gradient.name=plain,s2ap --sharpness --claims plain,s2ap",
      "s2ap compare my.yaml --grid stages.search.epochs=5,20 --dry-run     # what would run, and how long",
    ],
  )
    .argument("<recipe>", "YAML file; its variants go unused")
    .option("--grid <key=values>", "a choice: a key of the recipe and its values; may be repeated", collect)
    .option("--seeds <seeds>", "how many seeds, or which: 3, or 1,5,9", "3")
    .addOption(
      new Option("--equal <what>", "what all searches get: epochs of the recipe, or passes of the dearest")
        .choices(["epochs", "passes"] as const)
        .default("epochs" as const),
    )
    .option("--small-dense", "add dense networks of as many parameters as are kept, trained as long as all stages")
    .option(
      "--sharpness [options]",
      "measure the loss over scores at the start and the end of each search; options as '{images: 64}'",
    )
    .option("--claims <labels>", "say which of the S2AP paper's claims hold of two labels of a choice: plain,s2ap")
    .option("--set <path=value>", "change a value of the recipe; may be repeated", collect)
    .option("--profile <name>", "lay one of the recipe's profiles over it")
    .option("--tiny", "the same as --profile tiny")
    .option("--skip-invalid", "leave out combinations that are no good recipes")
    .option("--from <network>", "a dense network that all cells with pretraining begin with")
    .option("--out <folder>", "where results go; default runs/, the recipe's name and -compare")
    .option("--markdown <file>", "where the page goes; default grid.md in the folder of the results")
    .option("--dry-run", "run nothing: name the cells and what they would cost")
    .option("--report", "run nothing: write the page of what is there")
    .option("--yes", "do not ask before what takes longer than 10 minutes")
    .option("--max-time <duration>", "stop cleanly after 90s, 30m, 1h30m", parseDuration)
    .option(...LOG_OPTION, collect)
    .option(...JOBS_OPTION, positive)
    .option("--threads <n>", "threads of libtorch, of all processes; default one a processor", positive)
    .action(
      async (path, { plugin = [], log = [], json, jobs, threads, maxTime, tiny, report, dryRun, yes, ...rest }) => {
        const { grid = [], set = [], skipInvalid = false, smallDense = false } = rest;
        const profile = rest.profile ?? (tiny === true ? "tiny" : undefined);
        const order = { ...rest, what: "run" as const, path, grid, set, skipInvalid, smallDense, profile };
        const options: CompareJobOptions = { ...order, onlyReport: report === true, command: "" };
        const run: CompareJobOptions = { ...options, command: named(path, options, plugin) };
        const how = { threads, plugins: plugin, quiet: json === true, trackers: trackersOf(log) };
        if (report !== true) {
          const plan = await planned(cli, { ...run, what: "plan" }, how);
          tellPlan(cli, plan);
          if (dryRun === true)
            return json === true ? printJson(cli.terminal, plan) : cli.terminal.out(plan.cells.join("\n"));
          if (!(await agreed(cli, plan, yes === true))) return cli.terminal.err("nothing was run");
        }
        const together = { jobs: report === true ? 1 : jobs, maxTime };
        const result = await longJob<GridJobResult>(cli, "compare", run, { ...how, ...together });
        if (json === true) printJson(cli.terminal, result);
        else cli.terminal.out(`${result.summary}\n${result.markdown}`);
        if (result.status === "failed") cli.exitCode = 1;
      },
    );
}

interface How {
  readonly threads: number | undefined;
  readonly plugins: readonly string[];
  readonly quiet: boolean;
}

async function planned(cli: Cli, options: CompareJobOptions, { threads, plugins, quiet }: How): Promise<ComparePlan> {
  const progress = showProgress(cli.terminal);
  const onReport = quiet ? () => {} : progress.update;
  try {
    return (await cli.work("compare", options, { threads, plugins, onReport })) as ComparePlan;
  } finally {
    progress.close();
  }
}

import type { GridJobOptions, GridJobResult } from "../jobs/grid.js";
import { parseDuration } from "../signals.js";
import { LOG_OPTION, trackersOf } from "../trackers.js";
import { type Cli, collect, command, given, positive, printJson, quoted } from "./context.js";
import { JOBS_OPTION, longJob } from "./long-job.js";

/** The command line without the options that do not matter to what is made. */
function named({ path, profile, from, markdown }: Omit<GridJobOptions, "command">, plugins: readonly string[]): string {
  return [
    `s2ap grid ${quoted(path)}`,
    ...plugins.map((plugin) => `--plugin ${quoted(plugin)}`),
    ...given("--profile", profile),
    ...given("--from", from),
    ...given("--markdown", markdown),
  ].join(" ");
}

/** `s2ap grid`: many recipes that differ in a few choices, and a page that compares them. */
export function gridCommand(cli: Cli) {
  return command("grid", "Run every cell of a grid of recipes and compare them. Run it again to resume.", [
    "s2ap grid recipes/grids/hosts.yaml --tiny",
    "s2ap grid recipes/grids/hosts.yaml --from runs/quickstart/dense",
    "s2ap grid recipes/grids/hosts.yaml --jobs 4     # four cells at a time, and the threads shared",
    "s2ap grid recipes/grids/hosts.yaml --report     # the page of what is there; missing cells are named",
  ])
    .argument("<grid>", "YAML file")
    .option("--profile <name>", "lay one of the profiles of the grid or its recipe over it")
    .option("--tiny", "the same as --profile tiny")
    .option("--out <folder>", "where results go; default runs/ and the grid's name")
    .option(
      "--from <network>",
      "a dense network that all cells with pretraining begin with: a run folder or safetensors",
    )
    .option("--markdown <file>", "where the page goes; default grid.md in the folder of the results")
    .option("--report", "run nothing: write the page of what is there")
    .option("--max-time <duration>", "stop cleanly after 90s, 30m, 1h30m", parseDuration)
    .option(...LOG_OPTION, collect)
    .option(...JOBS_OPTION, positive)
    .option("--threads <n>", "threads of libtorch, of all processes; default one a processor", positive)
    .action(async (path, { plugin = [], log = [], json, jobs, threads, maxTime, tiny, report, ...rest }) => {
      const profile = rest.profile ?? (tiny === true ? "tiny" : undefined);
      const order = { ...rest, path, profile, onlyReport: report === true };
      const options: GridJobOptions = { ...order, command: named(order, plugin) };
      const result = await longJob<GridJobResult>(cli, "grid", options, {
        jobs: report === true ? 1 : jobs,
        threads,
        plugins: plugin,
        maxTime,
        quiet: json === true,
        trackers: trackersOf(log),
      });
      if (json === true) printJson(cli.terminal, result);
      else cli.terminal.out(`${result.summary}\n${result.markdown}`);
      if (result.status === "failed") cli.exitCode = 1;
    });
}

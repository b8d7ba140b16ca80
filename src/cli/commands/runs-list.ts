import type { CatalogueEntry } from "../../tracking/index.js";
import { inert } from "../../util/index.js";
import { table } from "../format.js";
import { type Cli, command, printJson } from "./context.js";

export const ROOT = ["--root <folder>", "where the runs are, at any of a few levels below; default runs"] as const;
const SORT = ["--sort <field>", "order by a field, numbers from the largest; default created"] as const;
const REBUILD = ["--rebuild", "read every run again; the catalogue file only spares that"] as const;
const FIELD_HELP = `
Fields: robust, clean, sparsity (in [0,1]), seconds, examples, seed, epoch; name, folder, state, model, data,
method, gradient, attack, eps, stage, created, tag. Operators: = != < <= > >=, and ~ for "contains".`;

interface ListOptions {
  readonly root?: string | undefined;
  readonly sort?: string | undefined;
  readonly rebuild?: true | undefined;
  readonly json?: true | undefined;
}

/** `s2ap runs list`: every run below a folder. */
export function runsListCommand(cli: Cli) {
  return command("list", "Show every run below a folder, one a line.", [
    "s2ap runs list",
    "s2ap runs list --sort robust",
    "s2ap runs list --root /data/runs --json",
  ])
    .option(...ROOT)
    .option(...SORT)
    .option(...REBUILD)
    .action((options) => listRuns(cli, "", options));
}

/** `s2ap runs find`: those that meet a condition. */
export function runsFindCommand(cli: Cli) {
  return command("find", "Show the runs that meet a condition.", [
    "s2ap runs find 'robust > 0.3 and method = hydra'",
    "s2ap runs find 'state = killed or state = stopped'",
    "s2ap runs find 'tag = paper and name ~ s2ap' --sort robust --json",
  ])
    .argument("<condition...>", "comparisons joined by and / or (and binds tighter)")
    .option(...ROOT)
    .option(...SORT)
    .option(...REBUILD)
    .addHelpText("after", FIELD_HELP)
    .action((words, options) => listRuns(cli, words.join(" "), options));
}

async function listRuns(cli: Cli, text: string, options: ListOptions): Promise<void> {
  const { root = "runs", sort = "created", rebuild = false, json } = options;
  const { catalogue, parseCondition, sortedBy } = await import("../../tracking/index.js");
  const holds = text === "" ? () => true : parseCondition(text);
  const { entries, problems } = catalogue(root, { rebuild });
  const found = sortedBy(entries.filter(holds), sort);
  for (const problem of problems) cli.terminal.err(cli.terminal.paint("yellow", inert(`warning: ${problem}`)));
  if (json === true) return printJson(cli.terminal, { root, runs: found, problems });
  if (found.length > 0) return cli.terminal.out(runsText(found));
  const none = entries.length === 0 ? `no runs below ${root}` : `none of the ${entries.length} runs below ${root}`;
  return cli.terminal.err(none);
}

const percent = (share: number | null) => (share === null ? "" : (100 * share).toFixed(1));

function where({ state, stage, epoch }: CatalogueEntry): string {
  return state === "done" || stage === null ? state : `${state}, ${stage} ${epoch}`;
}

/** A line for each run. */
export function runsText(entries: readonly CatalogueEntry[]): string {
  const head = ["run", "state", "model", "method", "gradient", "sparsity %", "clean %", "robust %", "attack", "tags"];
  const rows = entries.map((entry) => [
    ...[entry.folder, where(entry), entry.model ?? "", entry.method ?? "", entry.gradient ?? ""],
    ...[percent(entry.sparsity), percent(entry.clean), percent(entry.robust)],
    ...[`${entry.attack ?? ""}${entry.eps === null ? "" : ` ${entry.eps}`}`, entry.tags.join(" ")],
  ]);
  return table([head, ...rows.map((row) => row.map(inert))], [5, 6, 7]);
}

import { InvalidArgumentError } from "@commander-js/extra-typings";
import { normalisations } from "../../recipe/foreign/normalize.js";
import { inert } from "../../util/index.js";
import { percent, table } from "../format.js";
import type { ImportOptions, ImportResult } from "../jobs/import.js";
import { type Cli, collect, command, printJson } from "./context.js";

const names = Object.keys(normalisations).join(", ");

/** `s2ap import`: other people's checkpoints. */
export function importCommand(cli: Cli) {
  return command(
    "import",
    "Read a checkpoint of another program: check its network, rebuild its masks, write it as ours.",
    [
      "s2ap import model_best.pth.tar --keep-ratio 0.1",
      "s2ap eval runs/model_best --preset aa-standard --eps 8/255",
      "s2ap import harp.pth.tar --out imported/harp --normalize cifar10",
      "s2ap import weights.pt --arch vgg16_bn --set numClasses=100 --out vgg.safetensors",
      "s2ap import other.pt --arch resnet18 --partial",
    ],
  )
    .argument("<file>", ".pt, .pth, .pth.tar, .tar, .t7 or .safetensors; docs/checkpoints.md lists the layouts")
    .option("--arch <name>", "the network, by registry name; default found by the names and shapes of the tensors")
    .option("--set <key=value>", "an option of the network over those that the shapes tell; may be repeated", collect)
    .option("--keep-ratio <k>", "share of the weights that was kept, where a file with scores does not tell it", ratio)
    .option(
      "--normalize <what>",
      `what the network does to images in [0, 1] first: none, ${names}, or MEAN,.../STD,...; default what the file holds`,
    )
    .option("--out <path>", "folder, or file that ends in .safetensors; default runs/ and the file's name")
    .option("--partial", "take the tensors that fit; the others stay random")
    .option("--force", "overwrite what is there")
    .action(async (file, { json, plugin = [], set = [], ...rest }) => {
      const options: ImportOptions = { file, set, ...rest };
      const result = (await cli.work("import", options, { plugins: plugin })) as ImportResult;
      if (json === true) return printJson(cli.terminal, result);
      for (const warning of result.warnings.map(inert)) {
        cli.terminal.err(cli.terminal.paint("yellow", `warning: ${warning}`));
      }
      return cli.terminal.out(importText(result));
    });
}

function ratio(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !(value > 0 && value <= 1)) throw new InvalidArgumentError("Expected a share in (0, 1].");
  return value;
}

const plural = (n: number, one: string) => `${n} ${one}${n === 1 ? "" : "s"}`;

function networkLine({ model, tensors, random }: ImportResult): string {
  const { arch, normalize: _normalize, ...options } = model;
  const told = Object.entries(options).map(([key, value]) => `${key} ${String(value)}`);
  const state = random.length === 0 ? "every tensor is there and fits" : `${random.length} RANDOM`;
  return `${arch} (${told.join(", ")}); ${plural(tensors, "tensor")}, ${state}`;
}

function maskLine({ masks: { source, keepRatio, inferred }, sparsity }: ImportResult): string {
  const zeros = `${percent(sparsity)} of the prunable weights are zero`;
  if (source === "none") return `none: a dense network; ${zeros}`;
  const from = { stored: "masks in the file", scores: "its scores", rates: "its scores and rates", zeros: "its zeros" };
  const at = keepRatio === undefined ? "" : ` at keep ratio ${keepRatio}`;
  const why = inferred === undefined ? "" : ` (${inferred})`;
  return `from ${from[source]}${at}${why}; ${zeros}`;
}

const FACTS = 8;

/** What the file says of itself; its text is not ours, so it is quoted. */
function factsLines({ facts }: ImportResult): string[][] {
  const told = Object.entries(facts).slice(0, FACTS);
  if (told.length === 0) return [];
  const more = Object.keys(facts).length - told.length;
  const said = told.map(([key, value]) => `${quoted(key)} ${typeof value === "number" ? value : quoted(value)}`);
  return [["says", `${said.join(", ")}${more > 0 ? ` and ${more} more` : ""}`]];
}

/** Words as they are, all else as JSON: a file must not send commands to the terminal. */
const quoted = (text: string) => (/^[\w.-]+$/.test(text) ? text : JSON.stringify(text));

/** What was left out, each reason once with how many it is of. */
function droppedLines({ dropped }: ImportResult): string[] {
  const reasons = new Map<string, string[]>();
  for (const { name, why } of dropped) reasons.set(why, [...(reasons.get(why) ?? []), name]);
  return Array.from(reasons, ([why, names]) => {
    const [first, ...more] = names;
    return `${quoted(first as string)}${more.length > 0 ? ` and ${more.length} more` : ""}: ${why}`;
  });
}

function importText(result: ImportResult): string {
  const { file, layout, because, container, model, notes, out } = result;
  const { normalize } = model as {
    readonly normalize?: { readonly mean: readonly number[]; readonly std: readonly number[] };
  };
  const rows = [
    ["file", `${file}: ${layout} (${because}), ${container}`],
    ...factsLines(result),
    ["network", networkLine(result)],
    [
      "normalize",
      normalize === undefined ? "none: images in [0, 1] as they are" : `(x - [${normalize.mean}]) / [${normalize.std}]`,
    ],
    ["masks", maskLine(result)],
    ...notes.map((note) => ["note", note]),
    ...droppedLines(result).map((line) => ["left out", line]),
    ["written", [out.model, ...(out.masks === undefined ? [] : [out.masks])].join(", ")],
    ["next", `s2ap eval ${out.path}`],
  ];
  // Names and facts are the file's own.
  return table(rows.map((row) => row.map(inert)));
}

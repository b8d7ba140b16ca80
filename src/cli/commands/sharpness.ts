import { InvalidArgumentError, Option } from "@commander-js/extra-typings";
import type { Quantity } from "../../evaluation/index.js";
import type { SharpnessJobOptions, SharpnessJobResult } from "../jobs/sharpness.js";
import { parseDuration } from "../signals.js";
import { type Cli, command, positive, printJson, whole } from "./context.js";
import { longJob } from "./long-job.js";
import { sharpnessText } from "./sharpness-text.js";

const QUANTITIES: readonly Quantity[] = ["eigenvalues", "trace", "worst", "average", "ties", "flip"];

/** `s2ap sharpness`: the loss over scores, around chosen states of a search. */
export function sharpnessCommand(cli: Cli) {
  return options().action(async (run, { plugin = [], json, threads, maxTime, layers, ...rest }) => {
    const asked: SharpnessJobOptions = { run, ...rest, layers };
    const how = { threads, plugins: plugin, maxTime, quiet: json === true };
    const result = await longJob<SharpnessJobResult>(cli, "sharpness", asked, how);
    if (json === true) printJson(cli.terminal, result);
    else if (result.record) cli.terminal.out(`${sharpnessText(result.record)}\n${result.out}`);
  });
}

function options() {
  return command(
    "sharpness",
    "Measure the loss over scores around chosen epochs of a search. Run it again to resume.",
    [
      "s2ap sharpness runs/quickstart/hydra-s2ap",
      "s2ap sharpness runs/quickstart/hydra-s2ap --epochs all --only eigenvalues,worst --no-layers",
      "s2ap sharpness runs/my --epochs 0,5,20 --images 256 --attack '{name: pgd, steps: 20}' --out sharp.json",
    ],
  )
    .argument("<run>", "run folder whose search is finished")
    .option("--epochs <list>", "of those the run has kept, by epochs done: start,end (default), all, or 0,5,20")
    .option("--images <n>", "images, from the front of the split; default 128", positive)
    .addOption(
      new Option("--split <name>", "which images")
        .choices(["selection", "train", "test"] as const)
        .default("selection" as const),
    )
    .option("--attack <name>", "what makes the adversarial examples, once a state; default the search's own attack")
    .addOption(
      new Option("--loss <loss>", "the search's robust loss (default), or cross-entropy of the examples").choices([
        "robust",
        "crossEntropy",
      ] as const),
    )
    .option("--only <quantities>", `some of ${QUANTITIES.join(",")}; default all`, quantities)
    .option("--no-layers", "leave out each layer by itself: several times faster")
    .option("--gamma <radius>", "radius of the ball, relative to each layer's scores; default 0.01", radius)
    .option("--eigenvalues <n>", "largest eigenvalues; default 3", positive)
    .option("--lanczos-steps <n>", "products for them; default 20", positive)
    .option("--layer-steps <n>", "the same for each layer; default 10", positive)
    .option("--probes <n>", "random vectors of the trace; default 8", positive)
    .option("--ascent-steps <n>", "steps of the ascent to the ball's worst point; default 10", positive)
    .option("--directions <n>", "random directions of the average; default 8", positive)
    .option("--flip-fraction <share>", "of the kept weights, how many change sides; default 0.01", radius)
    .addOption(
      new Option("--products <way>", "products with the Hessian; default doubleBackward").choices([
        "doubleBackward",
        "finiteDifferences",
      ] as const),
    )
    .option("--displacement <norm>", "of the weights, in finite differences; default 1e-3, of float64 1e-8", radius)
    .addOption(new Option("--dtype <type>", "arithmetic; default float32").choices(["float32", "float64"] as const))
    .option("--seed <n>", "of attack noise, starts, probes and directions; default 0", whole)
    .option("--batch-size <n>", "images at a time, for less memory; default all", positive)
    .option("--out <file>", "the record; default sharpness.json in the run folder")
    .option("--max-time <duration>", "stop cleanly after 90s, 30m, 1h30m", parseDuration)
    .option("--threads <n>", "threads of libtorch; default one a processor", positive);
}

function quantities(text: string): Quantity[] {
  return text.split(",").map((part) => {
    const found = QUANTITIES.find((quantity) => quantity === part.trim());
    if (found === undefined) throw new InvalidArgumentError(`Expected some of ${QUANTITIES.join(", ")}.`);
    return found;
  });
}

function radius(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !(value >= 0 && value < Number.POSITIVE_INFINITY)) {
    throw new InvalidArgumentError("Expected a number >= 0.");
  }
  return value;
}

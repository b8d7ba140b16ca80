import { InvalidArgumentError, Option } from "@commander-js/extra-typings";
import type { Quantity, SharpnessEpoch, SharpnessRecord } from "../../evaluation/index.js";
import { count, duration, number, percent, table } from "../format.js";
import type { SharpnessJobOptions, SharpnessJobResult } from "../jobs/sharpness.js";
import { parseDuration } from "../signals.js";
import { type Cli, command, positive, printJson, whole } from "./context.js";
import { longJob } from "./long-job.js";

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
    .addOption(
      new Option("--products <way>", "products with the Hessian; default doubleBackward").choices([
        "doubleBackward",
        "finiteDifferences",
      ] as const),
    )
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

const signed = (value: number) => `${value < 0 ? "" : "+"}${value.toPrecision(3)}`;
const orDash = <T>(value: T | null | undefined, text: (value: T) => string) =>
  value === null || value === undefined ? "-" : text(value);

function row(entry: SharpnessEpoch): string[] {
  const { eigenvalues, trace, worst, average, flip } = entry;
  return [
    String(entry.epoch),
    number(entry.objectiveLoss),
    percent(entry.robustAccuracy),
    orDash(
      eigenvalues,
      ({ values, bounds }) => `${number(values[0] as number)} (${(bounds[0] as number).toPrecision(1)})`,
    ),
    orDash(trace, ({ total }) => `${number(total.value)} (${orDash(total.standardError, (e) => e.toPrecision(1))})`),
    orDash(worst, ({ total }) => signed(total.rise)),
    orDash(average, ({ total }) => signed(total.value)),
    orDash(flip, ({ total }) => signed(total.rise)),
  ];
}

/** A line an epoch, and what the columns mean. */
export function sharpnessText({ epochs, settings, run }: SharpnessRecord): string {
  const { images, split, attack, norm, eps, objective, gamma, flipFraction, dtype } = settings;
  const head = ["epoch", "loss", "robust", "top eigenvalue", "trace", "worst", "average", "flip"];
  const seconds = epochs.flatMap((entry) => Object.values(entry.seconds)).reduce((a, b) => a + b, 0);
  return [
    table([head, ...epochs.map(row)], [0, 1, 2, 3, 4, 5, 6, 7]),
    `${run}: ${objective} on ${count(images)} ${split} images under the attack ${attack}, ${norm} ${eps}, ${dtype}; ${duration(seconds)}`,
    `worst, average: rise of the loss in the ball of gamma ${gamma}; flip: with ${percent(flipFraction)} of the kept weights swapped;`,
    "in brackets: how far at most the nearest eigenvalue is, and the trace's standard error",
    ...fellBack(settings, epochs),
  ].join("\n");
}

/** Says so where products were not made as was asked for. */
function fellBack({ products }: SharpnessRecord["settings"], epochs: readonly SharpnessEpoch[]): string[] {
  const by = epochs.flatMap(({ eigenvalues, trace }) => [eigenvalues?.products, trace?.products]);
  if (products === "finiteDifferences" || !by.includes("finiteDifferences")) return [];
  return ["products by finite differences: an operator of the loss has no second derivative in libtorch"];
}

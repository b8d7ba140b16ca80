import { InvalidArgumentError, Option } from "@commander-js/extra-typings";
import type { Direction, LandscapeRecord } from "../../evaluation/index.js";
import { count, duration, number, table } from "../format.js";
import type { LandscapeJobOptions, LandscapeJobResult, Range } from "../jobs/landscape.js";
import { parseDuration } from "../signals.js";
import { type Cli, command, positive, printJson, whole } from "./context.js";
import { longJob } from "./long-job.js";

const DIRECTIONS = ["random", "s2ap", "eigen1", "eigen2", "start", "other"] as const satisfies readonly Direction[];

/** `s2ap landscape`: slices of the loss over scores. */
export function landscapeCommand(cli: Cli) {
  return options().action(async (run, { plugin = [], json, threads, maxTime, ...rest }) => {
    const asked: LandscapeJobOptions = { run, ...rest };
    const how = { threads, plugins: plugin, maxTime, quiet: json === true };
    const result = await longJob<LandscapeJobResult>(cli, "landscape", asked, how);
    if (json === true) printJson(cli.terminal, result);
    else if (result.record) cli.terminal.out(`${landscapeText(result.record)}\n${result.out}`);
  });
}

function options() {
  return command("landscape", "Slice the loss over scores, masks taken anew at every point. Run it again to resume.", [
    "s2ap landscape runs/quickstart/hydra-s2ap",
    "s2ap landscape runs/quickstart/hydra --x eigen1 --y eigen2 --points 15 --out eigen.json",
    "s2ap landscape runs/quickstart/hydra --x other --y start --other runs/quickstart/hydra-s2ap",
  ])
    .argument("<run>", "run folder whose search is finished")
    .addOption(new Option("--x <direction>", "first axis").choices(DIRECTIONS).default("s2ap" as const))
    .addOption(new Option("--y <direction>", "second axis; default none").choices(DIRECTIONS))
    .option("--x-range <low,high>", "default -0.1,0.1, relative to the scores; to start and other -0.25,1.25", range)
    .option("--y-range <low,high>", "the same of the second axis", range)
    .option("--points <n>", "along each axis, beside 0 and what is at 1; default 41, in the plane 21", positive)
    .option("--other <run>", "another search of the same weights, whose end is at 1 of the direction other")
    .option("--epoch <epoch>", "start, end, or epochs done, of those the run has kept", "end")
    .option("--images <n>", "images, from the front of the split", positive, 128)
    .addOption(
      new Option("--split <name>", "which images")
        .choices(["selection", "train", "test"] as const)
        .default("selection" as const),
    )
    .option("--attack <name>", "what makes the adversarial examples, once; default the search's own attack")
    .addOption(
      new Option("--loss <loss>", "the search's robust loss, or cross-entropy of the examples")
        .choices(["robust", "crossEntropy"] as const)
        .default("robust" as const),
    )
    .addOption(
      new Option("--dtype <type>", "arithmetic").choices(["float32", "float64"] as const).default("float32" as const),
    )
    .option("--seed <n>", "of attack noise and directions", whole, 0)
    .option("--lanczos-steps <n>", "products for an eigenvector", positive, 20)
    .option("--batch-size <n>", "images at a time, for less memory; default all", positive)
    .option("--out <file>", "the record; default landscape.json in the run folder")
    .option("--max-time <duration>", "stop cleanly after 90s, 30m, 1h30m", parseDuration)
    .option("--threads <n>", "threads of libtorch; default one a processor", positive);
}

function range(text: string): Range {
  const [low = Number.NaN, high = Number.NaN, ...more] = text.split(",").map(Number);
  if (more.length > 0 || !(low < high) || !Number.isFinite(high - low)) {
    throw new InvalidArgumentError("Expected two numbers, the smaller first, e.g. -0.1,0.1.");
  }
  return { low, high };
}

/** Losses along the first axis, or of a plane where they are least and most. */
export function landscapeText({ settings, losses, run, seconds }: LandscapeRecord): string {
  const { axes, images, split, attack, norm, eps, objective, dtype, epoch } = settings;
  const [x, y] = axes;
  const at = (b: number | undefined, a: number) =>
    b === undefined ? String(rounded(a)) : `${rounded(a)}, ${rounded(b)}`;
  const points = losses.flatMap((row, j) =>
    row.map((loss, i) => ({ at: at(y?.coordinates[j], x?.coordinates[i] ?? 0), loss: loss ?? Number.NaN })),
  );
  const sorted = points.toSorted((a, b) => a.loss - b.loss);
  const origin = points.find((each) => each.at === at(y && 0, 0));
  const rows = [
    ["at the scores", origin?.at, origin?.loss],
    ["least", sorted[0]?.at, sorted[0]?.loss],
    ["most", sorted.at(-1)?.at, sorted.at(-1)?.loss],
  ] as const;
  const names = axes.map(({ direction }) => direction).join(", ");
  return [
    table(
      [["loss", names, ""], ...rows.map(([what, where, loss]) => [what, where ?? "", number(loss ?? Number.NaN)])],
      [2],
    ),
    `${run}, epoch ${epoch}: ${objective} on ${count(images)} ${split} images under the attack ${attack}, ${norm} ${eps}, ${dtype}; ${count(points.length)} points, ${duration(seconds)}`,
  ].join("\n");
}

const rounded = (value: number) => Number(value.toPrecision(4));

// The card of an evaluation: everything that a reader needs to weigh the number, or to get it again, without the images.
import { join } from "node:path";
import type { Dataset } from "../data/index.js";
import type { Model } from "../models/index.js";
import { type Params, param } from "../nn/index.js";
import { measureSparsity, type Sparsity } from "../pruning/index.js";
import { ops, scope, toBytes } from "../torch/index.js";
import { packageVersion, sha256, wilson, writeFileAtomic } from "../util/index.js";
import type { Distances } from "./distances.js";
import type { AttackOutcome, Check, ImageRecord, Interval, Robustness } from "./robustness.js";

/** What was evaluated, on what, with what. */
export interface Provenance {
  readonly model: {
    /** Name of the file. */
    readonly file: string;
    /** SHA-256 of the file. */
    readonly weights: string;
    /** SHA-256 of which prunable weights are zero; see `maskHash`. */
    readonly mask: string;
    readonly arch: string;
    readonly parameters: number;
    readonly sparsity: Sparsity;
  };
  readonly data: { readonly name: string; readonly sha256: string; readonly classNames: readonly string[] };
  readonly versions: Readonly<Record<string, string>>;
}

/** Accuracies over the images of one class. */
export interface ClassAccuracy {
  readonly name: string;
  readonly examples: number;
  readonly cleanAccuracy: number;
  readonly robustAccuracy: number;
  readonly interval: Interval;
}

export interface Card extends Omit<Provenance, "data">, Omit<Robustness, "images"> {
  readonly format: 1;
  /** With the positions of the images in the data set, as ranges `[first, last]`. */
  readonly data: Provenance["data"] & { readonly indices: readonly (readonly [number, number])[] };
  readonly classes: readonly ClassAccuracy[];
  /** Beside the list: distances by a minimum-norm attack on images of its own, where the preset has it. */
  readonly minimumNorm?: Distances | undefined;
}

/** SHA-256 over names and zero patterns (a byte 0 or 1 a weight, row-major) of the prunable weights. */
export function maskHash(params: Params, prunable: readonly string[]): string {
  const encoder = new TextEncoder();
  const parts = prunable.flatMap((name) => [
    encoder.encode(`${name}\n`),
    scope(() => toBytes(ops.to(ops.ne(param(params, name), 0), "uint8"))),
  ]);
  return sha256(parts);
}

/** What a network is called: by its own description, where it has one. */
export function networkName({ spec }: Pick<Model, "spec">): string {
  const { arch, description } = spec as { arch: string; description?: { name?: string } };
  return description?.name ?? arch;
}

/** Measures what a card says of a network. */
export function provenance(
  model: Model,
  { name, source, classNames }: Pick<Dataset, "name" | "source" | "classNames">,
  file: { readonly name: string; readonly sha256: string; readonly versions: Readonly<Record<string, string>> },
): Provenance {
  return {
    model: {
      file: file.name,
      weights: file.sha256,
      mask: maskHash(model.params, model.prunable),
      arch: networkName(model),
      parameters: [...model.params.values()].reduce((sum, { numel }) => sum + numel, 0),
      sparsity: measureSparsity(model.params, model.prunable),
    },
    data: { name, sha256: source.sha256, classNames },
    versions: { s2ap: packageVersion(), ...file.versions },
  };
}

/** Ascending whole numbers as ranges. */
export function rangesOf(numbers: Iterable<number>): [number, number][] {
  const ranges: [number, number][] = [];
  for (const n of [...numbers].sort((a, b) => a - b)) {
    const last = ranges.at(-1);
    if (last !== undefined && n === last[1] + 1) last[1] = n;
    else ranges.push([n, n]);
  }
  return ranges;
}

/** One row for each class that has images. */
export function classAccuracies(images: readonly ImageRecord[], classNames: readonly string[]): ClassAccuracy[] {
  const labels = [...new Set(images.map(({ label }) => label))].sort((a, b) => a - b);
  return labels.map((label) => {
    const own = images.filter((image) => image.label === label);
    const robust = own.filter(({ brokenBy }) => brokenBy === null).length;
    return {
      name: classNames[label] ?? `class ${label}`,
      examples: own.length,
      cleanAccuracy: own.filter(({ clean }) => clean === label).length / own.length,
      robustAccuracy: robust / own.length,
      interval: wilson(robust, own.length),
    };
  });
}

/** The card of what an evaluation found. */
export function makeCard(
  { images, ...found }: Robustness,
  { model, data, versions }: Provenance,
  minimumNorm?: Distances,
): Card {
  return {
    format: 1,
    model,
    data: { ...data, indices: rangesOf(images.map(({ index }) => index)) },
    versions,
    ...found,
    classes: classAccuracies(images, data.classNames),
    ...(minimumNorm && { minimumNorm }),
  };
}

const percent = (share: number) => `${(100 * share).toFixed(2)} %`;
const interval = ([low, high]: Interval) => `${percent(low)} to ${percent(high)}`;

function markdownTable(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const line = (cells: readonly (string | number)[]) =>
    `| ${cells.map((cell) => String(cell).replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

function attackRow({ attack, tried, broken, robustAccuracy, alone, passes, seconds, ...a }: AttackOutcome) {
  const spent = [passes.forward, passes.backward, seconds.toFixed(1)];
  const own = alone === undefined ? [] : [percent(alone)];
  return [attack, tried, broken, percent(robustAccuracy), interval(a.interval), ...own, ...spent];
}

function attackTable(card: Card): string {
  const own = card.attacks.some(({ alone }) => alone !== undefined);
  const spent = ["forward", "backward", "seconds"];
  const head = [
    "attack",
    "tried",
    "broken",
    "robust after",
    "95 % interval",
    ...(own ? ["robust alone"] : []),
    ...spent,
  ];
  const clean = ["(clean)", card.examples, "", percent(card.cleanAccuracy), interval(card.cleanInterval)];
  const ran = card.attacks.filter(({ skipped }) => skipped !== true);
  return markdownTable(head, [[...clean, ...(own ? [""] : []), "", "", ""], ...ran.map(attackRow)]);
}

const checkLine = ({ severity, code, message }: Check) => `- ${severity} \`${code}\`: ${message}`;

/** Options as words: `steps 100, restarts 1`. */
const optionsText = (options: unknown) =>
  Object.entries((options ?? {}) as object)
    .map(([name, value]) => `${name} ${typeof value === "string" ? value : JSON.stringify(value)}`)
    .join(", ");

/** How each attack was set, and what searched. */
function howRows({ attacks, search, leave }: Card): string[][] {
  const how = attacks.flatMap(({ attack, options }) => {
    const text = optionsText(options);
    return text === "" ? [] : [[`options of ${attack}`, text]];
  });
  if (search === undefined) return how;
  return [...how, ["search", `${search}; broken images ${leave ? "leave" : "stay to the end"}`]];
}

function facts(card: Card): string {
  const { model, data } = card;
  return markdownTable(
    ["", ""],
    [
      ["network", `${model.arch}, ${model.file}`],
      ["weights, SHA-256", model.weights],
      ["zero pattern, SHA-256", model.mask],
      [
        "sparsity, measured",
        `${percent(model.sparsity.total)} of the prunable weights; ${model.parameters} parameters`,
      ],
      ["threat", `${card.norm}, eps ${card.eps}`],
      ["attacks", card.preset],
      ...howRows(card),
      ["data", `${data.name}, SHA-256 ${data.sha256}`],
      ["images", `${card.examples}: ${rangeText(data.indices)}`],
      ["seed", card.seed],
      [
        "versions",
        Object.entries(card.versions)
          .map((pair) => pair.join(" "))
          .join(", "),
      ],
      ["passes", `${card.passes.forward} forward, ${card.passes.backward} backward`],
      ["seconds", card.seconds.toFixed(1)],
    ],
  );
}

const rangeText = (ranges: Card["data"]["indices"]) =>
  ranges.map(([first, last]) => (first === last ? first : `${first} to ${last}`)).join(", ");

/** What a minimum-norm attack says, where there is one. */
function minimumNormSection({ minimumNorm: found }: Card): string[] {
  if (found === undefined) return [];
  const missed = found.distances.filter((distance) => distance === null).length;
  const rows = [
    ["attack", `${found.attack}: ${optionsText(found.options)}`],
    ...(found.trials === undefined ? [] : [["options", `the best of ${found.trials} trials`]]),
    ["images", `${found.examples}: ${rangeText(rangesOf(found.indices))}`],
    ["clean", percent(found.cleanAccuracy)],
    [`robust, distance above ${found.norm} ${found.eps}`, percent(found.robustAccuracy)],
    ["95 % interval", interval(found.interval)],
    ["median distance of those right as they are", found.medianDistance?.toPrecision(4) ?? "none found"],
    ["no misclassified point found", missed],
    ["passes", `${found.passes.forward} forward, ${found.passes.backward} backward`],
    ["seconds", found.seconds.toFixed(1)],
  ];
  return [
    "## Minimum norms",
    markdownTable(["", ""], rows),
    "Distances are in `distances.json`, the share above every radius in `curve.svg` and `curve.png`.",
  ];
}

/** The card as a page of Markdown. */
export function cardMarkdown(card: Card): string {
  const { verdict, checks, model } = card;
  const most = verdict?.early === true ? "at most " : "";
  const claim = `Robust accuracy **${most}${percent(card.robustAccuracy)}** (95 % interval ${interval(card.interval)}), clean accuracy ${percent(card.cleanAccuracy)}, over all ${card.examples} images.`;
  const early =
    verdict &&
    `${verdict.early ? "Ended early" : "Asked"}: *${verdict.question}* is ${verdict.answer}; known bound ${percent(verdict.bound)}.`;
  const classes = card.classes.map((c) => [
    c.name,
    c.examples,
    percent(c.cleanAccuracy),
    percent(c.robustAccuracy),
    interval(c.interval),
  ]);
  const layers = Object.entries(model.sparsity.layers).map(([name, share]) => [name, percent(share)]);
  return `${[
    `# ${model.arch} under ${card.preset}, ${card.norm} ${card.eps}`,
    claim,
    ...(early ? [early] : []),
    attackTable(card),
    ...minimumNormSection(card),
    "## Checks",
    checks.length === 0 ? "None was raised." : checks.map(checkLine).join("\n"),
    "## What was evaluated",
    facts(card),
    "## Classes",
    markdownTable(["class", "images", "clean", "robust", "95 % interval"], classes),
    "## Sparsity of each layer",
    markdownTable(["layer", "zeros"], layers),
  ].join("\n\n")}\n`;
}

export const cardPath = (folder: string) => join(folder, "card.json");

/** Writes `card.json` and `card.md` into a record's folder. */
export function writeCard(folder: string, card: Card): void {
  writeFileAtomic(cardPath(folder), `${JSON.stringify(card, undefined, 2)}\n`);
  writeFileAtomic(join(folder, "card.md"), cardMarkdown(card));
}

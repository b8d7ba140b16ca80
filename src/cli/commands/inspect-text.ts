// An inspection in words. Names and facts are the file's own: they are shown inertly, and cut where they are long.
import { inert } from "../../util/index.js";
import { count, percent, table } from "../format.js";
import type { InspectResult } from "../jobs/inspect.js";

const LONGEST = 80;
const SHOWN = 6;

/** A text of the file's. */
function quoted(text: string): string {
  const shown = inert(text);
  return shown.length > LONGEST ? `${shown.slice(0, LONGEST - 3)}...` : shown;
}

const plural = (n: number, one: string) => `${count(n)} ${one}${n === 1 ? "" : "s"}`;
const sides = (shape: readonly number[]) => (shape.length === 0 ? "scalar" : shape.join("x"));

function size(bytes: number): string {
  if (bytes < 1e4) return `${count(bytes)} bytes`;
  return bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

const CONTAINERS = {
  safetensors: "safetensors",
  zip: "PyTorch's zip format",
  legacy: "PyTorch's format before 1.6",
} as const;

function names(title: string, items: readonly string[]): string[][] {
  if (items.length === 0) return [];
  const more = items.length > SHOWN ? ` and ${count(items.length - SHOWN)} more` : "";
  return [["", `${title} ${items.slice(0, SHOWN).map(quoted).join(", ")}${more}`]];
}

function networkRows({ network }: InspectResult): string[][] {
  if (network === undefined) return [["network", "none that s2ap knows by name"]];
  const { arch, options, missing, unexpected, misshapen, notes } = network;
  const told = Object.entries(options)
    .filter(([, value]) => typeof value !== "object")
    .map(([key, value]) => `${key} ${String(value)}`);
  const name = quoted(told.length === 0 ? arch : `${arch} (${told.join(", ")})`);
  const how = network.from === "file" ? "as the file says" : "by names and shapes";
  if (network.fits) return [["network", `${name}, ${how}: every tensor is there and fits`], ...notes.map(note)];
  const apart = [
    ...names("missing", missing),
    ...names("unexpected", unexpected),
    ...names(
      "of another shape",
      misshapen.map((m) => `${m.name} ${sides(m.got)}, not ${sides(m.expected)}`),
    ),
  ];
  const verdict =
    network.from === "file" ? `${name}, ${how}, but it does not fit` : `none that fits; nearest is ${name}`;
  return [["network", verdict], ...apart, ...notes.map(note)];
}

const note = (text: string) => ["", inert(text)];

function normalisationText({ normalisation: { source, value, name } }: InspectResult): string {
  if (value !== undefined) return `(x - [${value.mean.join(", ")}]) / [${value.std.join(", ")}], in the file`;
  if (source === "none") return "none in the file";
  return `none in the file; networks like this mostly had one (import it with --normalize ${name})`;
}

function maskText({ masks, maskedSparsity }: InspectResult): string {
  const { source, keepRatio, inferred, needs, scores, rates } = masks;
  const held = [
    ...(scores > 0 ? [`scores of ${plural(scores, "layer")}`] : []),
    ...(rates > 0 ? [`rates of ${plural(rates, "layer")}`] : []),
    ...(masks.masks > 0 ? [`masks of ${plural(masks.masks, "layer")}`] : []),
  ].join(", ");
  if (needs !== undefined) return `${held}${held === "" ? "" : "; "}needed: ${needs}`;
  if (source === "none") return "none: a dense network";
  if (source === "zeros") return "where weights are not zero";
  const at = keepRatio === undefined ? "" : ` at keep ratio ${keepRatio}`;
  const why = inferred === undefined ? "" : ` (inferred: ${inferred})`;
  return `${held}${at}${why}; with them ${percent(maskedSparsity ?? 0)} of the prunable weights are zero`;
}

/** Each reason once, with how many it is of. */
function droppedRows({ dropped }: InspectResult): string[][] {
  const reasons = new Map<string, string[]>();
  for (const { name, why } of dropped) reasons.set(why, [...(reasons.get(why) ?? []), name]);
  return Array.from(reasons, ([why, [first = "", ...more]], i) => [
    i === 0 ? "left out" : "",
    `${quoted(first)}${more.length > 0 ? ` and ${count(more.length)} more` : ""}: ${why}`,
  ]);
}

function layerTable({ layers }: InspectResult): string {
  const isMasked = layers.some(({ kept }) => kept !== undefined);
  const rows = layers.map(({ name, shape, weights, zeros, kept }) => [
    quoted(name),
    sides(shape),
    count(weights),
    percent(zeros / Math.max(1, weights)),
    ...(isMasked ? [percent((kept ?? weights) / Math.max(1, weights))] : []),
  ]);
  const head = ["layer", "shape", "weights", "zero", ...(isMasked ? ["masks keep"] : [])];
  return table([head, ...rows], [2, 3, 4]);
}

export function inspectText(result: InspectResult): string {
  const { file, bytes, layout, because, container, prefix, facts, dtypes } = result;
  const weights = result.layers.reduce((sum, layer) => sum + layer.weights, 0);
  const said = Object.entries(facts).map(([key, value]) => `${quoted(key)} ${quoted(String(value))}`);
  const kinds = Object.entries(dtypes).map(([dtype, n]) =>
    Object.keys(dtypes).length === 1 ? dtype : `${n} ${dtype}`,
  );
  const rows = [
    ["file", `${inert(file)}, ${size(bytes)}, ${CONTAINERS[container]}`],
    ["layout", `${layout}: ${because}`],
    ...networkRows(result),
    ["normalise", normalisationText(result)],
    ["parameters", `${count(result.parameters)} in ${plural(result.tensors, "tensor")} (${kinds.join(", ")})`],
    ["sparsity", `${percent(result.sparsity)} of ${count(weights)} prunable weights are zero`],
    ["masks", maskText(result)],
    ...(said.length > 0 ? [["it says", said.join(", ")]] : []),
    ...(prefix === "" ? [] : [["names", `without the prefix ${inert(prefix)}`]]),
    ...droppedRows(result),
    ...result.warnings.map((text) => ["warning", inert(text)]),
  ];
  return result.layers.length === 0 ? table(rows) : `${table(rows)}\n\n${layerTable(result)}`;
}

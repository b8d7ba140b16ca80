// What a comparison of masks and networks looks like on a terminal.
import type { Churn, MaskStability, Overlap, SeriesPoint, WithInterval } from "../../evaluation/index.js";
import { evenly } from "../../util/index.js";
import { count, percent, table } from "../format.js";
import type { StabilityPair, StabilityResult } from "../jobs/stability.js";
import type { EpochMasks } from "../jobs/stability-runs.js";

const NONE = "-";

/** `0.0123`, without an exponent: these are shares and cosines. */
const share = (value: number | null) => (value === null ? NONE : value.toFixed(4));
const short = (value: number | null | undefined) => (typeof value === "number" ? value.toFixed(3) : NONE);
const gap = (value: number | undefined) => (value === undefined ? NONE : value.toExponential(1));

function estimate(found: WithInterval | null | undefined): string {
  if (!found) return NONE;
  const [low, high] = found.interval;
  return `${short(found.value)} (${short(low)} to ${short(high)})`;
}

const nameOf = ({ a, b }: StabilityPair) => `${a}, ${b}`;

/** Distance by chance in the unit of `perKept`, for masks of the same size. */
function chance({ byChance, kept }: Overlap): string {
  return kept.a === 0 ? NONE : share(byChance / (2 * kept.a));
}

const MASK_HEAD = ["kept A", "kept B", "distance h", "h/2k", "by chance", "Jaccard"];
const maskCells = (of: Overlap) => [
  ...[percent(of.kept.a), percent(of.kept.b), share(of.hamming), share(of.perKept)],
  ...[chance(of), share(of.jaccard)],
];

function masksText(pairs: readonly StabilityPair[]): string {
  const rows = pairs.map((pair) => [
    nameOf(pair),
    ...(pair.masks ? maskCells(pair.masks.total) : MASK_HEAD.map(() => NONE)),
  ]);
  return table([["masks", ...MASK_HEAD], ...rows], [1, 2, 3, 4, 5, 6]);
}

function layersText({ layers }: MaskStability): string {
  const rows = Object.entries(layers).map(([name, of]) => [name, count(of.weights), ...maskCells(of)]);
  return table([["layer", "weights", ...MASK_HEAD], ...rows], [1, 2, 3, 4, 5, 6, 7]);
}

function functionalText(pairs: readonly StabilityPair[], { data, examples, attack, norm, eps }: On): string {
  const head = ["networks", "same class", "Jaccard of robust sets", "cosine of gradients"];
  const rows = pairs.map((pair) => [
    nameOf(pair),
    estimate(pair.functional?.agreement),
    estimate(pair.functional?.robustSets?.jaccard),
    estimate(pair.functional?.gradientCosine),
  ]);
  const features = pairs.flatMap((pair) =>
    Object.entries(pair.functional?.features ?? {}).map(([layer, { cka, debiased }]) => [
      ...[nameOf(pair), layer, short(debiased), short(cka)],
    ]),
  );
  return [
    `on ${count(examples)} test images of ${data}, ${attack} at ${norm} ${eps}, with 95 % intervals:`,
    table([head, ...rows]),
    "",
    table([["features", "layer", "CKA, unbiased", "as published"], ...features], [2, 3]),
  ].join("\n");
}
type On = NonNullable<StabilityResult["on"]>;

function seriesText(name: string, series: readonly SeriesPoint[]): string {
  if (series.length === 0) return `${name}: no search epoch with a mask distance`;
  const head = ["epoch", "kept", "distance h", "h/2k", "changes so far", "swapped by z", "least gap", "median gap"];
  const rows = series.map(({ epoch, kept, hamming, perKept, changes, swapFraction, scoreGap }) => [
    ...[String(epoch + 1), kept === null ? NONE : percent(kept), share(hamming), share(perKept), share(changes)],
    ...[share(swapFraction), gap(scoreGap?.least), gap(scoreGap?.median)],
  ]);
  return `${name}: masks by search epoch, each to the one before\n${table([head, ...rows], [0, 1, 2, 3, 4, 5, 6, 7])}`;
}

/** Layers as the last epoch left them, of which the log tells. */
function lastEpochText(series: readonly SeriesPoint[]): string[] {
  const layers = Object.entries(series.at(-1)?.layers ?? {});
  if (layers.length === 0) return [];
  const rows = layers.map(([name, { kept, hamming, scoreGap }]) => [
    ...[name, kept === null ? NONE : percent(kept), share(hamming), gap(scoreGap ?? undefined)],
  ]);
  return [table([["layer in the last epoch", "kept", "distance h", "gap"], ...rows], [1, 2, 3])];
}

const CHURN_HEAD = ["never", "once", "twice", "more", "at most", "changes", "start to end"];

function churnCells({ times, changes, displaced }: Churn): string[] {
  const [never = 0, once = 0, twice = 0, ...more] = times;
  const rest = more.reduce((sum, each) => sum + each, 0);
  const found = [never, once, twice, rest].map((each) => `${(100 * each).toFixed(2)} %`);
  return [...found, String(times.length - 1), share(changes), share(displaced)];
}

function churnText(name: string, { epochs, total, layers }: EpochMasks): string {
  const all = [["all layers", total] as const, ...Object.entries(layers)];
  const rows = all.map(([layer, of]) => [layer, count(of.weights), ...churnCells(of)]);
  const masks = `${epochs.length} masks, after ${listed(epochs)} epochs`;
  return [
    `${name}: how often weights changed sides, over ${masks}`,
    table([["layer", "weights", ...CHURN_HEAD], ...rows], [1, 2, 3, 4, 5, 6, 7, 8]),
  ].join("\n");
}

/** `0, 1, ..., 20`. */
const listed = (epochs: readonly number[]) =>
  (epochs.length > 4 ? [...epochs.slice(0, 2), "...", ...epochs.slice(-1)] : epochs).join(", ");

const MOST_COLUMNS = 11;

function matrixText({ epochs, jaccard }: EpochMasks): string {
  const shown = evenly(epochs.length, MOST_COLUMNS);
  const rows = shown.map((a) => [String(epochs[a]), ...shown.map((b) => short(jaccard[a]?.[b]))]);
  const head = ["Jaccard after epochs", ...shown.map((i) => String(epochs[i]))];
  return table(
    [head, ...rows],
    shown.map((_, i) => i + 1),
  );
}

function epochsText({ name, series, masks }: Told): string[] {
  if (masks !== null) return [churnText(name, masks), matrixText(masks)];
  if (series.length === 0) return [];
  return [
    `${name}: its folder has no masks of its epochs (keepMasks), so how often each weight changed sides is not known`,
  ];
}
type Told = StabilityResult["runs"][number];

export function stabilityText({ runs, pairs, on }: StabilityResult): string {
  const [pair, ...more] = pairs;
  const layers = pair?.masks && more.length === 0 ? [layersText(pair.masks)] : [];
  const compared = pairs.length > 0 ? [masksText(pairs), ...layers] : [];
  const functional = on === null ? [] : [functionalText(pairs, on)];
  // Several runs' series are in the JSON document; the tables of pairs are what one asks for then.
  const told = runs.length > 2 ? [] : runs;
  const series = told.flatMap((run) => [
    seriesText(run.name, run.series),
    ...(runs.length === 1 ? lastEpochText(run.series) : []),
    ...epochsText(run),
  ]);
  return [...compared, ...functional, ...series].join("\n\n");
}

// What a comparison of masks and networks looks like on a terminal.
import type { MaskStability, Overlap, SeriesPoint, WithInterval } from "../../evaluation/index.js";
import { count, percent, table } from "../format.js";
import type { StabilityPair, StabilityResult } from "../jobs/stability.js";

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

export function stabilityText({ runs, pairs, on }: StabilityResult): string {
  const [pair, ...more] = pairs;
  const layers = pair?.masks && more.length === 0 ? [layersText(pair.masks)] : [];
  const compared = pairs.length > 0 ? [masksText(pairs), ...layers] : [];
  const functional = on === null ? [] : [functionalText(pairs, on)];
  // Several runs' series are in the JSON document; the tables of pairs are what one asks for then.
  const series = runs.length > 2 ? [] : runs.map(({ name, series: points }) => seriesText(name, points));
  return [...compared, ...functional, ...series].join("\n\n");
}

// Keep rates that a search with learned rates starts from, by weight name.
import { readFileSync } from "node:fs";
import { z } from "zod";
import { type Params, param } from "../nn/index.js";
import { DataError, expected, UsageError } from "../util/index.js";
import { givenRatios } from "./budgets.js";

export type Rates = ReadonlyMap<string, number>;

/** Share of all weights that these rates keep, before counts are rounded. */
export function density(rates: Rates, weights: Params): number {
  let kept = 0;
  let all = 0;
  for (const [name, rate] of rates) {
    const { numel } = param(weights, name);
    kept += rate * numel;
    all += numel;
  }
  return kept / all;
}

/** The block of a layer on a shortcut, and the layers of a block: `layer2.0.` of `layer2.0.shortcut.0.weight`. */
const SHORTCUT = /^(.*?)(?:shortcut|convShortcut|downsample)(?:\.|$)/;

/** What stands before the shortcut in its name, where a layer is on one. */
export function shortcutBlock(name: string): string | undefined {
  return SHORTCUT.exec(name)?.[1];
}

/** The names with each shortcut before the other layers of its block: the order of some published lists. */
export function shortcutsFirst(names: readonly string[]): string[] {
  const ordered = [...names];
  for (const name of names) {
    const block = shortcutBlock(name);
    if (block === undefined) continue;
    ordered.splice(ordered.indexOf(name), 1);
    const first = ordered.findIndex((other) => other.startsWith(block));
    ordered.splice(first < 0 ? ordered.length : first, 0, name);
  }
  return ordered;
}

export const importedRates = z.union([z.record(z.string(), z.number().gt(0).max(1)), z.array(z.number().gt(0).max(1))]);
export type ImportedRates = z.output<typeof importedRates>;

/** The rates of a JSON file: `{ "layer name": rate }`, or a list in the order of the network. */
export function readRates(file: string): ImportedRates {
  try {
    return importedRates.parse(JSON.parse(readFileSync(file, "utf8")));
  } catch (cause) {
    throw new DataError(expected("harp", "ratesFile to name a JSON file of rates in (0, 1] by layer", file), { cause });
  }
}

/** Relative: lists are written with few digits. */
const CLOSE = 0.02;

export interface ImportOptions {
  /** Density that the rates must imply, within 2 %. */
  readonly keepRatio: number;
  /** Smallest rate that can be learned. */
  readonly floor: number;
}

/**
 * Imported rates by weight name, for weights in the order of the network. Of a list without names the order is not
 * known, shortcuts behind their blocks or before: it is the one that implies the density asked for.
 */
export function checkedRates(given: ImportedRates, weights: Params, { keepRatio, floor }: ImportOptions): Rates {
  const names = [...weights.keys()];
  const inOrder = (order: readonly string[], list: readonly number[]): Rates => {
    const of = new Map(order.map((name, i) => [name, list[i] as number]));
    return new Map(names.map((name) => [name, of.get(name) as number]));
  };
  if (Array.isArray(given) && given.length !== names.length) {
    throw new UsageError(expected("harp", `${names.length} rates, one for each prunable layer`, given.length));
  }
  const readings = Array.isArray(given)
    ? [inOrder(names, given), inOrder(shortcutsFirst(names), given)]
    : [givenRatios("harp", weights, given as Record<string, number>)];
  const off = (rates: Rates) => Math.abs(density(rates, weights) / keepRatio - 1);
  const best = readings.reduce((a, b) => (off(b) < off(a) ? b : a));
  if (off(best) > CLOSE) {
    const seen = readings.map((rates) => Number(density(rates, weights).toPrecision(4))).join(" or ");
    throw new UsageError(expected("harp", `rates that keep ${keepRatio} of the weights (initialKeepRatio)`, seen));
  }
  const low = [...best].find(([, rate]) => rate <= floor);
  if (low)
    throw new UsageError(expected("harp", `rates above ${floor} (alpha times keepRatio)`, `${low[1]} of ${low[0]}`));
  return best;
}

// Masks as tensors, compared as overlap.ts defines it.
import { type Masks, packMasks } from "../../pruning/index.js";
import { churnOf, type MaskSeries, type MaskStability, overlaps } from "./overlap.js";

/** Compares two masks of one network, layer by layer and in total. DataError where they are of different networks. */
export const maskStability = (a: Masks, b: Masks): MaskStability => overlaps(packMasks(a), packMasks(b));

/** Churn of a network's masks over time, in order. */
export const maskSeries = (series: readonly Masks[]): MaskSeries => churnOf(series.map(packMasks));

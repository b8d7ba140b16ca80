import { expected, UsageError } from "../util/index.js";

/**
 * How many of n weights a keep ratio k keeps: n - trunc((1 - k) n) in double arithmetic, the references' rounding
 * (HYDRA models/layers; k = 0.01 of 432 keeps 5).
 */
export function keptCount(n: number, keepRatio: number): number {
  if (!(keepRatio > 0 && keepRatio <= 1)) throw new UsageError(expected("keptCount", "keepRatio in (0, 1]", keepRatio));
  return n - Math.trunc((1 - keepRatio) * n);
}

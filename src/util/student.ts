// The 95 % interval of a mean from a few values (Student, Biometrika 6, 1908): mean -+ t s / sqrt(n), t the 97.5 % quantile of
// Student's distribution with n - 1 degrees of freedom; beyond 30 the first term of Cornish and Fisher's expansion is exact
// to three digits: t = z + (z^3 + z) / (4 (n - 1)).

/** The quantiles for 1 to 30 degrees of freedom. */
const QUANTILES: readonly number[] = [
  12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145, 2.131, 2.12, 2.11,
  2.101, 2.093, 2.086, 2.08, 2.074, 2.069, 2.064, 2.06, 2.056, 2.052, 2.048, 2.045, 2.042,
];
const Z = 1.959964;

export interface MeanInterval {
  readonly mean: number;
  /** Undefined for a single value, which tells nothing of its spread. */
  readonly interval: readonly [low: number, high: number] | undefined;
}

export function meanInterval(values: readonly number[]): MeanInterval {
  const n = values.length;
  const mean = values.reduce((a, b) => a + b, 0) / n;
  if (n < 2) return { mean, interval: undefined };
  const spread = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (n - 1));
  const t = QUANTILES[n - 2] ?? Z + (Z ** 3 + Z) / (4 * (n - 1));
  const half = (t * spread) / Math.sqrt(n);
  return { mean, interval: [mean - half, mean + half] };
}

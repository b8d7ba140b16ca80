import { UsageError } from "./errors.js";

/** The normal distribution's 97.5 % point. */
const Z = 1.959963984540054;

/**
 * 95 % Wilson score interval of a share of `successes` in `n` trials: with p = successes / n,
 * (p + z²/2n ± z·sqrt(p(1 − p)/n + z²/4n²)) / (1 + z²/n).
 * It stays inside [0, 1]; nothing tried says nothing, so `n = 0` gives [0, 1].
 * E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927).
 */
export function wilson(successes: number, n: number): [lo: number, hi: number] {
  if (!(Number.isInteger(n) && n >= 0 && Number.isInteger(successes) && successes >= 0 && successes <= n)) {
    throw new UsageError(`wilson: expected whole numbers with 0 <= successes <= n, got ${successes} of ${n}`);
  }
  if (n === 0) return [0, 1];
  const p = successes / n;
  const centre = p + (Z * Z) / (2 * n);
  const spread = Z * Math.sqrt((p * (1 - p)) / n + (Z * Z) / (4 * n * n));
  const scale = 1 + (Z * Z) / n;
  // The ends are exact: rounding must not leave 1e-17 where nothing succeeded.
  return [successes === 0 ? 0 : (centre - spread) / scale, successes === n ? 1 : (centre + spread) / scale];
}

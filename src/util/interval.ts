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

/** Of n trials of two, how many succeeded in both, in one alone, in neither. */
export interface Paired {
  readonly both: number;
  readonly onlyA: number;
  readonly onlyB: number;
  readonly neither: number;
}

/** Correlation of the two outcomes, drawn towards 0 where it is positive; 0 where one of them never varies. */
function phi({ both, onlyA, onlyB, neither }: Paired): number {
  const n = both + onlyA + onlyB + neither;
  const margins = (both + onlyA) * (onlyB + neither) * (both + onlyB) * (onlyA + neither);
  if (margins === 0) return 0;
  const product = both * neither - onlyA * onlyB;
  const corrected = product > 0 ? Math.max(product - n / 2, 0) : product;
  return corrected / Math.sqrt(margins);
}

/**
 * 95 % score interval of the difference pB - pA of two shares of the same trials. With [lA, uA] and [lB, uB] Wilson's
 * intervals of each and phi the correlation above, the ends are
 *   pB - pA - sqrt((pB - lB)² - 2 phi (pB - lB)(uA - pA) + (uA - pA)²)
 *   pB - pA + sqrt((uB - pB)² - 2 phi (uB - pB)(pA - lA) + (pA - lA)²)
 * R. G. Newcombe, "Improved confidence intervals for the difference between binomial proportions based on paired data",
 * Statistics in Medicine 17 (1998), method 10. No trials say nothing: [-1, 1].
 */
export function newcombe(pairs: Paired): [lo: number, hi: number] {
  const { both, onlyA, onlyB, neither } = pairs;
  const n = both + onlyA + onlyB + neither;
  if (n === 0) return [-1, 1];
  const [pA, pB] = [(both + onlyA) / n, (both + onlyB) / n];
  const [lA, uA] = wilson(both + onlyA, n);
  const [lB, uB] = wilson(both + onlyB, n);
  const correlation = phi(pairs);
  const reach = (x: number, y: number) => Math.sqrt(Math.max(0, x * x - 2 * correlation * x * y + y * y));
  const difference = (onlyB - onlyA) / n;
  return [difference - reach(pB - lB, uA - pA), difference + reach(uB - pB, pA - lA)];
}

// Numbers of scipy 1.10, made by data/statistics/make.py.
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { mcnemar, mcnemarExact } from "../../src/evaluation/index.js";
import { bootstrapIntervals } from "../../src/util/bootstrap.js";
import { bootstrapMean, newcombe, normalCdf, normalQuantile, rng, wilson } from "../../src/util/index.js";

type Ends = readonly [number, number];
interface Intervals {
  readonly percentile: Ends;
  readonly BCa: Ends;
  readonly standardError: number;
}
interface Cases {
  readonly normal: readonly { readonly z: number; readonly cdf: number }[];
  readonly quantiles: readonly { readonly p: number; readonly z: number }[];
  readonly wilson: readonly { readonly successes: number; readonly n: number; readonly interval: Ends }[];
  readonly mcnemar: readonly {
    readonly onlyA: number;
    readonly onlyB: number;
    readonly exact: number;
    readonly midP: number;
    readonly statistic: number;
    readonly chiSquare: number;
  }[];
  readonly newcombe: readonly (Parameters<typeof newcombe>[0] & { readonly interval: Ends })[];
  readonly bootstrap: readonly {
    readonly values: readonly number[];
    readonly few: Intervals & { readonly means: readonly number[] };
    readonly many: Intervals;
  }[];
}

const path = new URL("data/statistics/cases.json", import.meta.url);
const cases = JSON.parse(readFileSync(path, "utf8")) as Cases;

/** Relative to the expected number, absolute near zero. */
function near(got: number, wanted: number, tolerance: number): void {
  expect(Math.abs(got - wanted) / Math.max(1e-3, Math.abs(wanted))).toBeLessThan(tolerance);
}

function nearEnds(got: Ends, wanted: Ends, tolerance: number): void {
  near(got[0], wanted[0], tolerance);
  near(got[1], wanted[1], tolerance);
}

describe("as scipy has it", () => {
  test.each(cases.normal)("the normal distribution at $z", ({ z, cdf }) => {
    expect(normalCdf(z) / cdf).toBeCloseTo(1, 10);
  });

  test.each(cases.quantiles)("its quantile at $p", ({ p, z }) => {
    near(normalQuantile(p), z, 1e-11);
  });

  test.each(cases.wilson)("Wilson's interval of $successes in $n", ({ successes, n, interval }) => {
    nearEnds(wilson(successes, n), interval, 1e-12);
  });

  test.each(cases.mcnemar)("McNemar's test of $onlyA and $onlyB", ({ onlyA, onlyB, exact, midP, ...chi }) => {
    const found = mcnemarExact(onlyA, onlyB);
    expect(found.p / exact).toBeCloseTo(1, 10);
    expect(found.midP / midP).toBeCloseTo(1, 10);
    const usual = mcnemar(onlyA, onlyB);
    expect(usual.p / (usual.method === "exact" ? exact : chi.chiSquare)).toBeCloseTo(1, 10);
    if (usual.statistic !== null) near(usual.statistic, chi.statistic, 1e-12);
  });

  test.each(cases.newcombe)("Newcombe's interval of $both, $onlyA, $onlyB, $neither", ({ interval, ...pairs }) => {
    nearEnds(newcombe(pairs), interval, 1e-10);
  });

  test.each(cases.bootstrap)("bootstrap intervals from the same resamples", ({ values, few }) => {
    const mean = (all: readonly number[]) => all.reduce((a, b) => a + b, 0) / all.length;
    const without = Float64Array.from(values, (_, i) => mean(values.filter((_value, j) => j !== i)));
    const found = bootstrapIntervals(mean(values), Float64Array.from(few.means), without);
    nearEnds(found.percentile, few.percentile, 1e-12);
    nearEnds(found.bca, few.BCa, 1e-9);
    near(found.standardError, few.standardError, 1e-12);
  });

  test.each(cases.bootstrap)("bootstrap intervals from resamples of our own", ({ values, many }) => {
    const found = bootstrapMean(values, { rng: rng(3, "golden"), resamples: 40_000 });
    // The Monte Carlo error of an end is about 1.5 % of the standard error on either side.
    const allowed = 0.1 * many.standardError;
    for (const [got, wanted] of [
      [found.percentile, many.percentile],
      [found.bca, many.BCa],
    ] as const) {
      expect(Math.abs(got[0] - wanted[0])).toBeLessThan(allowed);
      expect(Math.abs(got[1] - wanted[1])).toBeLessThan(allowed);
    }
    expect(found.standardError / many.standardError).toBeCloseTo(1, 1);
  });
});

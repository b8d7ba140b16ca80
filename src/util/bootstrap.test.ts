import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { bootstrap, bootstrapDifference, bootstrapMean, sharedResamples } from "./bootstrap.js";
import { draws, rng } from "./rng.js";

const key = rng(5, "bootstrap");

describe("bootstrap", () => {
  test("is a function of its key", () => {
    const values = [3, 1, 4, 1, 5, 9, 2, 6];
    const once = bootstrapMean(values, { rng: key, resamples: 200 });
    expect(bootstrapMean(values, { rng: key, resamples: 200 })).toEqual(once);
    expect(bootstrapMean(values, { rng: key.at("other"), resamples: 200 })).not.toEqual(once);
  });

  test("has the standard error of a mean", () => {
    const values = Array.from({ length: 400 }, (_, i) => Math.sin(i * i));
    const mean = values.reduce((a, b) => a + b, 0) / values.length;
    const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
    const { standardError, percentile, estimate } = bootstrapMean(values, { rng: key, resamples: 4000 });
    expect(estimate).toBeCloseTo(mean, 12);
    expect(standardError / Math.sqrt(variance / values.length)).toBeCloseTo(1, 1);
    const normal = 1.96 * standardError;
    expect(percentile[0]).toBeCloseTo(mean - normal, 2);
    expect(percentile[1]).toBeCloseTo(mean + normal, 2);
  });

  test("hands the statistic each image once, then resamples, then all but one", () => {
    const seen: string[] = [];
    const statistic = (images: Int32Array) => {
      seen.push([...images].sort().join(" "));
      return images.length;
    };
    bootstrap(4, statistic, { rng: key, resamples: 3 });
    expect(seen.slice(3, 7).sort()).toEqual(["0 1 2", "0 1 3", "0 2 3", "1 2 3"]);
    expect(seen[7]).toBe("0 1 2 3");
  });

  test("says nothing of what never varies, nor of one image", () => {
    const constant = bootstrapMean([2, 2, 2], { rng: key, resamples: 50 });
    expect(constant).toEqual({ estimate: 2, percentile: [2, 2], bca: [2, 2], standardError: 0, resamples: 50 });
    expect(bootstrapMean([7], { rng: key, resamples: 50 }).bca).toEqual([7, 7]);
  });

  test("falls back to percentiles where no resample is below the estimate", () => {
    // Ten images in their own order are all of them, or a resample of one chance in 10^10.
    const whole = "0,1,2,3,4,5,6,7,8,9";
    const statistic = (images: Int32Array) => (images.join() === whole ? -1 : (images[0] ?? 0));
    const { estimate, percentile, bca } = bootstrap(10, statistic, { rng: key, resamples: 50 });
    expect(estimate).toBe(-1);
    expect(percentile[0]).toBeGreaterThanOrEqual(0);
    expect(bca).toEqual(percentile);
  });

  test("of a difference is that of the paired differences, and turns with the two", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.boolean(), fc.boolean()), { minLength: 2, maxLength: 30 }), (pairs) => {
        const [a, b] = [pairs.map(([x]) => Number(x)), pairs.map(([, y]) => Number(y))];
        const options = { rng: key, resamples: 99 };
        const forth = bootstrapDifference(a, b, options);
        const back = bootstrapDifference(b, a, options);
        expect(forth.estimate).toBeCloseTo(-back.estimate, 12);
        expect(forth.percentile[0]).toBeCloseTo(-back.percentile[1], 12);
        expect(forth.bca[0]).toBeCloseTo(-back.bca[1], 9);
        expect(forth.percentile[0]).toBeLessThanOrEqual(forth.percentile[1]);
      }),
      { numRuns: 50 },
    );
  });

  test("refuses what is no pairing and no images", () => {
    expect(() => bootstrapDifference([1], [1, 2], { rng: key })).toThrow(
      'bootstrap: expected two lists of the same images, got "1 and 2 values"',
    );
    expect(() => bootstrapMean([], { rng: key })).toThrow("bootstrap: expected at least one image, got 0");
    expect(() => bootstrapMean([1], { rng: key, resamples: 0 })).toThrow(/resamples, a whole number >= 1, got 0/);
  });
});

describe("shared resamples", () => {
  test("give whole numbers the bits of the bootstrap that draws for each", () => {
    const options = { rng: key, resamples: 99 };
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.integer({ min: -3, max: 3 }), fc.boolean()), { minLength: 1 }), (rows) => {
        const of = sharedResamples(rows.length, options);
        for (const values of [rows.map(([x]) => x), rows.map(([, y]) => Number(y))]) {
          expect(of(values)).toEqual(bootstrapMean(values, options));
        }
      }),
      { numRuns: 50 },
    );
  });

  test("refuse other images", () => {
    const of = sharedResamples(3, { rng: key, resamples: 5 });
    expect(() => of([1, 2])).toThrow("bootstrap: expected values of the same 3 images");
    expect(() => sharedResamples(0, { rng: key })).toThrow("bootstrap: expected at least one image, got 0");
  });
});

test("draws are uniform and keyed", () => {
  const draw = draws(rng(1, "draws"), 5);
  const counts = [0, 0, 0, 0, 0];
  for (let i = 0; i < 50_000; i++) {
    const drawn = draw();
    counts[drawn] = (counts[drawn] ?? 0) + 1;
  }
  expect(counts.reduce((a, b) => a + b, 0)).toBe(50_000);
  for (const count of counts) expect(Math.abs(count - 10_000)).toBeLessThan(450);
  expect(() => draws(rng(1), 0)).toThrow("draws: expected a whole number >= 1, got 0");
});

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { newcombe, wilson } from "./interval.js";

describe("wilson", () => {
  test("gives the published values", () => {
    // Newcombe, Statistics in Medicine 17 (1998), table I, method 3.
    const published: [number, number, number, number][] = [
      [81, 263, 0.2553, 0.3662],
      [15, 148, 0.0624, 0.1605],
      [0, 20, 0, 0.1611],
      [1, 29, 0.0061, 0.1718],
    ];
    for (const [successes, n, lo, hi] of published) {
      const interval = wilson(successes, n);
      expect(interval[0]).toBeCloseTo(lo, 4);
      expect(interval[1]).toBeCloseTo(hi, 4);
    }
  });

  test("is exact at both ends and knows nothing from nothing", () => {
    expect(wilson(0, 1000)[0]).toBe(0);
    expect(wilson(1000, 1000)[1]).toBe(1);
    expect(wilson(0, 0)).toEqual([0, 1]);
  });

  test("holds the share, stays in [0, 1] and is symmetric", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1e6 }), fc.double({ min: 0, max: 1, noNaN: true }), (n, share) => {
        const successes = Math.floor(share * n);
        const [lo, hi] = wilson(successes, n);
        const [lo2, hi2] = wilson(n - successes, n);
        expect(lo).toBeGreaterThanOrEqual(0);
        expect(hi).toBeLessThanOrEqual(1);
        expect(lo).toBeLessThanOrEqual(successes / n);
        expect(hi).toBeGreaterThanOrEqual(successes / n);
        expect(1 - lo2).toBeCloseTo(hi, 12);
        expect(1 - hi2).toBeCloseTo(lo, 12);
      }),
    );
  });

  test.each([
    [3, 2],
    [-1, 2],
    [0.5, 2],
    [Number.NaN, 2],
    [0, -1],
  ])("refuses %d of %d", (successes, n) => {
    expect(() => wilson(successes, n)).toThrow(/wilson: expected whole numbers/);
  });
});

describe("newcombe", () => {
  const counts = fc.record({
    both: fc.nat(200),
    onlyA: fc.nat(200),
    onlyB: fc.nat(200),
    neither: fc.nat(200),
  });

  test("holds the difference, stays in [-1, 1] and turns with the two", () => {
    fc.assert(
      fc.property(counts, ({ both, onlyA, onlyB, neither }) => {
        const n = both + onlyA + onlyB + neither;
        fc.pre(n > 0);
        const [lo, hi] = newcombe({ both, onlyA, onlyB, neither });
        const [lo2, hi2] = newcombe({ both, onlyA: onlyB, onlyB: onlyA, neither });
        expect(lo).toBeGreaterThanOrEqual(-1);
        expect(hi).toBeLessThanOrEqual(1);
        expect(lo).toBeLessThanOrEqual((onlyB - onlyA) / n);
        expect(hi).toBeGreaterThanOrEqual((onlyB - onlyA) / n);
        expect(-lo2).toBeCloseTo(hi, 12);
        expect(-hi2).toBeCloseTo(lo, 12);
      }),
    );
  });

  test("knows nothing from nothing", () => {
    expect(newcombe({ both: 0, onlyA: 0, onlyB: 0, neither: 0 })).toEqual([-1, 1]);
  });
});

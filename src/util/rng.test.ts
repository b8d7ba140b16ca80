import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { rng, UsageError } from "./index.js";

describe("rng", () => {
  test("is a function of its key", () => {
    const a = rng(1234, "search", 3, "batch");
    expect(a.key).toBe(rng(1234, "search", 3, "batch").key);
    expect(a.key).toBe(rng(1234).at("search").at(3, "batch").key);
    expect(a.permutation(50)).toEqual(a.permutation(50));
    expect(a.uniform()).toBe(a.uniform());
  });

  test("keeps its values from one release to the next", () => {
    // Frozen (the key also computed apart, from the definitions of FNV-1a and splitmix64): a change here would silently change every published run.
    expect(rng(1234, "search", 3).key).toBe(0xb2d5ee3aa4bb9f47n);
    expect([...rng(1234, "search", 3).permutation(8)]).toEqual([2, 6, 3, 0, 5, 4, 1, 7]);
  });

  test("tells parts apart by type and by where they end", () => {
    const keys = [
      rng(1, "a", "b"),
      rng(1, "ab"),
      rng(1, "ab", ""),
      rng(1, "", "ab"),
      rng(1, 1),
      rng(1, "1"),
      rng(1),
      rng(2),
      rng(1, 0.5),
      rng(1, -1),
    ].map((r) => r.key);
    expect(new Set(keys).size).toBe(keys.length);
    expect(rng(1, -0).key).toBe(rng(1, 0).key);
  });

  test("keys are 64 bits and draws lie in [0, 1)", () => {
    fc.assert(
      fc.property(fc.integer(), fc.string(), fc.double({ noNaN: true, noDefaultInfinity: true }), (seed, s, d) => {
        const r = rng(seed, s, d);
        return r.key >= 0n && r.key < 2n ** 64n && r.uniform() >= 0 && r.uniform() < 1;
      }),
    );
    expect(() => rng(1, Number.NaN)).toThrow(UsageError);
  });

  test("draws of neighbouring keys are uniform", () => {
    const n = 20_000;
    const bins = new Array<number>(10).fill(0);
    for (let i = 0; i < n; i++) {
      const bin = Math.floor(rng(7, "draw", i).uniform() * 10);
      bins[bin] = (bins[bin] ?? 0) + 1;
    }
    const chi2 = bins.reduce((sum, count) => sum + (count - n / 10) ** 2 / (n / 10), 0);
    expect(chi2).toBeLessThan(27.9); // 9 degrees of freedom, p = 0.001
  });

  test("permutations hold every number once, and every place gets every number", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 300 }), fc.integer(), (n, seed) => {
        const order = rng(seed, "order").permutation(n);
        return order.length === n && [...order].sort((a, b) => a - b).every((value, i) => value === i);
      }),
    );
    const first = new Array<number>(5).fill(0);
    for (let i = 0; i < 5000; i++) {
      const value = rng(3, i).permutation(5)[0] as number;
      first[value] = (first[value] ?? 0) + 1;
    }
    for (const count of first) expect(Math.abs(count - 1000)).toBeLessThan(120);
    expect(() => rng(1).permutation(-1)).toThrow(UsageError);
    expect(() => rng(1).permutation(1.5)).toThrow(UsageError);
  });
});

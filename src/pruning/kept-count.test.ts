import fc from "fast-check";
import { expect, test } from "vitest";
import { keptCount } from "./kept-count.js";

test.each([
  [432, 0.01, 5],
  [10, 0.9, 10], // 1 - 0.9 is below a tenth, so no entry is left out
  [10, 0.1, 1],
  [3, 0.5, 2],
  [1, 0.001, 1],
  [7, 1, 7],
])("of %i at %f are %i", (n, keepRatio, kept) => expect(keptCount(n, keepRatio)).toBe(kept));

const ratio = fc.double({ min: 0, max: 1, minExcluded: true, noNaN: true });
const size = fc.integer({ min: 1, max: 3_000_000 });

test("at least one is kept, at most all, and never fewer at a higher ratio", () => {
  const property = fc.property(size, ratio, ratio, (n, a, b) => {
    const [low, high] = [keptCount(n, Math.min(a, b)), keptCount(n, Math.max(a, b))];
    expect(Number.isInteger(low)).toBe(true);
    expect(low).toBeGreaterThanOrEqual(n * Math.min(a, b) - 1e-6);
    expect(low).toBeLessThan(n * Math.min(a, b) + 1 + 1e-6);
    expect(high).toBeGreaterThanOrEqual(low);
    expect(high).toBeLessThanOrEqual(n);
  });
  fc.assert(property);
});

test.each([0, -0.1, 1.5, Number.NaN])("a ratio of %f is refused", (keepRatio) => {
  expect(() => keptCount(10, keepRatio)).toThrow(`keptCount: expected keepRatio in (0, 1], got ${keepRatio}`);
});

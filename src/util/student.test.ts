import { describe, expect, test } from "vitest";
import { meanInterval } from "./student.js";

describe("the interval of a mean", () => {
  // scipy.stats.t.interval(0.95, n - 1, mean, sem)
  test.each([
    [
      [0.3, 0.34],
      [0.0658759, 0.5741241],
    ],
    [
      [0.31, 0.29, 0.36],
      [0.2304331, 0.4095669],
    ],
  ])("of %j is scipy's", (values, [low = 0, high = 0]) => {
    const { interval } = meanInterval(values);
    expect(interval?.[0]).toBeCloseTo(low, 4);
    expect(interval?.[1]).toBeCloseTo(high, 4);
  });

  test("of many values too, and of one there is none", () => {
    const values = Array.from({ length: 50 }, (_, i) => ((i * 37) % 50) / 50);
    const { mean, interval } = meanInterval(values);
    expect(mean).toBeCloseTo(0.49, 12);
    expect(interval?.[0]).toBeCloseTo(0.4071431, 3);
    expect(interval?.[1]).toBeCloseTo(0.5728569, 3);
    expect(meanInterval([0.5])).toEqual({ mean: 0.5, interval: undefined });
  });
});

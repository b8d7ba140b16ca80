import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { epochTicks, niceScale } from "./scale.js";

describe("niceScale", () => {
  test.each([
    [[1.65, 2.21], 1.6, 2.4, 0.2, "1.6"],
    [[0, 493], 0, 600, 200, "0"],
    [[0.0041, 0.0173], 0, 0.02, 0.005, "0.000"],
    [[-0.03, 0.05], -0.04, 0.06, 0.02, "−0.04"],
  ])("takes round numbers around %j", (values, min, max, interval, first) => {
    const scale = niceScale(values, { zero: false });
    expect([scale.min, scale.max, scale.interval]).toEqual([min, max, interval]);
    expect(scale.show(scale.min)).toBe(first);
  });

  test("holds all values within few steps, each shown as another number", () => {
    const value = fc.double({ min: -1e6, max: 1e6, noNaN: true });
    fc.assert(
      fc.property(fc.array(value, { minLength: 1, maxLength: 8 }), fc.boolean(), (values, zero) => {
        const { min, max, interval, show } = niceScale(values, { zero });
        const slack = 1e-6 * interval;
        expect(min).toBeLessThanOrEqual(Math.min(...values, ...(zero ? [0] : [])) + slack);
        expect(max).toBeGreaterThanOrEqual(Math.max(...values, ...(zero ? [0] : [])) - slack);
        const steps = (max - min) / interval;
        expect(steps).toBeCloseTo(Math.round(steps), 6);
        expect(Math.round(steps)).toBeGreaterThanOrEqual(1);
        expect(Math.round(steps)).toBeLessThanOrEqual(7);
        expect(show(min)).not.toBe(show(min + interval));
      }),
    );
  });

  test("keeps a least span around the values, inside its bounds", () => {
    const scale = niceScale([26, 29], { zero: false, minSpan: 20, within: [0, 100] });
    expect(scale.min).toBeLessThanOrEqual(18);
    expect(scale.max).toBeGreaterThanOrEqual(37);
    expect(niceScale([97, 99], { zero: false, minSpan: 20, within: [0, 100] }).max).toBe(100);
    expect(niceScale([1, 2], { zero: false, minSpan: 20, within: [0, 100] }).min).toBe(0);
  });
});

describe("epochTicks", () => {
  test("are whole, rising, few, and start at the first epoch", () => {
    for (const last of [1, 2, 4, 12, 20, 57, 100, 200, 1000]) {
      const ticks = epochTicks(last);
      expect(ticks[0]).toBe(1);
      expect(ticks.length).toBeLessThanOrEqual(9);
      expect(
        ticks.every((tick, i) => Number.isInteger(tick) && tick <= last && (i === 0 || tick > (ticks[i - 1] ?? 0))),
      ).toBe(true);
    }
  });
});

import { expect, test } from "vitest";
import { constant, cosine, oneCycle, type Schedule, step } from "./index.js";

const over = (schedule: Schedule, steps: number, epochs = 1) =>
  Array.from({ length: steps }, (_, i) =>
    schedule.factor({ step: i, steps, epoch: Math.floor((i * epochs) / steps), epochs }),
  );

test("constant stays at the peak, with a climb before it where asked", () => {
  expect(over(constant(), 4)).toEqual([1, 1, 1, 1]);
  expect(over(constant({ warmUp: 0.5 }), 6)).toEqual([0.25, 0.5, 0.75, 1, 1, 1]);
});

test("cosine goes from the peak towards zero over the stage", () => {
  const factors = over(cosine(), 4);
  expect(factors[0]).toBe(1);
  expect(factors[2]).toBeCloseTo(0.5, 12);
  expect(factors[3]).toBeCloseTo((1 + Math.cos(0.75 * Math.PI)) / 2, 12);
});

test("a cosine behind a warm-up begins at its own peak and ends where it would without", () => {
  const factors = over(cosine({ warmUp: 0.2 }), 10);
  expect(factors[1]).toBeLessThan(1);
  expect(factors[2]).toBe(1);
  expect(factors[9]).toBeCloseTo((1 + Math.cos((Math.PI * 7) / 8)) / 2, 12);
});

test("step drops at its fractions", () => {
  expect(over(step({ at: [0.5, 0.75], factor: 0.1 }), 4).map((f) => Number(f.toPrecision(12)))).toEqual([
    1, 1, 0.1, 0.01,
  ]);
});

test("one-cycle climbs to the peak and comes down", () => {
  const factors = over(oneCycle({ peakAt: 0.5, start: 0, end: 0 }), 4);
  expect(factors).toEqual([0, 0.5, 1, 0.5]);
});

test("options out of range are refused by name", () => {
  expect(() => cosine({ warmUp: 1 })).toThrow("cosine: expected warmUp in [0, 1), got 1");
  expect(() => oneCycle({ peakAt: 0 })).toThrow("one-cycle: expected peakAt in (0, 1), got 0");
});

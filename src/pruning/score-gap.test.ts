import fc from "fast-check";
import { expect, test } from "vitest";
import { scope, tensor } from "../torch/index.js";
import { scoreGaps } from "./score-gap.js";

const gap = (scores: readonly number[], mask: readonly number[]) =>
  scope(
    () =>
      scoreGaps(new Map([["w", tensor(Float64Array.from(scores))]]), new Map([["w", tensor(Float64Array.from(mask))]]))
        .w,
  );

test("is the distance of the two scores at the threshold, over the layer's scale", () => {
  // |s| = 4, 3, 1, 0.5: kept 4 and 3; (3 - 1) / sqrt(26.25 / 4)
  expect(gap([-4, 3, 1, -0.5], [1, 1, 0, 0])).toBeCloseTo(2 / Math.sqrt(26.25 / 4), 12);
  expect(gap([-4, 3, 1, -0.5], [1, 0, 1, 0])).toBeCloseTo(-2 / Math.sqrt(26.25 / 4), 12);
});

test("is as by definition, whatever the scale of the scores", () => {
  const entries = fc.array(fc.tuple(fc.double({ min: 0.01, max: 5, noNaN: true }), fc.boolean(), fc.boolean()), {
    minLength: 2,
    maxLength: 30,
  });
  fc.assert(
    fc.property(entries, fc.double({ min: 0.1, max: 100, noNaN: true }), (all, scale) => {
      const sizes = (kept: boolean) => all.flatMap(([size, side]) => (side === kept ? [size] : []));
      fc.pre(sizes(true).length > 0 && sizes(false).length > 0);
      const norm = Math.sqrt(all.reduce((sum, [size]) => sum + size * size, 0) / all.length);
      const wanted = (Math.min(...sizes(true)) - Math.max(...sizes(false))) / norm;
      const scores = all.map(([size, , negative]) => (negative ? -size : size) * scale);
      expect(
        gap(
          scores,
          all.map(([, side]) => Number(side)),
        ),
      ).toBeCloseTo(wanted, 9);
    }),
    { numRuns: 50 },
  );
});

test("knows none where one side is empty or all scores are zero", () => {
  expect(gap([1, 2], [1, 1])).toBeNull();
  expect(gap([1, 2], [0, 0])).toBeNull();
  expect(gap([0, 0], [1, 0])).toBeNull();
});

test("takes scores of groups", () => {
  scope(() => {
    const scores = new Map([["w", tensor([3, 1], [2, 1])]]);
    const masks = new Map([["w", tensor([1, 1, 1, 0, 0, 0], [2, 3])]]);
    expect(scoreGaps(scores, masks).w).toBeCloseTo(2 / Math.sqrt(5), 6);
    // One score for several inputs in a row does not spread by itself.
    const rows = new Map([["w", tensor([3, 1], [1, 2])]]);
    expect(scoreGaps(rows, masks).w).toBeNull();
  });
});

import { describe, expect, test } from "vitest";
import { rng } from "../util/index.js";
import { randomRegion, testCut, trainingCut } from "./crop.js";

const keyed = rng(1, "crop");

describe("a test image", () => {
  // As torchvision's Resize(256) and CenterCrop(224) say.
  test.each([
    [500, 375, { width: 341, height: 256 }, { left: 58, top: 16 }],
    [375, 500, { width: 256, height: 341 }, { left: 16, top: 58 }],
    [333, 500, { width: 256, height: 384 }, { left: 16, top: 80 }],
    [60, 60, { width: 256, height: 256 }, { left: 16, top: 16 }],
    [517, 500, { width: 264, height: 256 }, { left: 20, top: 16 }],
    [519, 500, { width: 265, height: 256 }, { left: 20, top: 16 }],
    [523, 500, { width: 267, height: 256 }, { left: 22, top: 16 }],
  ])("of %i x %i", (width, height, size, window) => {
    expect(testCut({ width, height }, 224, 256)).toEqual({ size, window, mirror: false });
  });
});

describe("a region of a training image", () => {
  const regions = (width: number, height: number) =>
    Array.from({ length: 2000 }, (_, i) => randomRegion({ width, height }, keyed.at(i)));

  test.each([
    [500, 375],
    [64, 64],
    [9, 200],
    [1, 1],
  ])("lies inside %i x %i", (width, height) => {
    for (const r of regions(width, height)) {
      expect(Math.min(r.left, r.top, r.width - 1, r.height - 1)).toBeGreaterThanOrEqual(0);
      expect(r.left + r.width <= width && r.top + r.height <= height).toBe(true);
    }
  });

  test("has an area of 8 to 100 % and a ratio of 3/4 to 4/3, spread as they should be", () => {
    const all = regions(400, 400);
    const areas = all.map(({ width, height }) => (width * height) / 400 ** 2);
    const logs = all.map(({ width, height }) => Math.log(width / height));
    expect(Math.min(...areas)).toBeGreaterThan(0.078);
    expect(Math.max(...areas)).toBeLessThanOrEqual(1);
    expect(Math.max(...logs.map(Math.abs))).toBeLessThan(Math.log(4 / 3) + 0.02);
    const mean = (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length;
    // Large areas fit less often, which takes a little from 0.54.
    expect(mean(areas)).toBeGreaterThan(0.45);
    expect(mean(areas)).toBeLessThan(0.54);
    expect(Math.abs(mean(logs))).toBeLessThan(0.015);
    expect(mean(all.map(({ left, width }) => left / Math.max(1, 400 - width)))).toBeCloseTo(0.5, 1);
    expect(mean(all.map(({ top, height }) => top / Math.max(1, 400 - height)))).toBeCloseTo(0.5, 1);
  });

  test("is the largest centred one of a possible ratio where nothing fits", () => {
    expect(regions(9, 2000).every(({ width, height }) => width === 9 && height === 12)).toBe(true);
    expect(randomRegion({ width: 9, height: 2000 }, keyed)).toEqual({ left: 0, top: 994, width: 9, height: 12 });
    expect(randomRegion({ width: 2000, height: 9 }, keyed)).toEqual({ left: 994, top: 0, width: 12, height: 9 });
  });

  test("half of the images are mirrored, or none; the region is the same", () => {
    const cuts = (flip: boolean) =>
      Array.from({ length: 1000 }, (_, i) => trainingCut({ width: 9, height: 9 }, 8, keyed.at(i), flip));
    const mirrored = cuts(true).filter(({ mirror }) => mirror).length;
    expect(mirrored).toBeGreaterThan(440);
    expect(mirrored).toBeLessThan(560);
    expect(cuts(false)).toEqual(cuts(true).map((cut) => ({ ...cut, mirror: false })));
  });
});

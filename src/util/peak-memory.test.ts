import { expect, test } from "vitest";
import { peakMemory, resetPeakMemory } from "./peak-memory.js";

const MB = 2 ** 20;

test.runIf(process.platform === "linux")("the peak is that since the reset, of memory that is gone as well", () => {
  const before = process.memoryUsage.rss();
  let big: Buffer | undefined = Buffer.alloc(200 * MB, 1);
  expect(peakMemory()).toBeGreaterThan(before + 150 * MB);
  expect(big.length).toBe(200 * MB);
  big = undefined;
  resetPeakMemory();
  const now = process.memoryUsage.rss();
  expect(Math.abs(peakMemory() - now)).toBeLessThan(50 * MB);
});

import { expect, test } from "vitest";
import { significant } from "./format.js";

test.each([
  [0, "0"],
  [0.10234, "0.102"],
  [9.996, "10.0"],
  [-0.000123, "−0.000123"],
  [0.0000999, "9.99e−5"],
  [7.92e-19, "7.92e−19"],
  [4221, "4221"],
  [999_499, "999499"],
  [999_999, "1.00e6"],
  [-13_043_486_991_570_352, "−1.30e16"],
  [Number.NaN, "–"],
])("%d has three digits that can be read: %s", (value, text) => {
  expect(significant(value)).toBe(text);
});

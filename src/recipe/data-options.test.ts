import { expect, test } from "vitest";
import { UsageError } from "../util/index.js";
import { dataOptions } from "./data-options.js";

test("settings become options, with defaults filled in", () => {
  expect(dataOptions("synthetic", ["numClasses=4", "extra.path=a.npz", "numClasses=5"])).toMatchObject({
    numClasses: 5,
    size: 32,
    extra: { path: "a.npz", ratio: 0.7 },
  });
});

test("what does not fit is said at its setting, all of it", () => {
  const attempt = () => dataOptions("synthetic", ["numClasses=1", "sise=3", "extra.ratio=0.5"]);
  expect(attempt).toThrow(UsageError);
  expect(attempt).toThrow("--set numClasses=1: expected numClasses in [2, 256], got 1");
  expect(attempt).toThrow(/--set sise=3: expected a known option \(batchSize.*nearest: size\), got "sise"/);
  expect(attempt).toThrow("--set extra.ratio=0.5: expected extra.path to be a string, got nothing; give it with --set");
  expect(attempt).toThrow("3 problems");
});

test("an unknown name lists the known ones, and a setting needs a value", () => {
  expect(() => dataOptions("cifra10", [])).toThrow(/data: expected a known data set \(cifar10.*nearest: cifar10\)/);
  expect(() => dataOptions("synthetic", ["size"])).toThrow(/--set: expected path=value/);
});

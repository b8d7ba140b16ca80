import { describe, expect, test } from "vitest";
import { tensor } from "../../src/torch/index.js";
import { expectClose, expectEachClose, expectSame } from "./close.js";

describe("comparisons fail", () => {
  test.each([
    ["at a deviation", () => expectClose("x", [1, 2.1], [1, 2], 0.09)],
    ["at a relative deviation", () => expectClose("x", [100, 1.2], [100, 1], 1e-3, { relativeTo: "largest" })],
    ["at a deviation of the norm", () => expectClose("x", [3, 4.1], [3, 4], 0.019, { relativeTo: "norm" })],
    ["at NaN", () => expectClose("x", [Number.NaN], [0], 1)],
    ["at NaN of the norm", () => expectClose("x", [Number.NaN], [1], 1, { relativeTo: "norm" })],
    ["at infinity", () => expectClose("x", [Number.POSITIVE_INFINITY], [1], 1)],
    ["at a difference from zeros", () => expectClose("x", [1e-9], [0], 1, { relativeTo: "largest" })],
    ["at another length", () => expectClose("x", [1], [1, 1], 1)],
    ["at nothing", () => expectClose("x", [], [], 1)],
    ["at one entry's own tolerance", () => expectEachClose("x", [1, 1], [1, 1.1], [1, 0.01])],
    ["at a changed bit", () => expectSame("x", tensor(new Float64Array([1 + 2 ** -52])), [1])],
    ["at negative zero", () => expectSame("x", [-0], [0])],
  ])("%s", (_, compare) => {
    expect(compare).toThrow(/^x[:,] /);
  });

  test("and say where", () => expect(() => expectSame("x", [1, 2], [1, 3])).toThrow("entry 1: 2 in place of 3"));
});

test("equal numbers, infinities too, are close", () => {
  const values = [0, 1, Number.POSITIVE_INFINITY];
  expectClose("x", values, values, 0);
  expectClose("x", [3, 4.1], [3, 4], 0.021, { relativeTo: "norm" });
  expectEachClose("x", [1, 1], [1, 1.1], [1, 0.2]);
  expectSame("x", values, values);
});

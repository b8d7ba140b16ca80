import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { uniform } from "../../test/support/uniform.js";
import { ops, scope, type Tensor, tensor } from "../torch/index.js";
import { keptCount } from "./kept-count.js";
import { keptAtRate, keptChannels, type Learned, learnedRates, rateParameter, roundHalfEven } from "./rates.js";
import { checkedRates, density, readRates, shortcutsFirst } from "./rates-initial.js";

const ALPHA = 0.1;
const learned = (c: Tensor, floor: number) => learnedRates(new Map([["c", c]]), floor).get("c") as Learned;
const rateOf = (c: Tensor, floor: number) => learned(c, floor).rate;

describe("a learned rate", () => {
  // From rate 0.1 (specification, measured on HARP's code).
  test.each([
    [0.2, -2.4204],
    [0.1, -Math.LN10],
    [0.05, -2.2485],
    [0.01, -2.2073],
  ])("begins for keep ratio %f at c = %f, and says 0.1", (keepRatio, wanted) => {
    scope(() => {
      const c = rateParameter(0.1, ALPHA * keepRatio, "float32");
      expect(c.shape).toEqual([]);
      expect(c.item()).toBeCloseTo(wanted, 4);
      expect(rateOf(c, ALPHA * keepRatio)).toBeCloseTo(0.1, 6);
    });
  });

  test("of 1 begins at 0.9901 of what the floor leaves, one at the floor just above it", () => {
    scope(() => {
      expect(rateOf(rateParameter(1, 0.01, "float64"), 0.01)).toBeCloseTo(0.99 * 0.99 + 0.01, 12);
      expect(rateOf(rateParameter(0.01, 0.01, "float64"), 0.01)).toBeCloseTo(0.01 + 0.001 * 0.99, 12);
    });
    expect(() => rateParameter(0, 0.01, "float32")).toThrow(/expected rates in \(0, 1\], got 0/);
  });

  test("is in float32 what libtorch computes of a tensor without dimensions", () => {
    scope(() => {
      const f32 = Math.fround;
      const draws = new Map(uniform(7, 200).map((u, i) => [String(i), tensor(f32(12 * u - 8), [])]));
      const together = learnedRates(draws, 0.01);
      for (const [name, c] of draws) {
        const alone = ops.add(ops.mul(ops.sigmoid(c), { float: 1 - 0.01 }), { float: 0.01 });
        expect(together.get(name)?.rate).toBe(alone.item());
      }
    });
  });

  test("has the slope of finite differences", () => {
    const h = 1e-6;
    for (const at of [-6, -2.3, 0, 1.7]) {
      scope(() => {
        const rate = (c: number) => rateOf(tensor(c, [], { dtype: "float64" }), 0.02);
        const { slope } = learned(tensor(at, [], { dtype: "float64" }), 0.02);
        expect(slope).toBeCloseTo((rate(at + h) - rate(at - h)) / (2 * h), 8);
      });
    }
  });
});

describe("counts in float32", () => {
  // Shares of random rates (here from 0.01 to 0.3) where float64 would keep another number (specification, measured).
  test.each([
    [2_359_296, 0.094],
    [1_179_648, 0.047],
    [589_824, 0.024],
    [36_864, 0.0015],
  ])("of %i weights differ from float64 in %f of random rates, by one weight", (n, wanted) => {
    const rates = 20_000;
    const differing = uniform(n, rates).filter((draw) => {
      const rate = 0.01 + 0.29 * draw;
      const off = Math.abs(keptAtRate(n, rate) - keptCount(n, rate));
      expect(off).toBeLessThanOrEqual(1);
      return off === 1;
    }).length;
    const noise = 4 * Math.sqrt((wanted * (1 - wanted)) / rates);
    expect(Math.abs(differing / rates - wanted)).toBeLessThan(noise + 0.0006);
  });

  test.each([
    [432, [87, 44, 22, 5]],
    [36_864, [7373, 3687, 1844, 369]],
    [2_359_296, [471_860, 235_930, 117_965, 23_593]],
    [2560, [512, 256, 128, 26]],
  ])("of %i weights are the published ones", (n, wanted) => {
    expect([0.2, 0.1, 0.05, 0.01].map((rate) => keptAtRate(n, rate))).toEqual(wanted);
  });

  test("of channels round to the nearest, halves to the even one", () => {
    expect([0.5, 1.5, 2.5, 3.5, 0.49, 0.51, 7].map(roundHalfEven)).toEqual([0, 2, 2, 4, 0, 1, 7]);
    expect(keptChannels(5, 0.5)).toBe(2);
    expect(keptChannels(64, 0.1)).toBe(6);
    expect(keptChannels(512, 0.75)).toBe(384);
  });
});

describe("imported rates", () => {
  const names = ["conv1", "layer1.0.conv1", "layer1.0.conv2", "layer1.0.shortcut.0", "linear"].map(
    (n) => `${n}.weight`,
  );
  const sizes = [10, 20, 30, 40, 50];
  const inScope = <T>(fn: (weights: Map<string, ReturnType<typeof ops.zeros>>) => T) =>
    scope(() => fn(new Map(names.map((name, i) => [name, ops.zeros([sizes[i] as number, 1])]))));
  const options = { keepRatio: 0.34, floor: 0.01 };
  const list = [0.1, 0.2, 0.3, 0.4, 0.5];

  test("are taken by name, with or without `.weight`, and by a list's order", () => {
    const byName = Object.fromEntries(names.map((name, i) => [name.replace(".weight", ""), list[i] as number]));
    inScope((weights) => {
      const keepRatio = density(new Map(names.map((name, i) => [name, list[i] as number])), weights);
      expect(keepRatio).toBeCloseTo(55 / 150, 12);
      const wanted = Object.fromEntries(names.map((name, i) => [name, list[i]]));
      expect(Object.fromEntries(checkedRates(byName, weights, { ...options, keepRatio }))).toEqual(wanted);
      expect(Object.fromEntries(checkedRates(list, weights, { ...options, keepRatio }))).toEqual(wanted);
    });
  });

  test("of a list with shortcuts first are told by the density that they imply", () => {
    expect(shortcutsFirst(names).map((name) => names.indexOf(name))).toEqual([0, 3, 1, 2, 4]);
    const first = [0.1, 0.9, 0.2, 0.3, 0.2];
    inScope((weights) => {
      const keepRatio = (1 + 0.2 * 20 + 0.3 * 30 + 0.9 * 40 + 0.2 * 50) / 150;
      const found = checkedRates(first, weights, { ...options, keepRatio });
      expect(found.get("layer1.0.shortcut.0.weight")).toBe(0.9);
      expect(found.get("layer1.0.conv1.weight")).toBe(0.2);
    });
  });

  test("are refused at another density, without a layer, of an unknown one, at the floor or in the wrong number", () => {
    inScope((weights) => {
      const given =
        (rates: Parameters<typeof checkedRates>[0], more = {}) =>
        () =>
          checkedRates(rates, weights, { ...options, ...more });
      expect(given(list, { keepRatio: 0.1 })).toThrow(/rates that keep 0.1 of the weights.*got "?0.3667 or 0.\d+/);
      expect(given({ conv1: 0.1 })).toThrow(/a keepRatios entry for layer1.0.conv1/);
      expect(given({ conv9: 0.1 })).toThrow(/keepRatios of the layers conv1, .*got "?conv9/);
      expect(given([0.1, 0.2])).toThrow(/5 rates, one for each prunable layer, got 2/);
      expect(given(list, { keepRatio: 55 / 150, floor: 0.1 })).toThrow(/rates above 0.1/);
    });
  });

  test("are read from a file of JSON", () => {
    const folder = mkdtempSync(join(tmpdir(), "s2ap-rates-"));
    const file = join(folder, "rates.json");
    writeFileSync(file, JSON.stringify({ conv1: 0.25 }));
    expect(readRates(file)).toEqual({ conv1: 0.25 });
    writeFileSync(file, JSON.stringify({ conv1: 2 }));
    expect(() => readRates(file)).toThrow(/expected ratesFile to name a JSON file of rates/);
    rmSync(folder, { recursive: true });
  });
});

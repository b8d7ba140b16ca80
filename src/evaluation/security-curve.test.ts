import { beforeAll, expect, test } from "vitest";
import { tinyData, trainedTiny } from "../../test/support/tiny.js";
import { fabT, fmn, isSearchAttack, linf, predict, type SearchAttack, square } from "../attacks/index.js";
import { bindNetwork, type Model } from "../models/index.js";
import { liveTensors, scope } from "../torch/index.js";
import { wilson } from "../util/index.js";
import { curveAt, minimumNorms, securityCurve } from "./security-curve.js";

test("the curve falls at each distance, with clean mistakes at 0 and what was not found for ever", () => {
  const curve = securityCurve([0.2, 0, Infinity, 0.1, 0.2]);
  expect(curve.examples).toBe(5);
  expect(curve.points.map(({ radius, robustAccuracy }) => [radius, robustAccuracy])).toEqual([
    [0, 0.8],
    [0.1, 0.6],
    [0.2, 0.2],
  ]);
  expect([curve.points[1]?.low, curve.points[1]?.high]).toEqual([...wilson(3, 5)]);
  expect([0, 0.05, 0.1, 0.19, 0.2, 9].map((radius) => curveAt(curve, radius).robustAccuracy)).toEqual([
    0.8, 0.8, 0.6, 0.6, 0.2, 0.2,
  ]);
  expect(securityCurve([0.3]).points.map(({ robustAccuracy }) => robustAccuracy)).toEqual([1, 0]);
});

test("the curve is mean(distance > r) at every radius, and never rises", () => {
  const distances = Array.from({ length: 40 }, (_, i) => (i % 7) / 10);
  const curve = securityCurve(distances);
  for (const radius of [0, 0.05, 0.1, 0.3, 0.55, 0.6, 1]) {
    expect(curveAt(curve, radius).robustAccuracy).toBe(distances.filter((distance) => distance > radius).length / 40);
  }
  const heights = curve.points.map(({ robustAccuracy }) => robustAccuracy);
  expect(heights).toEqual([...heights].sort((a, b) => b - a));
});

test("what is no distance is refused", () => {
  expect(() => securityCurve([0.1, Number.NaN])).toThrow(
    "securityCurve: expected distances that are numbers >= 0, got NaN",
  );
  expect(() => securityCurve([])).toThrow("got");
  expect(() => curveAt(securityCurve([1]), -1)).toThrow("curveAt: expected a radius >= 0, got -1");
});

const data = tinyData();
let model: Model;
beforeAll(async () => {
  model = await trainedTiny(data);
});
const threat = linf({ eps: "8/255" });
const sgd = { name: "sgd", lr: 0.3 } as const;

test("distances of images agree with the network's word, whichever images are asked about", () => {
  const live = liveTensors();
  const attack = fmn(threat, { steps: 100, optimizer: sgd });
  const found = minimumNorms(model, data.selection, attack);
  expect([found.attack, found.norm, found.distances.length]).toEqual(["fmn-100", "linf", 32]);
  const clean = scope(() => {
    const { x, y } = data.selection.ordered(0, 32);
    const labels = y.toNumbers();
    return [...predict(bindNetwork(model, model).victim, x)].map((label, i) => label === labels[i]);
  });
  expect(found.distances.map((distance) => distance > 0)).toEqual(clean);
  expect(Math.max(...found.distances)).toBeLessThan(1);
  expect(found.passes.backward).toBe(100);
  const some = minimumNorms(model, data.selection, attack, { indices: [3, 20] });
  expect(some.indices).toEqual([3, 20].map((at) => data.selection.indices[at]));
  for (const [i, at] of [3, 20].entries()) expect(some.distances[i]).toBeCloseTo(found.distances[at] as number, 3);
  expect(liveTensors()).toBe(live);
});

test("several targets give the nearest of them; with one step nothing is found", () => {
  const one = minimumNorms(model, data.selection, fabT(threat, { steps: 5, targets: 1 }) as SearchAttack);
  const two = minimumNorms(model, data.selection, fabT(threat, { steps: 5, targets: 2 }) as SearchAttack);
  expect(two.distances.every((distance, i) => distance <= (one.distances[i] as number))).toBe(true);
  const none = minimumNorms(model, data.selection, fmn(threat, { steps: 1 }));
  expect(none.distances.filter((distance) => distance > 0).every((distance) => distance === Infinity)).toBe(true);
});

test("an attack inside a ball has no distances", () => {
  const attack = square(threat, { queries: 1 });
  expect(isSearchAttack(attack)).toBe(true);
  expect(() => minimumNorms(model, data.selection, attack)).toThrow(
    "minimumNorms: expected an attack that looks for the nearest point",
  );
});

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { linf } from "../attacks/index.js";
import { wilson } from "../util/index.js";
import {
  type DistanceKey,
  distancesOf,
  emptyDistances,
  knownDistances,
  loadDistances,
  saveDistances,
  trialsOf,
  withMore,
  withTrial,
} from "./distances.js";

const folder = mkdtempSync(join(tmpdir(), "s2ap-distances-"));
afterAll(() => rmSync(folder, { recursive: true }));

const key: DistanceKey = {
  ...{ weights: "aa", data: "bb", spec: { arch: "x" }, attack: "fmn", options: { steps: 2 } },
  ...{ norm: "linf", seed: 0, indices: [4, 5, 6, 7, 8] },
};
const some = (distances: readonly number[]) => ({
  ...{ attack: "fmn", norm: "linf", indices: [], distances, passes: { forward: 3, backward: 2 }, seconds: 1.5 },
});
const begun = withMore(emptyDistances(key, linf({ eps: "8/255" })), some([0, 0.01, 8 / 255]));
const whole = withMore(begun, some([0.2, Number.POSITIVE_INFINITY]));

test("blocks add up, and what follows from them counts clean mistakes and what was not found", () => {
  const found = distancesOf(whole);
  expect(found).toMatchObject({
    ...{ attack: "fmn", eps: "8/255", examples: 5, indices: [4, 5, 6, 7, 8], cleanAccuracy: 0.8 },
    ...{ distances: [0, 0.01, 8 / 255, 0.2, null], passes: { forward: 6, backward: 4 }, seconds: 3 },
  });
  // A distance of exactly eps is inside the ball.
  expect([found.robustAccuracy, found.interval]).toEqual([0.4, wilson(2, 5)]);
  // Of 0.01, 8/255, 0.2 and one that is not known.
  expect(found.medianDistance).toBe(8 / 255);
  const nothing = withMore(emptyDistances(key, linf({ eps: "8/255" })), some([Infinity, Infinity]));
  expect(distancesOf(nothing)).toMatchObject({ medianDistance: null, robustAccuracy: 1 });
});

test("are kept, gone on with by the same measurement, and by no other", () => {
  expect(knownDistances(folder, key)).toBeUndefined();
  saveDistances(folder, begun);
  expect(knownDistances(folder, key)).toEqual(begun);
  expect(() => knownDistances(folder, { ...key, seed: 3 })).toThrow(/seed 0, now 3/);
  expect(() => knownDistances(folder, { ...key, weights: "cc" })).toThrow(/weights/);
});

test("trials of the options are kept with what they took, and the measurement is of the best", () => {
  const trial = (lr: number, median: number) => ({
    trial: { options: { steps: 100, optimizer: { name: "sgd" as const, lr } }, median },
    ...{ passes: { forward: 100, backward: 100 }, seconds: 2 },
  });
  const made = [trial(1, Number.POSITIVE_INFINITY), trial(2, 0.25)];
  saveDistances(folder, made.reduce(withTrial, emptyDistances(key, linf({ eps: "8/255" }))));
  const known = knownDistances(folder, key) as NonNullable<ReturnType<typeof knownDistances>>;
  expect(trialsOf(known)).toEqual(made.map((each) => each.trial));
  expect(known).toMatchObject({ distances: [], passes: { forward: 200, backward: 200 }, seconds: 4 });
  const done = withMore({ ...known, used: { steps: 2, lr: 2 } }, some([0.1, 0.2, 0.3, 0, 0]));
  expect(distancesOf(done)).toMatchObject({ options: { steps: 2, lr: 2 }, trials: 2, passes: { backward: 202 } });
  expect(distancesOf(whole)).not.toHaveProperty("trials");
});

test.each(["{", '{"format":1}', JSON.stringify({ ...whole, key: { ...key, indices: [1] } })])(
  "a damaged file is no distances: %s",
  (text) => {
    writeFileSync(join(folder, "distances.json"), text);
    expect(() => loadDistances(folder)).toThrow(/the file is damaged/);
  },
);

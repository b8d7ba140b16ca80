// Slices of the loss over scores: the value at the origin, directions, going on after a stop.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { tinyImages, tinyLosses, tinyPoint } from "../../../test/support/tiny-scores.js";
import { mapParams, type Params, param } from "../../nn/index.js";
import { ops, scope, type Tensor } from "../../torch/index.js";
import { rng } from "../../util/index.js";
import { type Direction, directionOf } from "./directions.js";
import {
  coordinates,
  type LandscapeSettings,
  type LandscapeWork,
  landscape,
  readLandscape,
  writeLandscape,
} from "./landscape.js";
import { scoreLoss } from "./score-loss.js";
import { inner } from "./vectors.js";

const folder = mkdtempSync(join(tmpdir(), "s2ap-landscape-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const point = tinyPoint();
const images = tinyImages();
const at = scoreLoss(point, images, { robust: tinyLosses.trades });
const other = tinyPoint(undefined, 8).state.scores;
const start = mapParams(at.scores, (s) => ops.mul(s, { float: 0.5 }));

const settings = (axes: readonly Direction[], low = -0.2, high = 0.2, points = 5): LandscapeSettings => ({
  ...{ epoch: 2, state: "a", other: null, images: 10, split: "selection", seed: 1, attack: "pgd", norm: "linf" },
  ...{ eps: "8/255", objective: "trades", loss: "robust", dtype: "float64", lanczosSteps: 20 },
  data: { name: "drawn", sha256: "0" },
  axes: axes.map((direction) => ({ direction, coordinates: coordinates(low, high, points) })),
});
const work = (axes: readonly Direction[], more: Partial<LandscapeWork> = {}): LandscapeWork => {
  return { run: "tiny", at, settings: settings(axes), start, other, ...more };
};

test("coordinates are even, with what is marked among them", () => {
  expect(coordinates(-1, 1, 5)).toEqual([-1, -0.5, 0, 0.5, 1]);
  expect(coordinates(-0.25, 1.25, 3)).toEqual([-0.25, 0, 0.5, 1.25]);
  expect(coordinates(-0.25, 1.25, 3, [0, 1])).toEqual([-0.25, 0, 0.5, 1, 1.25]);
});

/** The loss of a network with these masks, computed with nothing of what is tested. */
function direct(scores: Params): number {
  return scope(() => {
    const { model, params, buffers, method, state } = point;
    const masks = method.masks({ ...state, scores });
    const theta = mapParams(params, (w, name) => (masks.has(name) ? ops.mul(w, param(masks, name)) : w));
    const forward = (x: Tensor) => model.forward({ params: theta, buffers }, x, { batchNorm: "running" });
    return tinyLosses.trades.evaluate(forward, images).loss.item();
  });
}

test.each<[readonly Direction[]]>([
  [["random"]],
  [["s2ap"]],
  [["random", "random"]],
  [["eigen1", "eigen2"]],
  [["other", "start"]],
])("along %j the value at the origin is the loss, computed by itself", (axes) => {
  const { losses, lengths, cosine } = landscape(work(axes));
  expect(losses.length).toBe(axes.length === 1 ? 1 : 5);
  const [row, column] = [axes.length === 1 ? 0 : 2, 2];
  expect(losses[row]?.[column]).toBe(at.loss(at.scores));
  expect(losses[row]?.[column]).toBeCloseTo(direct(at.scores), 12);
  expect(new Set(losses.flat()).size).toBeGreaterThan(1);
  expect(lengths.length).toBe(axes.length);
  if (axes[0] !== "other") for (const length of lengths) expect(length).toBeCloseTo(1, 6);
  expect(cosine === null).toBe(axes.length === 1);
  if (axes[0] === "eigen1") expect(Math.abs(cosine as number)).toBeLessThan(1e-6);
});

test("the plane through other solutions has their losses at 1", () => {
  const plane = landscape(work(["other", "start"], { settings: settings(["other", "start"], 0, 1, 2) }));
  expect(plane.losses[0]?.[0]).toBeCloseTo(direct(at.scores), 12);
  expect(plane.losses[0]?.[1]).toBeCloseTo(direct(other), 10);
  expect(plane.losses[1]?.[0]).toBeCloseTo(direct(start), 10);
});

test("S2AP's direction ends at its step, and a random one has the filters' norms", () => {
  const context = { at, rng: rng(1, "landscape"), dtype: "float64" as const, lanczosSteps: 10 };
  const s2ap = directionOf("s2ap", 0, context);
  const random = directionOf("random", 0, context);
  for (const [name, score] of at.scores) {
    expect(ops.vectorNorm(param(s2ap, name)).item()).toBeCloseTo(ops.vectorNorm(score).item(), 10);
    const first = (params: Params) => ops.vectorNorm(ops.select(param(params, name), 0, 0)).item();
    expect(first(random)).toBeCloseTo(first(at.scores), 10);
  }
  expect(inner(random, directionOf("random", 0, context))).toBeCloseTo(inner(random, random), 12);
  expect(inner(random, directionOf("random", 1, context))).not.toBeCloseTo(inner(random, random), 3);
  expect(() => directionOf("other", 0, context)).toThrow(
    "landscape: expected scores for the direction other, got nothing",
  );
});

describe("a record", () => {
  const path = join(folder, "landscape.json");
  const axes = ["random", "s2ap"] as const;

  test("is gone on with after a stop, to the same values, and nothing is done twice", () => {
    const whole = landscape(work(axes));
    let points = 0;
    const stopping = () => {
      points += 1;
      if (points === 7) throw new Error("stop");
    };
    const onRecord = (record: typeof whole) => writeLandscape(path, record);
    expect(() => landscape(work(axes, { onProgress: stopping, onRecord }))).toThrow("stop");
    const record = readLandscape(path) as typeof whole;
    expect(record.losses.flat().filter((value) => value !== null).length).toBe(7);
    let more = 0;
    const gone = landscape(work(axes, { found: { path, record }, onProgress: () => more++ }));
    expect(more).toBe(25 - 7);
    expect({ ...gone, seconds: 0 }).toEqual({ ...whole, seconds: 0 });
    expect(landscape(work(axes, { found: { path, record: gone } }))).toBe(gone);
  });

  test("of other settings is refused", () => {
    const record = landscape(work(["s2ap"]));
    const changed = { ...settings(["s2ap"]), images: 9 };
    expect(() => landscape(work(["s2ap"], { settings: changed, found: { path: "l.json", record } }))).toThrow(
      "l.json: expected the settings that it was begun with, got others (images 10, now 9)",
    );
  });
});

import { afterAll, beforeAll, expect, test } from "vitest";
import { freeModel, tinyData, tinyNet } from "../../../test/support/tiny.js";
import { linf, pgd } from "../../attacks/index.js";
import { pgdAt } from "../../losses/index.js";
import type { Model } from "../../models/index.js";
import { cloneParams, disposeParams } from "../../nn/index.js";
import { sgd } from "../../optim/index.js";
import { hydra, type Masks } from "../../pruning/index.js";
import type { RunEvent } from "../../run/index.js";
import { s2ap } from "../../sharpness/index.js";
import { scope } from "../../torch/index.js";
import { search } from "../../train/index.js";
import { rng } from "../../util/index.js";
import { maskSeries } from "./masks.js";
import { searchSeries } from "./series.js";

const data = tinyData();
const attack = pgd(linf({ eps: "8/255" }), { steps: 1 });
const method = hydra({ keepRatio: 0.2 });
const seed = 3;

let model: Model;
beforeAll(() => {
  model = tinyNet();
});
afterAll(() => freeModel(model));

/** With a constant learning rate, a search's epochs do not depend on how many there are. */
async function searched(epochs: number) {
  const found = await search(model, {
    ...data,
    ...{ epochs, seed, method, gradient: s2ap({ gamma: 0.05, warmupEpochs: 0 }) },
    loss: pgdAt(attack),
    optimizer: sgd({ lr: 0.1 }),
    selectionAttack: attack,
    choose: "last",
  });
  disposeParams(found.model.params, found.model.buffers);
  return found;
}

test("what a search logs is what its masks say", async () => {
  const all = [];
  for (const epochs of [1, 2, 3]) all.push(await searched(epochs));
  const start: Masks = scope(() => {
    const state = method.init(model, rng(seed, "search"), () => {
      throw new Error("this method asks for no gradients");
    });
    const masks = cloneParams(method.masks(state));
    disposeParams(state.scores);
    return masks;
  });
  const events = (all[2]?.history ?? []).map((event) => ({ at: "", ...event })) as RunEvent[];
  const logged = searchSeries(events);
  const measured = maskSeries([start, ...all.map(({ masks }) => masks)]);
  expect(logged.length).toBe(3);
  expect(logged.at(-1)?.hamming).toBeGreaterThan(0);
  for (const [i, point] of logged.entries()) {
    const step = measured.steps[i];
    expect(point.epoch).toBe(i);
    expect(point.hamming).toBe(step?.total.hamming);
    expect(point.perKept).toBe(step?.total.perKept);
    expect(point.kept).toBeCloseTo(step?.total.kept.b ?? Number.NaN, 12);
    for (const [name, layer] of Object.entries(point.layers)) {
      expect(layer.hamming).toBe(step?.layers[name]?.hamming);
      expect(layer.kept).toBeCloseTo(step?.layers[name]?.kept.b ?? Number.NaN, 12);
      expect(layer.scoreGap).toBeGreaterThan(0);
    }
    expect(point.swapFraction).toBeGreaterThan(0);
  }
  expect(logged.at(-1)?.changes).toBeCloseTo(measured.total.changes, 12);
  disposeParams(start, ...all.map(({ masks }) => masks));
});

test("old runs, other stages and no search", () => {
  const common = { at: "", epoch: 0, loss: 1, lr: 0.1, cleanAccuracy: 0, robustAccuracy: 0, selectionExamples: 1 };
  const epoch = { ...common, type: "epoch", passes: { forward: 1, backward: 1 }, seconds: 1 } as const;
  const maskDistance = { hamming: 0.1, perKept: 0.5, layers: { w: 0.1 } };
  const events: RunEvent[] = [
    { ...epoch, stage: "pretrain" },
    { ...epoch, stage: "search", maskDistance },
    { ...epoch, stage: "search", epoch: 1, maskDistance, scoreGaps: { a: 3, b: null, c: 1, d: 2, e: 9 } },
    { ...epoch, stage: "finetune" },
  ];
  expect(searchSeries(events.slice(0, 1))).toEqual([]);
  const [first, second, ...more] = searchSeries(events);
  expect(more).toEqual([]);
  expect(first).toEqual({
    ...{ epoch: 0, hamming: 0.1, perKept: 0.5, changes: 0.1, kept: null, swapFraction: null, scoreGap: null },
    layers: { w: { hamming: 0.1, kept: null, scoreGap: null } },
  });
  expect([second?.changes, second?.scoreGap]).toEqual([0.2, { least: 1, median: 2.5 }]);
});

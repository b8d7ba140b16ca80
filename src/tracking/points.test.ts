import { expect, test } from "vitest";
import type { RunEvent } from "../run/index.js";
import { pointsOf } from "./index.js";

const at = "2026-01-15T09:00:00.000Z";

test("steps and epochs are curves of their stage, each over its own axis", () => {
  const step: RunEvent = {
    ...{ type: "step", at, stage: "search", epoch: 2, step: 700, loss: 1.5, lr: 0.1, robustAccuracy: 0.25 },
    imagesPerSecond: 900,
  };
  expect(pointsOf(step)).toEqual([
    { tag: "search/step/loss", step: 700, value: 1.5 },
    { tag: "search/step/lr", step: 700, value: 0.1 },
    { tag: "search/step/robustAccuracy", step: 700, value: 0.25 },
    { tag: "search/step/imagesPerSecond", step: 700, value: 900 },
  ]);
  const epoch = {
    ...{ type: "epoch", at, stage: "search", epoch: 0, loss: null, cleanAccuracy: 0.5, selectionExamples: 1000 },
    maskDistance: { hamming: 0.01, perKept: 0.05, layers: { "layer1.0.conv1.weight": 0.2 } },
  } as unknown as RunEvent;
  expect(pointsOf(epoch)).toEqual([
    { tag: "search/epoch/cleanAccuracy", step: 1, value: 0.5 },
    { tag: "search/epoch/maskDistance/hamming", step: 1, value: 0.01 },
    { tag: "search/epoch/maskDistance/perKept", step: 1, value: 0.05 },
    { tag: "search/epoch/maskDistance/layers/layer1.0.conv1.weight", step: 1, value: 0.2 },
  ]);
});

test("attacks are told apart by name and radius, and no name leads out of a folder", () => {
  const attacked = (attack: string, eps: string) =>
    pointsOf({
      ...{ type: "evaluation", at, attack, eps, cleanAccuracy: 0.6, robustAccuracy: 0.3, interval: [0.2, 0.4] },
      ...{ examples: 100, seconds: 3, passes: { forward: 1, backward: 2 } },
    });
  expect(attacked("pgd-20", "8/255").map(({ tag }) => tag)).toEqual([
    "evaluation/pgd-20/eps-8-255/cleanAccuracy",
    "evaluation/pgd-20/eps-8-255/robustAccuracy",
    "evaluation/pgd-20/eps-8-255/seconds",
    "evaluation/pgd-20/eps-8-255/passes/forward",
    "evaluation/pgd-20/eps-8-255/passes/backward",
    "evaluation/pgd-20/eps-8-255/interval/low",
    "evaluation/pgd-20/eps-8-255/interval/high",
  ]);
  expect(attacked("..", "")[0]?.tag).toBe("evaluation/_/cleanAccuracy");
  expect(attacked("a/../../b\n<i>", "")[0]?.tag).toBe("evaluation/a_.._.._b__i_/cleanAccuracy");
});

test("other events have no points", () => {
  expect(pointsOf({ type: "run", at, name: "tiny", seed: 7 })).toEqual([]);
  expect(pointsOf({ type: "warning", at, code: "x", message: "y" })).toEqual([]);
});

import { expect, test } from "vitest";
import { layerRuns, multiplications } from "./operations.js";
import { resnet18 } from "./resnet.js";

test("the multiplications of ResNet18 are those of its layers added by hand", () => {
  const model = resnet18({ width: 16 });
  // Stage s has 16 * 2^s channels and 32 / 2^s pixels a side: its 3x3 convolutions cost the same, the first of stages 1-3 half.
  const conv = 16 * 16 * 9 * 32 * 32;
  const shortcut = 16 * 32 * 16 * 16 + 32 * 64 * 8 * 8 + 64 * 128 * 4 * 4;
  expect(multiplications(model)).toBe(
    3 * 16 * 9 * 32 * 32 + 4 * conv + 3 * (3 * conv + conv / 2) + shortcut + 128 * 10,
  );
});

test("every prunable layer runs, with its shapes and the batch in front", () => {
  const model = resnet18({ width: 2 });
  const runs = layerRuns(model);
  expect([...runs.keys()].map((name) => `${name}.weight`).sort()).toEqual([...model.prunable].sort());
  expect(runs.get("layer2.0.conv1")).toMatchObject({ input: [1, 2, 32, 32], output: [1, 4, 16, 16], stride: 2 });
});

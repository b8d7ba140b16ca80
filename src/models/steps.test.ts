import { expect, test } from "vitest";
import { param } from "../nn/index.js";
import { ops, scope } from "../torch/index.js";
import { type Model, resnet18, vgg16Bn, wrn28x4 } from "./index.js";

const deviation = ({ params }: Model, name: string) =>
  scope(() => Math.sqrt(ops.mean(ops.pow(param(params, name), 2)).item()));
const largest = ({ params }: Model, name: string) => scope(() => ops.amax(ops.abs(param(params, name))).item());

test("VGG starts at N(0, sqrt(2 / (out kh kw))), linear layers at N(0, 0.01) and 0", () => {
  const model = vgg16Bn({ width: 32 });
  const name = "features.20.weight";
  expect(deviation(model, name) / Math.sqrt(2 / (128 * 9))).toBeCloseTo(1, 1);
  expect(deviation(model, "classifier.0.weight") / 0.01).toBeCloseTo(1, 1);
  expect(largest(model, "classifier.0.bias")).toBe(0);
});

test("a wide network's last layer has PyTorch's weights and no bias at first", () => {
  const model = wrn28x4({ width: 8 });
  expect(deviation(model, "block3.layer.1.conv1.weight") / Math.sqrt(2 / (128 * 9))).toBeCloseTo(1, 1);
  expect(largest(model, "fc.weight") * Math.sqrt(128)).toBeCloseTo(1, 1);
  expect(largest(model, "fc.weight") * Math.sqrt(128)).toBeLessThanOrEqual(1 + 1e-6);
  expect(largest(model, "fc.bias")).toBe(0);
});

test("normalisation needs a number for each channel", () => {
  const normalize = { mean: [0.5], std: [0.25, 0.25, 0.25] };
  expect(() => resnet18({ width: 4, normalize })).toThrow("resnet18: expected normalize.mean of 3 channels");
});

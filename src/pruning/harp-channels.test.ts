import { afterAll, describe, expect, test } from "vitest";
import { freeModel } from "../../test/support/tiny.js";
import { type Model, resnet18 } from "../models/index.js";
import { disposeParams, mapParams, type Params, param, pick } from "../nn/index.js";
import { ops, scope, type Tensor } from "../torch/index.js";
import { rng } from "../util/index.js";
import { harp } from "./harp.js";
import { layerCosts, operations, referenceOperations } from "./harp-flops.js";
import type { MethodState } from "./method.js";

type Options = Parameters<typeof harp>[0];
type Parity = NonNullable<Options["parity"]>;

const model: Model = resnet18({ width: 8, seed: 1 });
afterAll(() => freeModel(model));
const costs = layerCosts(model);
const rate = (r: number) => new Map(model.prunable.map((name) => [name, r]));

/** Runs on the state at the start of a search, in a scope. */
function started<T>(options: Partial<Options>, fn: (method: ReturnType<typeof harp>, state: MethodState) => T): T {
  const method = harp({ keepRatio: 0.5, structure: "channels", initialKeepRatio: 0.4, ...options });
  const state = method.init(model, rng(1));
  try {
    return scope(() => fn(method, state));
  } finally {
    disposeParams(state.scores, state.trained ?? new Map());
  }
}

/** Input channels of a mask that are kept; all of a channel's entries must agree. */
function keptIn(mask: Tensor): number {
  const [out = 1, inputs = 1, ...kernel] = mask.shape;
  const perChannel = ops.sumDim(ops.reshape(mask, [out, inputs, -1]), [0, 2]).toNumbers();
  const whole = out * kernel.reduce((a, b) => a * b, 1);
  expect(perChannel.every((sum) => sum === 0 || sum === whole)).toBe(true);
  return perChannel.filter((sum) => sum > 0).length;
}

describe("operations", () => {
  const at = (name: string) => costs.find((cost) => cost.name === `${name}.weight`);

  test("are counted on the pixels that a layer really writes, the reference's without rounding", () => {
    expect(at("conv1")).toMatchObject({ inputs: 3, outputs: 8, kernel: 9, pixels: 1024, unroundedPixels: 1024 });
    expect(at("layer2.0.conv1")).toMatchObject({ inputs: 8, outputs: 16, pixels: 256, unroundedPixels: 16.5 ** 2 });
    expect(at("layer2.0.shortcut.0")).toMatchObject({ kernel: 1, pixels: 256, unroundedPixels: 16.5 ** 2 });
    expect(at("linear")).toMatchObject({ inputs: 64, outputs: 10, kernel: 1, pixels: 1, readers: [] });
  });

  test("know who reads what a layer writes, around shortcuts too", () => {
    const sorted = (name: string) => [...(at(name)?.readers ?? [])].sort();
    expect(sorted("conv1")).toEqual([
      "layer1.0.conv1.weight",
      "layer1.1.conv1.weight",
      "layer2.0.conv1.weight",
      "layer2.0.shortcut.0.weight",
    ]);
    expect(sorted("layer2.0.conv1")).toEqual(["layer2.0.conv2.weight"]);
    expect(sorted("layer4.1.conv2")).toEqual(["layer4.1.conv1.weight", "linear.weight"]);
    expect(costs.filter(({ first }) => first).map(({ name }) => name)).toEqual(["conv1.weight"]);
  });

  test.each([0.25, 0.5, 1])("at one rate of %f in every layer are about the budget for it", (keepRatio) => {
    const rates = new Map([...rate(keepRatio), ["conv1.weight", 1]]);
    const { share, budget } = operations(costs, rates, keepRatio);
    expect(share).toBeCloseTo(budget, 12);
    const theirs = referenceOperations(costs, rate(1), 1);
    expect(theirs.share).toBe(1);
    expect(theirs.budget).toBe(1);
  });

  test("of one layer that keeps half are what it saves itself and its only writer", () => {
    const rates = new Map([...rate(1), ["layer1.0.conv2.weight", 0.5]]);
    const all = costs.reduce((sum, c) => sum + c.pixels * c.outputs * (2 * c.kernel * c.inputs + 1), 0);
    const saved = 1024 * 8 * (2 * 9 * 4) + 1024 * 4 * (2 * 9 * 8 + 1);
    expect(operations(costs, rates, 0.5).share).toBeCloseTo(1 - saved / all, 12);
  });

  test("of one reader of a shared stream save nothing at its writers", () => {
    const rates = new Map([...rate(1), ["layer1.1.conv1.weight", 0.5]]);
    const all = costs.reduce((sum, c) => sum + c.pixels * c.outputs * (2 * c.kernel * c.inputs + 1), 0);
    expect(operations(costs, rates, 0.5).share).toBeCloseTo(1 - (1024 * 8 * (2 * 9 * 4)) / all, 12);
    // The reference takes it for the only reader of the layer before it.
    expect(referenceOperations(costs, rates, 0.5).share).toBeLessThan(operations(costs, rates, 0.5).share - 0.01);
  });

  test.each([
    ["ours", operations],
    ["the reference's", referenceOperations],
  ])("have the slopes of finite differences, %s", (_name, count) => {
    const rates = new Map(model.prunable.map((name, i) => [name, 0.3 + 0.02 * ((i * 7) % 21)]));
    const { slopes } = count(costs, rates, 0.3);
    for (const name of model.prunable) {
      const h = 1e-6;
      const shareAt = (r: number) => count(costs, new Map([...rates, [name, r]]), 0.3).share;
      const r = rates.get(name) as number;
      expect(slopes.get(name)).toBeCloseTo((shareAt(r + h) - shareAt(r - h)) / (2 * h), 7);
    }
  });
});

describe("channels", () => {
  test("are kept whole, as many as the rate says; image channels stay; shortcuts follow their block", () => {
    started({}, (method, state) => {
      const rates = method.keepRatios?.(state) as Record<string, number>;
      for (const [name, mask] of method.masks(state)) {
        const inputs = mask.shape[1] as number;
        expect(mask.shape).toEqual(param(model.params, name).shape);
        expect(keptIn(mask), name).toBe(name === "conv1.weight" ? 3 : Math.round(inputs * 0.4));
      }
      expect(rates["conv1.weight"]).toBe(1);
      expect([...(state.trained as Params).keys()]).not.toContain("layer2.0.shortcut.0.weight");
      ops.fill_(param(state.trained as Params, "layer2.0.conv1.weight"), 1);
      const moved = method.keepRatios?.(state) as Record<string, number>;
      expect(moved["layer2.0.shortcut.0.weight"]).toBe(moved["layer2.0.conv1.weight"]);
      expect(moved["layer2.0.shortcut.0.weight"]).toBeGreaterThan(0.7);
      expect(moved["layer2.0.conv2.weight"]).toBe(rates["layer2.0.conv2.weight"]);
    });
  });

  test("of a layer are one at the least, unless the reference's way is asked for", () => {
    const least = (parity: Parity) =>
      started({ initialKeepRatio: 0.02, keepRatio: 0.1, parity }, (method, state) =>
        keptIn(param(method.masks(state), "layer1.0.conv1.weight")),
      );
    expect(least([])).toBe(1);
    expect(least(["empty-layers"])).toBe(0);
  });

  test("of the image go too by the reference's way", () => {
    started({ parity: ["image-channels"] }, (method, state) => {
      expect(keptIn(param(method.masks(state), "conv1.weight"))).toBe(1);
      expect(method.keepRatios?.(state)["conv1.weight"]).toBeCloseTo(0.4, 6);
    });
  });

  test("begin with the weight that reads them, and by the reference's way with what lies together in memory", () => {
    const name = "layer2.0.conv1.weight";
    const w = scope(() => ops.contiguous(param(model.params, name)).toNumbers());
    const [out, inputs, pixels] = [16, 8, 9];
    const read = Array.from({ length: inputs }, (_, c) =>
      w.reduce((sum, x, i) => sum + (Math.floor(i / pixels) % inputs === c ? Math.abs(x) : 0), 0),
    );
    const together = Array.from({ length: inputs }, (_, c) =>
      w.slice(c * out * pixels, (c + 1) * out * pixels).reduce((sum, x) => sum + Math.abs(x), 0),
    );
    for (const [parity, sums] of [
      [[], read],
      [["channel-scores"], together],
    ] as const) {
      const scores = started({ parity: [...parity] }, (_method, state) => param(state.scores, name).toNumbers());
      const top = Math.max(...sums);
      for (const [i, sum] of sums.entries()) expect(scores[i]).toBeCloseTo((Math.sqrt(6) * sum) / top, 4);
    }
  });

  test("pull the sum of what arrives at them; a shared rate takes both layers' or, as the reference, the first's", () => {
    const block = ["layer2.0.conv1.weight", "layer2.0.shortcut.0.weight"] as const;
    const rates = (parity: Parity) =>
      started({ parity }, (method, state) => {
        const weights = pick(model.params, model.prunable);
        const weightGradients = mapParams(weights, (w) => ops.add(w, 1));
        const { scores, trained } = method.pullBack({ ...state, weights, weightGradients });
        const arrived = block.map((name) => ops.mul(param(weights, name), param(weightGradients, name)));
        const channels = ops.sumDim(arrived[0] as Tensor, [0, 2, 3]).toNumbers();
        for (const [i, g] of param(scores, block[0]).toNumbers().entries())
          expect(g).toBeCloseTo(channels[i] as number, 4);
        const [conv, shortcut] = arrived.map((t) => ops.sum(t).item()) as [number, number];
        const c = param(state.trained as Params, block[0]).item();
        const sigmoid = 1 / (1 + Math.exp(-c));
        const slope = sigmoid * (1 - sigmoid) * (1 - 0.05);
        return [param(trained as Params, block[0]).item() / slope, conv, shortcut] as const;
      });
    const [both, conv, shortcut] = rates([]);
    expect(both).toBeCloseTo(conv + shortcut, 2);
    const [first] = rates(["shortcut-rates"]);
    expect(first).toBeCloseTo(conv, 2);
    expect(Math.abs(shortcut)).toBeGreaterThan(0.1);
  });

  test("are held to the operations of the budget", () => {
    started({ keepRatio: 0.3, initialKeepRatio: 0.6 }, (method, state) => {
      expect(method.candidate?.(state)).toBe(false);
      expect(method.penalty?.(state, { epoch: 0, epochs: 1 }).loss).toBeGreaterThan(0);
    });
    started({ keepRatio: 0.5, initialKeepRatio: 0.4 }, (method, state) => {
      expect(method.candidate?.(state)).toBe(true);
    });
  });
});

// Kept weights of the field's networks, and ERK's ratios, as the reference implementations have them.
import { describe, expect, test } from "vitest";
import { resnet18 } from "../../src/models/index.js";
import { disposeParams, pick } from "../../src/nn/index.js";
import { erkRatios, exactCounts, type Shapes, weightCount } from "../../src/pruning/budgets.js";
import { keptCount } from "../../src/pruning/index.js";
import { resnet18Shapes, resnet50Shapes, vgg16Shapes, wideResnet28x4Shapes } from "../support/layer-shapes.js";

const sum = (values: Iterable<number>) => [...values].reduce((a, b) => a + b, 0);
const size = ({ shape }: { readonly shape: readonly number[] }) => shape.reduce((a, b) => a * b, 1);

describe("kept weights at the same ratio in each layer", () => {
  test.each([
    ["resnet18", resnet18Shapes(), 21, 11_164_352, [2_232_880, 1_116_445, 558_228, 111_653]],
    ["vgg16_bn", vgg16Shapes(), 16, 15_302_848, [3_060_578, 1_530_291, 765_149, 153_035]],
    ["wrn_28_4", wideResnet28x4Shapes(), 29, 5_841_840, [1_168_380, 584_199, 292_108, 58_434]],
    ["ResNet50", resnet50Shapes(), 54, 25_502_912, [5_100_607, 2_550_318, 1_275_174, 255_052]],
  ] as const)("%s", (_, shapes: Shapes, layers, weights, kept) => {
    expect(shapes.size).toBe(layers);
    expect(weightCount(shapes)).toBe(weights);
    const at = (ratio: number) => sum(Array.from(shapes.values(), (layer) => keptCount(size(layer), ratio)));
    expect([0.2, 0.1, 0.05, 0.01].map(at)).toEqual(kept);
  });

  test("of single layers", () => {
    const table: Readonly<Record<number, readonly number[]>> = {
      432: [87, 44, 22, 5],
      1728: [346, 173, 87, 18],
      2560: [512, 256, 128, 26],
      5120: [1024, 512, 256, 52],
      36864: [7373, 3687, 1844, 369],
      147456: [29492, 14746, 7373, 1475],
      2359296: [471860, 235930, 117965, 23593],
    };
    for (const [n, kept] of Object.entries(table)) {
      expect([0.2, 0.1, 0.05, 0.01].map((ratio) => keptCount(Number(n), ratio))).toEqual(kept);
    }
  });

  test("the shapes are those of the model", () => {
    const model = resnet18();
    const shapes = Array.from(pick(model.params, model.prunable).values(), ({ shape }) => shape);
    expect(shapes).toEqual(Array.from(resnet18Shapes().values(), ({ shape }) => shape));
    disposeParams(model.params, model.buffers);
  });
});

/** Of HARP's strategy files (Zhao, Wressnegger 2023), at 0.1, in the order of the network. */
const ERK: Readonly<Record<string, readonly [Shapes, readonly number[]]>> = {
  vgg16: [
    vgg16Shapes(),
    [
      1, 0.518039286136627, 0.382717549800873, 0.253214478492737, 0.188462972640991, 0.125157654285431,
      0.125157654285431, 0.093505859375, 0.062216460704804, 0.062216460704804, 0.062216460704804, 0.062216460704804,
      0.062216460704804, 0.626272201538086, 1, 1,
    ],
  ],
  resnet18: [
    resnet18Shapes(),
    [
      1, 0.479682087898254, 0.479682087898254, 0.479682087898254, 0.479682087898254, 0.354383707046509,
      0.234469950199127, 1, 0.234469950199127, 0.234469950199127, 0.174509704113007, 0.115892171859741, 1,
      0.115892171859741, 0.115892171859741, 0.086583435535431, 0.057610809803009, 0.775230407714844, 0.057610809803009,
      0.057610809803009, 1,
    ],
  ],
};

describe.each(Object.entries(ERK))("ERK's ratios of %s", (_, [shapes, wanted]) => {
  test("are the published ones", () => {
    const found = [...erkRatios(shapes, 0.1).values()];
    found.forEach((ratio, i) => {
      expect(Math.abs(ratio - (wanted[i] as number)), `layer ${i}`).toBeLessThan(1.2e-5);
    });
  });

  test.each([1, 0.5, 0.2, 0.1, 0.05, 0.01, 0.001])("meet the budget %f, to the weight when rounded", (keepRatio) => {
    const ratios = erkRatios(shapes, keepRatio);
    for (const ratio of ratios.values()) {
      expect(ratio).toBeGreaterThan(0);
      expect(ratio).toBeLessThanOrEqual(1);
    }
    const kept = sum(Array.from(shapes, ([name, layer]) => (ratios.get(name) as number) * size(layer)));
    expect(kept / (keepRatio * weightCount(shapes))).toBeCloseTo(1, 12);
    const counts = exactCounts(shapes, ratios, keepRatio);
    expect(sum(counts.values())).toBe(keptCount(weightCount(shapes), keepRatio));
    for (const [name, count] of counts) {
      const exact = (ratios.get(name) as number) * size(shapes.get(name) as { shape: readonly number[] });
      expect(Math.abs(count - exact)).toBeLessThanOrEqual(1);
    }
  });
});

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { robustnessOf } from "../../../test/support/robustness.js";
import { settledTensors } from "../../../test/support/settled.js";
import { copyOf, freeModel, tinyData, tinyNet, trainedTiny } from "../../../test/support/tiny.js";
import { linf, pgd } from "../../attacks/index.js";
import type { Split } from "../../data/index.js";
import { layerRuns, type Model, resnet18, vitTi } from "../../models/index.js";
import { liveTensors, noGrad, ops, scope, tensor } from "../../torch/index.js";
import { wilson } from "../../util/index.js";
import { compareRecords } from "../compare.js";
import { linearCka } from "./cka.js";
import { functionalStability, robustSets } from "./functional.js";
import { BEFORE_HEAD, disposeView, type NetworkView, networkView } from "./view.js";

const attack = pgd(linf({ eps: "8/255" }), { steps: 3 });
let images: Split;
let a: Model;
let b: Model;
let live = 0;

beforeAll(async () => {
  images = tinyData().train;
  a = await trainedTiny();
  b = tinyNet(4);
  live = await settledTensors();
});
afterAll(() => {
  expect(liveTensors()).toBe(live);
  freeModel(a);
  freeModel(b);
});

const look = (model: Model, more = {}) => networkView(model, images, { examples: 20, attack, ...more });

describe("a view of a network", () => {
  test("does not depend on the batch size", () => {
    const [whole, parts] = [look(a, { batchSize: 20 }), look(a, { batchSize: 7 })];
    expect(parts.predictions).toEqual(whole.predictions);
    expect(parts.robust).toEqual(whole.robust);
    scope(() => {
      const apart = (x: NetworkView, y: NetworkView) =>
        ops.amax(ops.abs(ops.sub(x.gradients, y.gradients))).item() / ops.amax(ops.abs(x.gradients)).item();
      expect(apart(whole, parts)).toBeLessThan(1e-4);
    });
    disposeView(whole);
    disposeView(parts);
  });

  test("has what the last layer reads, and what named layers put out, averaged over pixels", () => {
    const view = look(a, { layers: ["conv1", "linear"], batchSize: 8 });
    expect([...view.features].map(([name, rows]) => [name, rows.shape])).toEqual([
      [BEFORE_HEAD, [20, 256]],
      ["conv1", [20, 8]],
      ["linear", [20, 4]],
    ]);
    scope(() => {
      const { x } = images.ordered(0, 20);
      const logits = noGrad(() => a.forward(a, x, { batchNorm: "running" }));
      const before = view.features.get(BEFORE_HEAD);
      const [weight, bias] = [a.params.get("linear.weight"), a.params.get("linear.bias")];
      if (!before || !weight || !bias) throw new Error("the tiny network has a last layer");
      const far = (u: typeof logits, v: typeof logits) => ops.amax(ops.abs(ops.sub(u, v))).item();
      expect(far(ops.linear(before, weight, { bias }), logits)).toBeLessThan(1e-4);
      const maps = ops.conv2d(x, a.params.get("conv1.weight") as typeof x, { padding: 1 });
      expect(far(view.features.get("conv1") as typeof x, ops.meanDim(maps, [2, 3]))).toBeLessThan(1e-5);
    });
    disposeView(view);
  });

  test("is of networks whose steps free what they leave behind, too", () => {
    const residual = resnet18({ width: 4, imageSize: 8, numClasses: 4 });
    const view = look(residual, { layers: ["layer2.0.conv1"], batchSize: 8, attack: undefined });
    expect([...view.features.values()].map(({ shape }) => shape)).toEqual([
      [20, 32],
      [20, 8],
    ]);
    const weight = residual.params.get("linear.weight");
    const bias = residual.params.get("linear.bias");
    const before = view.features.get(BEFORE_HEAD);
    if (!weight || !bias || !before) throw new Error("a ResNet-18 has a last layer");
    scope(() => {
      const logits = noGrad(() => residual.forward(residual, images.ordered(0, 20).x, { batchNorm: "running" }));
      expect(ops.amax(ops.abs(ops.sub(ops.linear(before, weight, { bias }), logits))).item()).toBeLessThan(1e-5);
    });
    disposeView(view);
    freeModel(residual);
  });

  test("averages over the tokens of transformers", () => {
    const transformer = vitTi({ imageSize: 8, patch: 4, width: 12, depth: 1, heads: 3, numClasses: 4 });
    const layers = [...layerRuns(transformer).keys()];
    const view = look(transformer, { layers, attack: undefined });
    const head = transformer.params.get("head.weight");
    expect(view.features.get(BEFORE_HEAD)?.shape).toEqual([20, head?.shape[1]]);
    for (const name of layers) {
      const rows = view.features.get(name)?.shape ?? [];
      expect(rows).toEqual([20, transformer.params.get(`${name}.weight`)?.shape[0]]);
    }
    disposeView(view);
    freeModel(transformer);
  });

  test("names the layers there are where one is unknown, and stops when asked", () => {
    expect(() => look(a, { layers: ["conv3"], attack: undefined })).toThrow(
      'stability: expected a known layer (conv1, conv2, linear; nearest: conv1), got "conv3"',
    );
    const poll = () => {
      throw new Error("stopped");
    };
    expect(() => look(a, { poll })).toThrow("stopped");
  });
});

describe("two networks", () => {
  test("are compared as by definition", () => {
    const [x, y] = [look(a), look(b)];
    const found = functionalStability(x, y, { resamples: 300 });
    const agreeing = [...x.predictions].filter((p, i) => p === y.predictions[i]).length;
    expect(found.agreement).toEqual({ value: agreeing / 20, interval: wilson(agreeing, 20) });
    const sets = [x, y].map(({ robust }) => new Set(robust?.flatMap((stands, i) => (stands ? [i] : []))));
    const both = [...(sets[0] ?? [])].filter((i) => sets[1]?.has(i)).length;
    const either = new Set([...(sets[0] ?? []), ...(sets[1] ?? [])]).size;
    expect(either).toBeGreaterThan(0);
    expect(found.robustSets?.jaccard).toEqual({ value: both / either, interval: wilson(both, either) });
    const [g, h] = [x, y].map(({ gradients }) => {
      const values = gradients.toNumbers();
      return Array.from({ length: 20 }, (_, i) => values.slice(i * 192, (i + 1) * 192));
    });
    const cosine = (u: number[], v: number[]) => {
      const dot = (p: number[], q: number[]) => p.reduce((s, value, i) => s + value * (q[i] as number), 0);
      return dot(u, v) / Math.sqrt(dot(u, u) * dot(v, v));
    };
    const cosines = (g ?? []).map((row, i) => cosine(row, h?.[i] as number[]));
    expect(found.gradientCosine?.value).toBeCloseTo(cosines.reduce((s, c) => s + c, 0) / 20, 10);
    const [low, high] = found.gradientCosine?.interval ?? [1, -1];
    expect(low).toBeLessThan(found.gradientCosine?.value ?? Number.NaN);
    expect(high).toBeGreaterThan(found.gradientCosine?.value ?? Number.NaN);
    const features = [x, y].map((view) => view.features.get(BEFORE_HEAD)) as [never, never];
    expect(found.features[BEFORE_HEAD]).toEqual(linearCka(...features));
    disposeView(x);
    disposeView(y);
  });

  test("that are the same agree in all", () => {
    const twin = copyOf(a);
    const [x, y] = [look(a), look(twin)];
    const { agreement, robustSets: sets, gradientCosine, features } = functionalStability(x, y);
    expect([agreement.value, sets?.jaccard?.value]).toEqual([1, 1]);
    expect(gradientCosine?.value).toBeCloseTo(1, 12);
    expect(features[BEFORE_HEAD]?.cka).toBeCloseTo(1, 12);
    expect(agreement.interval[0]).toBeLessThan(0.9);
    disposeView(x);
    disposeView(y);
    freeModel(twin);
  });

  test("are the same either way", () => {
    const [x, y] = [look(a), look(b)];
    const [forth, back] = [functionalStability(x, y), functionalStability(y, x)];
    expect(forth.agreement).toEqual(back.agreement);
    expect(forth.robustSets?.jaccard).toEqual(back.robustSets?.jaccard);
    expect(forth.gradientCosine).toEqual(back.gradientCosine);
    expect(forth.features[BEFORE_HEAD]?.cka).toBeCloseTo(back.features[BEFORE_HEAD]?.cka ?? Number.NaN, 12);
    disposeView(x);
    disposeView(y);
  });

  test("with gradients of zero and constant features have no cosine and no CKA", () => {
    const view = (): NetworkView => ({
      ...{ data: "x", indices: Int32Array.of(0, 1, 2, 3), labels: Int32Array.of(0, 1, 0, 1) },
      ...{ predictions: Int32Array.of(0, 0, 0, 0), robust: null },
      gradients: ops.zeros([4, 3]),
      features: new Map([[BEFORE_HEAD, ops.ones([4, 2])]]),
    });
    scope(() => {
      const found = functionalStability(view(), view());
      expect(found).toMatchObject({ robustSets: null, gradientCosine: null, zeroGradients: 4 });
      expect(found.features[BEFORE_HEAD]).toEqual({ cka: null, debiased: null });
      const some = { ...view(), gradients: tensor([1, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0], [4, 3]) };
      expect(functionalStability(some, some)).toMatchObject({ gradientCosine: { value: 1 }, zeroGradients: 2 });
    });
  });

  test("on other images are refused", () => {
    const [x, y] = [look(a, { attack: undefined }), look(b, { attack: undefined, examples: 19 })];
    expect(() => functionalStability(x, y)).toThrow(
      'stability: expected two networks on the same images, got "20 and 19 images"',
    );
    expect(() => functionalStability(x, { ...x, data: "other" })).toThrow(/got "two data sets"/);
    disposeView(x);
    disposeView(y);
  });
});

test("robust sets of two evaluation records", () => {
  const record = (broken: readonly boolean[]) =>
    robustnessOf(broken.map((is, index) => ({ index, label: 1, clean: 1, brokenBy: is ? "apgd-ce" : null })));
  const counts = compareRecords(record([false, false, true, true]), record([false, true, false, true])).robust;
  expect(robustSets(counts)).toEqual({
    counts: { both: 1, onlyA: 1, onlyB: 1, neither: 1 },
    jaccard: { value: 1 / 3, interval: wilson(1, 3) },
  });
  expect(robustSets({ both: 0, onlyA: 0, onlyB: 0, neither: 3 }).jaccard).toBeNull();
});

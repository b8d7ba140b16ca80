import { describe, expect, test } from "vitest";
import { f32, numbersOf, opened, ramp } from "../../../test/support/foreign.js";
import type { PtValue, RawTensor } from "../../nn/index.js";
import { disposeParams } from "../../nn/index.js";
import { liveTensors } from "../../torch/index.js";
import { DataError, UsageError } from "../../util/index.js";
import { recogniseCheckpoint } from "./layout.js";
import { type MaskOptions, planMasks, rebuildMasks } from "./masks.js";

const checkpoint = (tensors: Readonly<Record<string, RawTensor>>, beside: Readonly<Record<string, PtValue>> = {}) =>
  recogniseCheckpoint(
    opened(new Map<PtValue, PtValue>([["state_dict", new Map(Object.entries(tensors))], ...Object.entries(beside)])),
  );

/** Masks as plain numbers, and nothing left alive. */
function masksOf(found: ReturnType<typeof checkpoint>, options: MaskOptions = {}): Record<string, number[]> {
  const before = liveTensors();
  const { masks } = rebuildMasks(found, options);
  const values = Object.fromEntries(Array.from(masks, ([name, mask]) => [name, mask.toNumbers()]));
  for (const [name, mask] of masks) expect(mask.shape).toEqual(found.state.get(name)?.shape);
  disposeParams(masks);
  expect(liveTensors()).toBe(before);
  return values;
}

/** The obvious way: sort all by |s|, of equal ones by index, and drop the first so many. */
function slow(scores: readonly number[], kept: number): number[] {
  const order = scores.map((s, i) => [Math.abs(s), i] as const).sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  const mask = scores.map(() => 1);
  for (const [, i] of order.slice(0, scores.length - kept)) mask[i] = 0;
  return mask;
}

const f = Math.fround;
const SHAPES = { conv1: [16, 3, 3, 3], conv2: [64, 16, 3, 3], linear: [10, 64] } as const;
const layers = Object.keys(SHAPES) as (keyof typeof SHAPES)[];
const size = (layer: keyof typeof SHAPES) => SHAPES[layer].reduce((a, b) => a * b, 1);

/** Weights, and scores in another order. */
function tensors(leaf: string, rates?: readonly number[]): Record<string, RawTensor> {
  return Object.fromEntries(
    layers.flatMap((layer, i) => [
      [`${layer}.weight`, ramp(SHAPES[layer])],
      [`${layer}.${leaf}`, ramp(SHAPES[layer], 104_729)],
      ...(rates ? [[`${layer}.k_score`, f32([rates[i] as number], [])]] : []),
    ]),
  );
}

/** HARP's rate of c, each operation in float32. */
const rateOf = (c: number, keepRatio: number) =>
  f(f(f(1 / (1 + Math.exp(-c))) * f(1 - 0.1 * keepRatio)) + f(0.1 * keepRatio));
const countAt = (n: number, rate: number) => n - Math.trunc(f(f(1 - rate) * f(n)));

describe("scores with one keep ratio", () => {
  test.each([0.5, 0.1, 0.05, 0.01])("HYDRA and RST at %d: all but trunc((1 - k) N) a layer", (keepRatio) => {
    for (const leaf of ["popup_scores", "scores"]) {
      const given = tensors(leaf);
      const expected = Object.fromEntries(
        layers.map((layer) => {
          const n = size(layer);
          return [`${layer}.weight`, slow(numbersOf(given[`${layer}.${leaf}`]), n - Math.trunc((1 - keepRatio) * n))];
        }),
      );
      expect(masksOf(checkpoint(given), { keepRatio })).toEqual(expected);
    }
  });

  test("432 weights at 0.1 keep 44, as the reference", () => {
    const mask = masksOf(checkpoint(tensors("popup_scores")), { keepRatio: 0.1 })["conv1.weight"];
    expect(mask?.reduce((a, b) => a + b, 0)).toBe(44);
  });

  test("layers without scores have no mask", () => {
    const { "linear.popup_scores": _, ...rest } = tensors("popup_scores");
    expect(Object.keys(masksOf(checkpoint(rest), { keepRatio: 0.1 }))).toEqual(["conv1.weight", "conv2.weight"]);
  });

  test("the keep ratio is asked for", () => {
    const found = checkpoint(tensors("popup_scores"));
    const needs =
      "the share that was kept, as --keep-ratio 0.1 (1 where nothing is pruned yet): the file does not say it, and its weights are dense";
    expect(planMasks(found)).toEqual({ source: "scores", needs, warnings: [] });
    expect(() => rebuildMasks(found)).toThrow(UsageError);
    expect(() => rebuildMasks(found)).toThrow(`f.pt: expected ${needs}`);
  });

  test.each([0, -1, 1.5, Number.NaN])("a keep ratio of %d is refused", (keepRatio) => {
    expect(() => planMasks(checkpoint(tensors("scores")), { keepRatio })).toThrow("a keep ratio in (0, 1]");
  });

  test("weights that were multiplied with their masks tell it", () => {
    const given = tensors("popup_scores");
    for (const layer of layers) {
      const n = size(layer);
      const mask = slow(numbersOf(given[`${layer}.popup_scores`]), n - Math.trunc((1 - 0.05) * n));
      const weight = numbersOf(given[`${layer}.weight`]).map((w, i) => w * (mask[i] as number));
      given[`${layer}.weight`] = f32(weight, SHAPES[layer]);
    }
    const found = checkpoint(given);
    expect(planMasks(found)).toMatchObject({ keepRatio: 0.05, inferred: "every layer has as many zeros as at 0.05" });
    expect(masksOf(found)).toEqual(masksOf(found, { keepRatio: 0.05 }));
    expect(planMasks(found, { keepRatio: 0.1 }).warnings).toEqual([
      "the keep ratio may be another one than 0.1: every layer has as many zeros as at 0.05",
    ]);
    given["linear.weight"] = ramp(SHAPES.linear);
    expect(planMasks(checkpoint(given)).needs).toContain("its zeros agree with no share for all layers");
  });

  test("scores of 0 and 1 are the mask", () => {
    const fixed = f32([1, 0, 0, 1, 1, 0], [2, 3]);
    const found = checkpoint({ "fc.weight": ramp([2, 3]), "fc.scores": fixed });
    expect(planMasks(found)).toMatchObject({ source: "stored", inferred: "the scores are 0 and 1" });
    expect(masksOf(found)).toEqual({ "fc.weight": [1, 0, 0, 1, 1, 0] });
  });
});

describe("scores of groups", () => {
  test("input channels: round(k C) of them, of halves the even one", () => {
    const conv = f32([5, -1, 4, 2, -3, 0.5], [1, 6, 1, 1]);
    const linear = f32([1, -9, 3, 2, 8], [1, 5]);
    const found = checkpoint({
      "conv.weight": ramp([2, 6, 2, 2]),
      "conv.popup_scores": conv,
      "fc.weight": ramp([3, 5]),
      "fc.popup_scores": linear,
    });
    const kept = (mask: number[] | undefined, out: number, each: number) => {
      const rows = Array.from({ length: out }, (_, o) =>
        mask?.slice(o * (mask.length / out), (o + 1) * (mask.length / out)),
      );
      for (const row of rows) expect(row).toEqual(rows[0]);
      return rows[0]?.filter((_, i) => i % each === 0);
    };
    // 0.5 of 6 is 3; 0.5 of 5 is 2.5, to the even 2.
    const masks = masksOf(found, { keepRatio: 0.5 });
    expect(kept(masks["conv.weight"], 2, 4)).toEqual([1, 0, 1, 0, 1, 0]);
    expect(kept(masks["fc.weight"], 3, 1)).toEqual([0, 1, 0, 0, 1]);
  });

  test.each([
    ["filters", [4], [4, 1, 1, 1]],
    ["kernels", [4, 3], [4, 3, 1, 1]],
    ["rows", [4, 3, 2], [4, 3, 2, 1]],
  ])("RST's %s: all but trunc((1 - k) n) groups", (_, shape, whole) => {
    const scores = ramp(shape);
    const found = checkpoint({ "conv.weight": ramp([4, 3, 2, 2]), "conv.scores": scores });
    expect(found.scores.get("conv.weight")?.shape).toEqual(whole);
    const n = shape.reduce((a, b) => a * b, 1);
    const groups = slow(numbersOf(scores), n - Math.trunc(0.7 * n));
    const each = 48 / n;
    const expected = Array.from({ length: 48 }, (__, i) => groups[Math.floor(i / each)]);
    expect(masksOf(found, { keepRatio: 0.3 })["conv.weight"]).toEqual(expected);
  });
});

describe("HARP", () => {
  /** c at which the rates keep `share` of all weights at K: the same for all layers but for what `tilt` moves about. */
  function ratesKeeping(share: number, keepRatio: number, tilt = 0.4): number[] {
    const floor = 0.1 * keepRatio;
    const tilted = [1 - tilt, 1, 1 + tilt];
    const sum = layers.reduce((all, layer, i) => all + size(layer) * (tilted[i] as number), 0);
    const all = layers.reduce((total, layer) => total + size(layer), 0);
    return tilted.map((t) => {
      const z = ((share * t * all) / sum - floor) / (1 - floor);
      return Math.log(z / (1 - z));
    });
  }

  test.each([0.2, 0.1, 0.05, 0.01])("K = %d given: each layer at its own rate, in float32", (keepRatio) => {
    const rates = ratesKeeping(keepRatio, keepRatio).map(f);
    const given = tensors("popup_scores", rates);
    const expected = Object.fromEntries(
      layers.map((layer, i) => {
        const kept = countAt(size(layer), rateOf(rates[i] as number, keepRatio));
        return [`${layer}.weight`, slow(numbersOf(given[`${layer}.popup_scores`]), kept)];
      }),
    );
    expect(masksOf(checkpoint(given), { keepRatio })).toEqual(expected);
  });

  test.each([
    [0.2, 0.2, "20"],
    [0.1, 0.1, "10"],
    [0.05, 0.0505, "5.05"],
    [0.01, 0.00995, "0.995"],
  ])("K = %d is inferred where the rates keep %d of the weights", (keepRatio, share, percent) => {
    const found = checkpoint(tensors("popup_scores", ratesKeeping(share, keepRatio)));
    const why = `at K = ${keepRatio} the rates keep ${percent} %`;
    expect(planMasks(found)).toEqual({ source: "rates", keepRatio, inferred: why, warnings: [] });
    expect(masksOf(found)).toEqual(masksOf(found, { keepRatio }));
  });

  test("another K than the rates agree with is used, with a warning", () => {
    const found = checkpoint(tensors("popup_scores", ratesKeeping(0.1, 0.1)));
    expect(planMasks(found, { keepRatio: 0.05 })).toEqual({
      source: "rates",
      keepRatio: 0.05,
      warnings: ["the keep ratio may be another one than 0.05: at K = 0.1 the rates keep 10 %, and 9.55 % at 0.05"],
    });
  });

  test.each<[string, readonly number[], string]>([
    [
      "a share that is not round",
      ratesKeeping(0.137, 0.137),
      "the rates agree with no round share (with themselves at 0.137)",
    ],
    ["rates that were never learned", [1, 1, 1], "they were never learned"],
  ])("%s is asked for", (_, rates, text) => {
    const found = checkpoint(tensors("popup_scores", rates));
    expect(planMasks(found).needs).toContain(text);
    expect(() => rebuildMasks(found)).toThrow(UsageError);
  });

  test("channels: K is asked for", () => {
    const found = checkpoint({
      "conv.weight": ramp([2, 6, 2, 2]),
      "conv.popup_scores": f32([5, -1, 4, 2, -3, 0.5], [1, 6, 1, 1]),
      "conv.k_score": f32([-0.7], []),
    });
    expect(planMasks(found).needs).toContain("held to operations");
    const kept = Math.round(6 * rateOf(-0.7, 0.1));
    const mask = masksOf(found, { keepRatio: 0.1 })["conv.weight"];
    expect(mask?.reduce((a, b) => a + b, 0)).toBe(2 * 4 * kept);
  });

  test("a layer with scores and no rate is refused", () => {
    const { "linear.k_score": _, ...rest } = tensors("popup_scores", ratesKeeping(0.1, 0.1));
    const found = checkpoint(rest);
    expect(() => rebuildMasks(found, { keepRatio: 0.1 })).toThrow(DataError);
    expect(() => rebuildMasks(found, { keepRatio: 0.1 })).toThrow("none for linear.weight");
  });

  test("the zeros of its dense exports are not taken for masks", () => {
    const found = checkpoint({ "fc.weight": f32([1, 0, 0, 1], [2, 2]), "fc.k_score": f32([-2], []) });
    expect(found.warnings).toHaveLength(1);
    expect(() => rebuildMasks(found)).toThrow("the checkpoint that this dense export of HARP was made from");
  });
});

describe("masks that need nothing", () => {
  const weight = f32([1, 0, -0, 4, 0, 6], [2, 3]);

  test("zeros of dense files; batch norm and biases have none", () => {
    const found = checkpoint({ "fc.weight": weight, "fc.bias": f32([0, 0], [2]), "bn.weight": f32([0, 1], [2]) });
    expect(planMasks(found)).toEqual({ source: "zeros", warnings: [] });
    expect(masksOf(found)).toEqual({ "fc.weight": [1, 0, 0, 1, 0, 1] });
  });

  test("only of the named weights", () => {
    const found = checkpoint({ "fc.weight": weight, "position.weight": weight });
    expect(Object.keys(masksOf(found, { prunable: ["fc.weight"] }))).toEqual(["fc.weight"]);
  });

  test("none of a network with hardly a zero", () => {
    const found = checkpoint({ "conv2.weight": ramp(SHAPES.conv2) });
    expect(planMasks(found)).toEqual({ source: "none", warnings: [] });
    expect(masksOf(found)).toEqual({});
  });

  test("FlyingBird's, under NAME_INDEX", () => {
    const stored = new Map<PtValue, PtValue>([["module.fc.weight_0", f32([1, 1, 0, 1, 0, 1], [2, 3])]]);
    const found = checkpoint({ "module.fc.weight": weight }, { mask_info: new Map([["masks", stored]]) });
    expect(found.layout).toBe("flyingbird");
    expect(masksOf(found)).toEqual({ "fc.weight": [1, 1, 0, 1, 0, 1] });
  });

  test.each<[string, Record<string, RawTensor>, string]>([
    [
      "of another shape",
      { "fc.weight_orig": weight, "fc.weight_mask": ramp([3, 2]) },
      '"fc.weight" [2,3], got "[3,2]"',
    ],
    ["of one that broadcasts", { "fc.weight_orig": weight, "fc.weight_mask": ramp([3]) }, 'got "[3]"'],
  ])("a mask %s is refused", (_, tensors, text) => {
    expect(() => rebuildMasks(checkpoint(tensors))).toThrow(DataError);
    expect(() => rebuildMasks(checkpoint(tensors))).toThrow(text);
  });

  test("a keep ratio for them is refused", () => {
    const found = checkpoint({ "fc.weight": weight });
    expect(() => planMasks(found, { keepRatio: 0.1 })).toThrow("f.pt: expected no --keep-ratio, got 0.1 and no scores");
  });
});

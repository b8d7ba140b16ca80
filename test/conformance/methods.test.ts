// What every pruning method keeps, whatever it does. A new method is a row of `rows`.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { linf, pgd } from "../../src/attacks/index.js";
import { pgdAt } from "../../src/losses/index.js";
import type { Model } from "../../src/models/index.js";
import { disposeParams, mapParams, type Params, param, pick } from "../../src/nn/index.js";
import { sgd } from "../../src/optim/index.js";
import {
  applyMasks,
  deadFilters,
  keptCount,
  type Method,
  maskDistance,
  measureSparsity,
  methods,
  swapFraction,
} from "../../src/pruning/index.js";
import { plain } from "../../src/sharpness/index.js";
import { liveTensors, manualSeed, ops, scope, type Tensor } from "../../src/torch/index.js";
import { loadGroups, saveGroups } from "../../src/train/checkpoint.js";
import { search } from "../../src/train/index.js";
import { rng } from "../../src/util/index.js";
import { bits, freeModel, tinyData, tinyNet } from "../support/tiny.js";

/** Options besides the keep ratio; `random` says that the state depends on the key. */
const rows: Readonly<Record<string, readonly { readonly options: object; readonly random: boolean }[]>> = {
  hydra: [
    { options: {}, random: false },
    { options: { scoreInit: "uniform" }, random: true },
    { options: { scoreInit: "kaiming-uniform" }, random: true },
    { options: { scoreInit: "kaiming-normal" }, random: true },
  ],
  magnitude: [{ options: {}, random: false }],
};
const table = Object.entries(rows).flatMap(([name, list]) =>
  list.map(({ options, random }) => ({
    label: `${name} ${JSON.stringify(options)}`,
    random,
    make: (keepRatio: number): Method => {
      const { options: schema, create } = methods.get(name);
      return create(schema.parse({ ...options, keepRatio }) as never, {});
    },
  })),
);
const ratios = [0.01, 0.05, 0.1, 0.2, 0.5, 0.99, 1];

let model: Model;
let live = 0;
beforeEach(() => {
  model = tinyNet();
  live = liveTensors();
});
afterEach(() => {
  expect(liveTensors()).toBe(live);
  freeModel(model);
});

test("every method has its rows", () => {
  expect(Object.keys(rows).sort()).toEqual(methods.names().sort());
});

describe.each(table)("$label", ({ make, random }) => {
  const state = (keepRatio = 0.1, seed = 1) => make(keepRatio).init(model, rng(seed, "search"));

  test("scores every prunable weight and nothing else, by the key, leaving the model as it is", () => {
    const before = bits(model.params, model.buffers);
    const { scores } = state();
    const [again, other] = [state(), state(0.1, 2)];
    expect([...scores.keys()]).toEqual(model.prunable);
    for (const [name, score] of scores) {
      expect(score.shape).toEqual(param(model.params, name).shape);
      expect(ops.equal(score, param(model.params, name)) && score === param(model.params, name)).toBe(false);
    }
    expect(bits(again.scores)).toEqual(bits(scores));
    if (random) expect(bits(other.scores)).not.toEqual(bits(scores));
    else expect(bits(other.scores)).toEqual(bits(scores));
    expect(bits(model.params, model.buffers)).toEqual(before);
    disposeParams(scores, again.scores, other.scores);
  });

  test.each(ratios)("at keep ratio %f: 0 or 1, and exactly the kept count in every layer", (keepRatio) => {
    const { scores } = state(keepRatio);
    const before = bits(scores);
    scope(() => {
      const masks = make(keepRatio).masks({ scores });
      expect([...masks.keys()]).toEqual(model.prunable);
      for (const [name, mask] of masks) {
        const values = mask.toNumbers();
        expect(mask.shape).toEqual(param(scores, name).shape);
        expect(values.every((value) => value === 0 || value === 1)).toBe(true);
        expect(values.reduce((a, b) => a + b, 0)).toBe(keptCount(mask.numel, keepRatio));
      }
      const total = measureSparsity(applyMasks(model.params, masks), model.prunable).total;
      expect(total).toBeCloseTo(1 - keepRatio, 1);
      expect(bits(make(keepRatio).masks({ scores }))).toEqual(bits(masks));
    });
    expect(bits(scores)).toEqual(before);
    disposeParams(scores);
  });

  test("keeps at a higher ratio all that it keeps at a lower one", () => {
    const { scores } = state();
    scope(() => {
      const masks = ratios.map((keepRatio) => make(keepRatio).masks({ scores }));
      for (let i = 1; i < masks.length; i++) {
        expect(swapFraction(masks[i - 1] as Params, masks[i] as Params)).toBe(0);
        expect(maskDistance(masks[i - 1] as Params, masks[i] as Params).hamming).toBeGreaterThan(0);
      }
    });
    disposeParams(scores);
  });

  test("pulls a gradient back to the scores of every weight, pruned ones included", () => {
    const { scores } = state();
    scope(() => {
      const weights = pick(model.params, model.prunable);
      const weightGradients = mapParams(weights, (w) => ops.ones(w.shape));
      const pulled = make(0.1).pullBack({ scores, weights, weightGradients }).scores;
      expect([...pulled.keys()]).toEqual(model.prunable);
      for (const [name, g] of pulled) {
        expect(g.shape).toEqual(param(scores, name).shape);
        expect(ops.sum(ops.ne(g, 0)).item()).toBe(g.numel);
      }
      // Linear in the gradient that arrives.
      const half = mapParams(weightGradients, (g) => ops.mul(g, 0.5));
      const halved = make(0.1).pullBack({ scores, weights, weightGradients: half }).scores;
      expect(bits(mapParams(halved, (g) => ops.mul(g, 2)))).toEqual(bits(pulled));
    });
    disposeParams(scores);
  });

  test("its state survives saving and loading", () => {
    const folder = mkdtempSync(join(tmpdir(), "s2ap-state-"));
    const { scores } = state();
    saveGroups(join(folder, "state.safetensors"), new Map([["scores", scores]]), { step: 7 });
    const { groups, meta } = loadGroups<{ step: number }>(join(folder, "state.safetensors"));
    const loaded = groups.get("scores") as Params;
    expect(meta).toEqual({ step: 7 });
    expect([...loaded.keys()].sort()).toEqual([...scores.keys()].sort());
    expect(bits(pick(loaded, scores.keys()))).toEqual(bits(scores));
    scope(() =>
      expect(bits(make(0.1).masks({ scores: pick(loaded, scores.keys()) }))).toEqual(bits(make(0.1).masks({ scores }))),
    );
    disposeParams(scores, loaded);
    rmSync(folder, { recursive: true });
  });

  test("searches, or says that it does not and gives its masks without", async () => {
    const method = make(0.1);
    const { train, selection } = tinyData();
    const loss = pgdAt(pgd(linf({ eps: "8/255" }), { steps: 1 }));
    const options = { train, selection, loss, optimizer: sgd({ lr: 0.1 }), method, gradient: plain() };
    const before = bits(pick(model.params, model.prunable));
    live = liveTensors();
    if (!method.searches) await expect(search(model, { ...options, epochs: 1 })).rejects.toThrow(/expected epochs 0/);
    const found = await search(model, { ...options, epochs: method.searches ? 1 : 0 });
    expect(bits(pick(found.model.params, model.prunable))).toEqual(before);
    expect(found.history).toHaveLength(method.searches ? 1 : 0);
    for (const mask of found.masks.values()) {
      scope(() => expect(ops.sum(mask).item()).toBe(keptCount(mask.numel, 0.1)));
    }
    disposeParams(found.model.params, found.model.buffers, found.masks);
  });
});

describe("measures of masks", () => {
  const drawn = (shape: readonly number[], seed: number): Tensor => {
    manualSeed(rng(seed));
    return ops.to(ops.gt(ops.uniform_(ops.empty(shape)), 0.7), "float32");
  };

  test("the distance is a metric, at most 1 for equal counts when divided by 2k", () => {
    scope(() => {
      const a = new Map([["w", drawn([40, 10], 1)]]);
      const b = new Map([["w", drawn([40, 10], 2)]]);
      expect(maskDistance(a, a)).toEqual({ hamming: 0, perKept: 0, layers: { w: 0 } });
      const { hamming, layers } = maskDistance(a, b);
      expect(maskDistance(b, a).hamming).toBe(hamming);
      expect(layers.w).toBe(hamming);
      const [x, y] = [a, b].map((m) => param(m, "w").toNumbers()) as [number[], number[]];
      expect(hamming).toBeCloseTo(x.filter((value, i) => value !== y[i]).length / 400, 12);
      const opposite = new Map([["w", ops.sub(ops.ones([40, 10]), param(a, "w"))]]);
      expect(maskDistance(a, opposite).hamming).toBe(1);
    });
  });

  test("dead filters are those without a kept weight", () => {
    scope(() => {
      const mask = ops.ones([3, 2, 2, 2]);
      ops.zero_(ops.select(mask, 0, 1));
      expect(deadFilters(mask).toNumbers()).toEqual([0, 1, 0]);
      expect(deadFilters(mask).shape).toEqual([3, 1, 1, 1]);
    });
  });
});

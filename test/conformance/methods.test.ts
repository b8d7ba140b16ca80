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
  type MethodState,
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
import { slowGradient } from "../support/slow-gradient.js";
import { bits, freeModel, tinyData, tinyNet } from "../support/tiny.js";

/**
 * How many weights stay. `layer`: keptCount of each layer's; `total`: keptCount of all together; `groups`: keptCount of
 * each layer's groups, or all where the layout says that the layer stays whole; `pattern`: as n:m says; `own`: as the
 * method decides, which its own tests hold it to.
 */
type Counts = "layer" | "total" | "groups" | "pattern" | "own";

interface Row {
  /** Besides the keep ratio. */
  readonly options: object;
  /** Whether the state depends on the key. */
  readonly random?: true;
  readonly counts?: Counts;
}
/** Of methods that offer every structure. */
const structures: readonly Row[] = [
  ...["filters", "channels", "rows", "kernels"].map((structure) => ({
    options: { structure },
    counts: "groups" as const,
  })),
  ...["2:4", "1:4", "3:8"].map((pattern) => ({ options: { structure: "n:m", pattern }, counts: "pattern" as const })),
];
const rows: Readonly<Record<string, readonly Row[]>> = {
  hydra: [
    { options: {} },
    { options: { scoreInit: "uniform" }, random: true },
    { options: { scoreInit: "kaiming-uniform" }, random: true },
    { options: { scoreInit: "kaiming-normal" }, random: true },
    ...structures,
    { options: { structure: "filters", scoreInit: "kaiming-normal" }, random: true, counts: "groups" },
  ],
  harp: [
    { options: {}, counts: "own" },
    { options: { mode: "scores" } },
    { options: { mode: "rates", initialRates: "erk" }, counts: "own" },
    { options: { structure: "channels" }, counts: "own" },
  ],
  rst: [{ options: {}, random: true }, ...structures.map((row) => ({ ...row, random: true as const }))],
  magnitude: [{ options: {} }, { options: { scope: "global" }, counts: "total" }, ...structures],
  lamp: [{ options: {}, counts: "total" }],
  erk: [
    { options: {}, counts: "total" },
    { options: { rank: "random" }, random: true, counts: "total" },
  ],
  random: [
    { options: {}, random: true },
    { options: { budget: "erk" }, random: true, counts: "total" },
  ],
  snip: [{ options: {}, counts: "total" }, { options: { scope: "layer", loss: "crossEntropy", batches: 2 } }],
};
const table = Object.entries(rows).flatMap(([name, list]) =>
  list.map(({ options, random = false, counts = "layer" as Counts }) => ({
    label: `${name} ${JSON.stringify(options)}`,
    random,
    counts,
    make: (keepRatio: number): Method => {
      const { options: schema, create } = methods.get(name);
      const given = counts === "pattern" ? options : { ...options, keepRatio };
      return create(schema.parse(given) as never, {});
    },
  })),
);

/** Kept entries of a mask, by the name of its weight; `keepRatio` is what the method was given. */
function expectCounts(of: Counts, masks: Params, { layout }: MethodState, keepRatio: number): void {
  const kept = new Map(Array.from(masks, ([name, mask]) => [name, scope(() => ops.sum(mask).item())]));
  const weights = [...masks.values()].reduce((total, mask) => total + mask.numel, 0);
  if (of === "total") {
    const total = [...kept.values()].reduce((a, b) => a + b, 0);
    expect(total).toBe(keptCount(weights, keepRatio));
  }
  for (const [name, { numel }] of masks) {
    const grouping = layout?.weights.get(name);
    const groups = grouping?.scores.reduce((a, b) => a * b, 1) ?? numel;
    const { n = 1, m = 1 } = layout?.pattern ?? {};
    if (of === "layer") expect(kept.get(name), name).toBe(keptCount(numel, keepRatio));
    if (of === "groups") {
      expect(kept.get(name), name).toBe(grouping?.whole ? numel : keptCount(groups, keepRatio) * (numel / groups));
    }
    if (of === "pattern") expect(kept.get(name), name).toBe(grouping?.whole ? numel : (numel * n) / m);
  }
}
/** Of all tests: what one of them made and lost would be freed in the midst of another. */
const data = tinyData();
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

describe.each(table)("$label", ({ make, random, counts }) => {
  /** As a search would give them: those of a loss that grows with each weight. */
  const gradients = () => mapParams(pick(model.params, model.prunable), (w) => ops.add(ops.mul(w, 2), 0.01));
  const state = (keepRatio = 0.1, seed = 1) => make(keepRatio).init(model, rng(seed, "search"), gradients);
  const free = (...states: MethodState[]) => {
    for (const { scores, trained = new Map() } of states) disposeParams(scores, trained);
  };

  test("scores every prunable weight and nothing else, by the key, leaving the model as it is", () => {
    const before = bits(model.params, model.buffers);
    const first = state();
    const [again, other] = [state(), state(0.1, 2)];
    const { scores, layout } = first;
    expect([...scores.keys()]).toEqual(model.prunable);
    for (const [name, score] of scores) {
      expect(score.shape).toEqual(layout?.weights.get(name)?.scores ?? param(model.params, name).shape);
      expect(score).not.toBe(param(model.params, name));
    }
    expect(bits(again.scores)).toEqual(bits(scores));
    if (random) expect(bits(other.scores)).not.toEqual(bits(scores));
    else expect(bits(other.scores)).toEqual(bits(scores));
    expect(bits(model.params, model.buffers)).toEqual(before);
    free(first, again, other);
  });

  test.each(ratios)("at keep ratio %f: 0 or 1, and exactly the kept count", (keepRatio) => {
    const at = state(keepRatio);
    const before = bits(at.scores);
    scope(() => {
      const masks = make(keepRatio).masks(at);
      expect([...masks.keys()]).toEqual(model.prunable);
      for (const [name, mask] of masks) {
        expect(mask.shape).toEqual(param(model.params, name).shape);
        expect(mask.toNumbers().every((value) => value === 0 || value === 1)).toBe(true);
      }
      expectCounts(counts, masks, at, keepRatio);
      if (counts === "layer" || counts === "total") {
        const { total } = measureSparsity(applyMasks(model.params, masks), model.prunable);
        expect(total).toBeCloseTo(1 - keepRatio, 1);
      }
      expect(bits(make(keepRatio).masks(at))).toEqual(bits(masks));
    });
    expect(bits(at.scores)).toEqual(before);
    free(at);
  });

  test("pulls a gradient back straight through the mask, pruned weights included", () => {
    const at = state();
    scope(() => {
      const weights = pick(model.params, model.prunable);
      const weightGradients = mapParams(weights, (w) => ops.cos(ops.mul(w, 9)));
      const pulled = make(0.1).pullBack({ ...at, weights, weightGradients }).scores;
      expect([...pulled.keys()]).toEqual(model.prunable);
      for (const [name, wanted] of slowGradient(at, weights, weightGradients)) {
        const got = param(pulled, name);
        expect(got.shape).toEqual(param(at.scores, name).shape);
        got.toNumbers().forEach((g, i) => {
          expect(g).toBeCloseTo(wanted[i] as number, 5);
        });
        expect(ops.sum(ops.ne(got, 0)).item()).toBe(got.numel);
      }
      // Linear in the gradient that arrives.
      const half = mapParams(weightGradients, (g) => ops.mul(g, 0.5));
      const halved = make(0.1).pullBack({ ...at, weights, weightGradients: half }).scores;
      expect(bits(mapParams(halved, (g) => ops.mul(g, 2)))).toEqual(bits(pulled));
    });
    free(at);
  });

  test("its state survives saving and loading", () => {
    const folder = mkdtempSync(join(tmpdir(), "s2ap-state-"));
    const at = state();
    const { scores, trained = new Map() } = at;
    const groups = new Map([
      ["scores", scores],
      ["trained", trained],
    ]);
    saveGroups(join(folder, "state.safetensors"), groups, { step: 7 });
    const { groups: loaded, meta } = loadGroups<{ step: number }>(join(folder, "state.safetensors"));
    const [again, rates = new Map()] = [loaded.get("scores") as Params, loaded.get("trained")];
    expect(meta).toEqual({ step: 7 });
    expect([...again.keys()].sort()).toEqual([...scores.keys()].sort());
    expect(bits(pick(again, scores.keys()))).toEqual(bits(scores));
    const restored = { ...at, scores: pick(again, scores.keys()), ...(at.trained && { trained: rates }) };
    scope(() => expect(bits(make(0.1).masks(restored))).toEqual(bits(make(0.1).masks(at))));
    disposeParams(scores, trained, again, rates);
    rmSync(folder, { recursive: true });
  });

  test("searches, or says that it does not and gives its masks without", async () => {
    const method = make(0.1);
    const loss = pgdAt(pgd(linf({ eps: "8/255" }), { steps: 1 }));
    const options = { ...data, loss, optimizer: sgd({ lr: 0.1 }), method, gradient: plain() };
    const drawn = method.initWeights?.(model, rng(0, "search", "weights"));
    const before = bits(pick(drawn ?? model.params, model.prunable));
    if (drawn) disposeParams(drawn);
    const at = state();
    live = liveTensors();
    if (!method.searches) await expect(search(model, { ...options, epochs: 1 })).rejects.toThrow(/expected epochs 0/);
    const found = await search(model, { ...options, epochs: method.searches ? 1 : 0 });
    expect(bits(pick(found.model.params, model.prunable))).toEqual(before);
    expect(found.history).toHaveLength(method.searches ? 1 : 0);
    expectCounts(counts, found.masks, at, 0.1);
    disposeParams(found.model.params, found.model.buffers, found.masks);
    expect(liveTensors()).toBe(live);
    free(at);
    live = liveTensors();
  });
});

// A pattern is one ratio; how much HARP keeps is part of its state.
const ranked = table.filter(({ counts }) => counts !== "pattern" && counts !== "own");
test.each(ranked)("$label keeps at a higher ratio all that it keeps at a lower one", ({ make, counts }) => {
  const gradients = () => mapParams(pick(model.params, model.prunable), (w) => ops.mul(w, 2));
  const at = make(0.1).init(model, rng(1, "search"), gradients);
  scope(() => {
    const masks = ratios.map((keepRatio) => make(keepRatio).masks(at));
    for (let i = 1; i < masks.length; i++) {
      const [fewer, more] = [masks[i - 1], masks[i]] as [Params, Params];
      expect(swapFraction(fewer, more)).toBe(0);
      // Of few groups, two ratios may keep the same number.
      if (counts !== "groups") expect(maskDistance(fewer, more).hamming).toBeGreaterThan(0);
    }
  });
  disposeParams(at.scores);
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

import { afterAll, describe, expect, test } from "vitest";
import { groupAt, indices, slowGradient } from "../../test/support/slow-gradient.js";
import { describedModel, type Model, resnet18 } from "../models/index.js";
import { disposeParams, mapParams, param, pick } from "../nn/index.js";
import { manualSeed, ops, scope, type Tensor, tensor } from "../torch/index.js";
import { rng } from "../util/index.js";
import { hydra } from "./hydra.js";
import { keptCount } from "./kept-count.js";
import { magnitude } from "./magnitude.js";
import { measureSparsity } from "./mask.js";
import { type Layout, layoutOf, type StructureName } from "./structure.js";
import { keepPattern } from "./structure-masks.js";

const drawn = (name: string, shape: readonly number[]): Tensor => {
  manualSeed(rng(3, name));
  return ops.normal_(ops.empty(shape, { dtype: "float64" }));
};

/** Convolutions whose outputs are added, a layer that reads the sum flattened, and one that reads it as it is. */
function addingNet(): Model {
  const conv = (name: string, inputs: number, outputs: number) => ({
    op: "conv2d",
    name,
    in: inputs,
    out: outputs,
    kernel: 3,
    padding: 1,
    bias: false,
  });
  const description = {
    input: [3, 2, 2],
    classes: 3,
    ops: [
      conv("stem", 3, 4),
      { op: "relu" },
      { op: "store", id: "x" },
      conv("inner", 4, 6),
      { op: "relu" },
      conv("outer", 6, 4),
      { op: "add", id: "x" },
      { op: "flatten" },
      { op: "linear", name: "head", in: 16, out: 3 },
    ],
  };
  const shapes = { stem: [4, 3, 3, 3], inner: [6, 4, 3, 3], outer: [4, 6, 3, 3], head: [3, 16] };
  return scope(() => {
    const tensors = new Map(Object.entries(shapes).map(([name, shape]) => [`${name}.weight`, drawn(name, shape)]));
    return describedModel(description, tensors.set("head.bias", ops.zeros([3])), { dtype: "float64" });
  });
}

const model = addingNet();
const net = resnet18({ width: 4 });
afterAll(() => disposeParams(model.params, model.buffers, net.params, net.buffers));

type Choice = { structure: StructureName; pattern?: string };
const choices: readonly Choice[] = [
  { structure: "weights" },
  { structure: "filters" },
  { structure: "channels" },
  { structure: "rows" },
  { structure: "kernels" },
  { structure: "n:m", pattern: "1:2" },
];
const methodOf = (choice: Choice, keepRatio = 0.5) =>
  hydra({ ...choice, ...(choice.pattern === undefined && { keepRatio }), scoreInit: "kaiming-normal" });

describe.each(choices)("%o", (choice) => {
  test("the gradient is the sum over the group, entry by entry", () => {
    const state = methodOf(choice).init(model, rng(1));
    scope(() => {
      const weights = pick(model.params, model.prunable);
      const weightGradients = mapParams(weights, (w, name) => drawn(`g ${name}`, w.shape));
      const found = methodOf(choice).pullBack({ ...state, weights, weightGradients }).scores;
      for (const [name, wanted] of slowGradient(state, weights, weightGradients)) {
        const got = param(found, name).toNumbers();
        got.forEach((value, i) => {
          expect(value).toBeCloseTo(wanted[i] as number, 10);
        });
      }
    });
    disposeParams(state.scores);
  });

  test("every entry of a group has its score's fate, the groups of largest sum of |s| stay", () => {
    const state = methodOf(choice).init(model, rng(1));
    scope(() => {
      const masks = methodOf(choice).masks(state);
      for (const [name, mask] of masks) {
        const grouping = state.layout?.weights.get(name);
        expect(mask.shape).toEqual(param(model.params, name).shape);
        if (grouping?.whole) {
          expect(measureSparsity(new Map([[name, mask]]), [name]).total).toBe(0);
          continue;
        }
        if (choice.structure === "n:m") continue;
        const score = param(state.scores, name);
        const fates = new Array<Set<number>>(score.numel);
        const values = mask.toNumbers();
        let flat = 0;
        for (const at of indices(mask.shape)) {
          const group = groupAt(choice.structure, { scores: score.shape, shape: mask.shape }, at);
          fates[group] = (fates[group] ?? new Set()).add(values[flat++] as number);
        }
        expect(fates.every((fate) => fate.size === 1)).toBe(true);
        const sums = new Array<number>(score.numel).fill(0);
        for (const other of grouping?.tied ?? [name]) {
          const one = param(state.scores, other).toNumbers();
          one.forEach((s, i) => {
            sums[i] = (sums[i] as number) + Math.abs(s);
          });
        }
        const kept = sums.filter((_, i) => fates[i]?.has(1));
        const gone = sums.filter((_, i) => fates[i]?.has(0));
        expect(kept).toHaveLength(keptCount(sums.length, 0.5));
        expect(Math.min(...kept)).toBeGreaterThan(Math.max(...gone, 0));
      }
    });
    disposeParams(state.scores);
  });
});

describe("layers that share channels", () => {
  const tied = (of: Model, structure: StructureName) =>
    Object.fromEntries(
      Array.from((layoutOf(of, { structure }) as Layout).weights, ([name, { tied: all, whole }]) => [
        name.replace(".weight", ""),
        whole ? "whole" : all.map((other) => other.replace(".weight", "")).join(" "),
      ]),
    );

  test("keep the same filters where their outputs are added", () => {
    expect(tied(model, "filters")).toEqual({ stem: "stem outer", inner: "inner", outer: "stem outer", head: "whole" });
    const first = "conv1 layer1.0.conv2 layer1.1.conv2";
    expect(tied(net, "filters")).toMatchObject({
      conv1: first,
      "layer1.0.conv1": "layer1.0.conv1",
      "layer1.1.conv2": first,
      "layer3.0.shortcut.0": "layer3.0.conv2 layer3.0.shortcut.0 layer3.1.conv2",
      linear: "whole",
    });
  });

  test("keep the same channels where they read the same values; the image stays whole", () => {
    expect(tied(model, "channels")).toEqual({ stem: "whole", inner: "inner head", outer: "outer", head: "inner head" });
    expect(tied(net, "channels")).toMatchObject({
      conv1: "whole",
      "layer1.0.conv1": "layer1.0.conv1 layer1.1.conv1 layer2.0.conv1 layer2.0.shortcut.0",
      "layer1.0.conv2": "layer1.0.conv2",
      "layer4.1.conv1": "layer4.1.conv1 linear",
    });
  });

  test("without the model's word each layer is by itself, the last one's filters and the first one's channels whole", () => {
    const mute = { ...model, streams: undefined };
    expect(tied(mute, "filters")).toEqual({ stem: "stem", inner: "inner", outer: "outer", head: "whole" });
    expect(tied(mute, "channels")).toEqual({ stem: "whole", inner: "inner", outer: "outer", head: "head" });
  });

  test.each(["filters", "channels"] as const)(
    "%s that are removed can be cut out: nothing of them is left",
    (structure) => {
      const state = magnitude({ structure, keepRatio: 0.5 }).init(net, rng(1));
      scope(() => {
        const masks = magnitude({ structure, keepRatio: 0.5 }).masks(state);
        const kept = (layer: string, of: "writers" | "readers") => {
          const mask = param(masks, `${layer}.weight`);
          const others = mask.shape.map((_, i) => i).filter((i) => i !== (of === "writers" ? 0 : 1));
          return ops.amax(mask, { dim: others }).toNumbers().join("");
        };
        const end = structure === "filters" ? "writers" : "readers";
        for (const stream of net.streams ?? []) {
          expect(new Set(stream[end].map((layer) => kept(layer, end))).size).toBeLessThanOrEqual(1);
        }
      });
      disposeParams(state.scores);
    },
  );
});

describe("n:m", () => {
  test("keeps n of each m input channels at each filter and kernel position, the last of equal ones", () => {
    // One filter, 4 input channels, a kernel of 1 x 2: blocks run down the columns.
    const rows = [3, 1, 1, 5, 2, 2, 0, 0];
    const given = tensor(Float64Array.from(rows), [1, 4, 1, 2]);
    expect(keepPattern(given, { n: 1, m: 2 }).toNumbers()).toEqual([1, 0, 0, 1, 1, 1, 0, 0]);
    expect(keepPattern(given, { n: 1, m: 4 }).toNumbers()).toEqual([1, 0, 0, 1, 0, 0, 0, 0]);
    expect(keepPattern(tensor(new Float64Array(8), [2, 4]), { n: 1, m: 4 }).toNumbers()).toEqual([
      0, 0, 0, 1, 0, 0, 0, 1,
    ]);
  });

  test.each(["1:2", "2:4", "1:4", "3:8", "2:3"])("%s: exactly n in each block, the largest", (pattern) => {
    const [n, m] = pattern.split(":").map(Number) as [number, number];
    const values = drawn(pattern, [5, 24, 3, 3]);
    scope(() => {
      const mask = keepPattern(ops.abs(values), { n, m }).toNumbers();
      const magnitudes = ops.abs(values).toNumbers();
      for (const [o, h] of [
        [0, 0],
        [4, 8],
        [2, 5],
      ] as const) {
        for (let block = 0; block < 24; block += m) {
          const at = Array.from({ length: m }, (_, j) => (o * 24 + block + j) * 9 + h);
          const kept = at.filter((i) => mask[i] === 1).map((i) => magnitudes[i] as number);
          const gone = at.filter((i) => mask[i] === 0).map((i) => magnitudes[i] as number);
          expect(kept).toHaveLength(n);
          expect(Math.min(...kept)).toBeGreaterThan(Math.max(...gone));
        }
      }
      expect(mask.reduce((a, b) => a + b, 0)).toBe((5 * 24 * 9 * n) / m);
    });
  });

  test("leaves a layer dense whose input channels do not divide, and says so in the measured sparsity", () => {
    const state = magnitude({ structure: "n:m", pattern: "2:4" }).init(model, rng(1));
    scope(() => {
      const masks = magnitude({ structure: "n:m", pattern: "2:4" }).masks(state);
      const { layers } = measureSparsity(masks, model.prunable);
      expect(layers).toEqual({ "stem.weight": 0, "inner.weight": 0.5, "outer.weight": 0, "head.weight": 0.5 });
    });
    disposeParams(state.scores);
  });

  test("a pattern that fits no layer is refused", () => {
    expect(() => hydra({ structure: "n:m", pattern: "1:5" }).init(model, rng(1))).toThrow(
      "structure n:m: expected a layer whose input channels divide by 5, got [3,4,6,16]",
    );
  });

  test.each([
    [{ structure: "n:m" }, "hydra: expected pattern to be n:m, such as 2:4, got nothing"],
    [{ structure: "n:m", pattern: "2-4" }, 'hydra: expected pattern to be n:m, such as 2:4, got "2-4"'],
    [{ structure: "n:m", pattern: "4:4" }, 'hydra: expected pattern to keep fewer than all, n < m, got "4:4"'],
    [
      { structure: "n:m", pattern: "2:4", keepRatio: 0.5 },
      "hydra: expected keepRatio to be left out, as the pattern n:m says it, got 0.5",
    ],
    [
      { keepRatio: 0.5, pattern: "2:4" },
      'hydra: expected pattern to be left out, as only the structure n:m has one, got "2:4"',
    ],
    [{}, "hydra: expected keepRatio in (0, 1], got nothing"],
    [{ keepRatio: 0.5, structure: "blocks" }, "hydra: expected structure to be one of weights, filters, channels"],
  ])("%o is refused", (options, message) => {
    expect(() => hydra(options as Parameters<typeof hydra>[0])).toThrow(message);
  });
});

describe("first scores of groups", () => {
  test("are in proportion to the sum of |w|, so that the first mask is that of magnitude pruning", () => {
    for (const structure of ["filters", "channels", "rows", "kernels"] as const) {
      const [searched, ranked] = [hydra({ structure, keepRatio: 0.5 }), magnitude({ structure, keepRatio: 0.5 })];
      const states = [searched.init(model, rng(1)), ranked.init(model, rng(1))] as const;
      scope(() => {
        const name = "inner.weight";
        const [a, b] = [param(searched.masks(states[0]), name), param(ranked.masks(states[1]), name)];
        if (structure !== "channels") expect(a.toNumbers()).toEqual(b.toNumbers());
        const weight = param(model.params, name).toNumbers();
        const sum = weight.slice(0, 36).reduce((total, w) => total + Math.abs(w), 0);
        if (structure === "filters") expect(param(states[1].scores, name).toNumbers()[0]).toBeCloseTo(sum, 12);
        const mass = ops.amax(param(states[0].scores, name)).item();
        const fan = { filters: 1, channels: 1, rows: 12, kernels: 4 }[structure];
        expect(mass).toBeCloseTo(Math.sqrt(6 / fan), 12);
      });
      disposeParams(states[0].scores, states[1].scores);
    }
  });
});

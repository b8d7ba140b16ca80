// What every model keeps: names and counts as PyTorch's state_dict has them. A new model is a row of `rows`.
import { describe, expect, test } from "vitest";
import { type Model, models, withState } from "../../src/models/index.js";
import { keptCount } from "../../src/pruning/index.js";
import { grad, liveTensors, ops, scope } from "../../src/torch/index.js";
import { bits, copyOf, freeModel } from "../support/tiny.js";

interface Row {
  /** Options at which the published counts hold. */
  readonly standard: object;
  /** Options of a net that is quick to run. */
  readonly small: object;
  /** Entries of a dense state_dict, trainable numbers, prunable layers and their weights. */
  readonly entries: number;
  readonly trainable: number;
  readonly layers: number;
  readonly prunable: number;
  /** Weights kept in all, at 20, 10, 5 and 1 %. */
  readonly kept: readonly [number, number, number, number];
  /** Names that a loader of published checkpoints looks for, with their shapes. */
  readonly names: Readonly<Record<string, readonly number[]>>;
  /** Prunable names at these positions: module order, shortcuts behind their block. */
  readonly order: Readonly<Record<number, string>>;
}
const rows: Readonly<Record<string, Row>> = {
  resnet18: {
    standard: { numClasses: 10 },
    small: { width: 4, imageSize: 16, numClasses: 5 },
    entries: 122,
    trainable: 11_173_962,
    layers: 21,
    prunable: 11_164_352,
    kept: [2_232_880, 1_116_445, 558_228, 111_653],
    names: {
      "conv1.weight": [64, 3, 3, 3],
      "bn1.weight": [64],
      "bn1.bias": [64],
      "bn1.running_mean": [64],
      "bn1.running_var": [64],
      "bn1.num_batches_tracked": [],
      "layer1.0.conv1.weight": [64, 64, 3, 3],
      "layer1.1.conv2.weight": [64, 64, 3, 3],
      "layer2.0.conv1.weight": [128, 64, 3, 3],
      "layer2.0.shortcut.0.weight": [128, 64, 1, 1],
      "layer2.0.shortcut.1.running_var": [128],
      "layer4.1.bn2.bias": [512],
      "linear.weight": [10, 512],
      "linear.bias": [10],
    },
    order: {
      0: "conv1.weight",
      7: "layer2.0.shortcut.0.weight",
      12: "layer3.0.shortcut.0.weight",
      17: "layer4.0.shortcut.0.weight",
      20: "linear.weight",
    },
  },
};

function make(name: string, options: object, seed = 0): Model {
  const { options: schema, create } = models.get(name);
  return create(schema.parse(options) as never, { seed });
}

test("every model has its row", () => {
  expect(Object.keys(rows).sort()).toEqual(models.names().sort());
});

describe.each(Object.entries(rows))("%s", (name, row) => {
  test("has the names and counts of its standard form", () => {
    const model = make(name, row.standard);
    const entries = new Map([...model.params, ...model.buffers]);
    expect(entries.size).toBe(model.params.size + model.buffers.size);
    expect(entries.size).toBe(row.entries);
    for (const [key, shape] of Object.entries(row.names)) expect(entries.get(key)?.shape, key).toEqual(shape);
    const numel = (names: Iterable<string>) =>
      Array.from(names, (key) => entries.get(key)?.numel ?? Number.NaN).reduce((a, b) => a + b, 0);
    expect(numel(model.params.keys())).toBe(row.trainable);
    expect(model.prunable).toHaveLength(row.layers);
    expect(numel(model.prunable)).toBe(row.prunable);
    for (const [at, key] of Object.entries(row.order)) expect(model.prunable[Number(at)]).toBe(key);
    const kept = [0.2, 0.1, 0.05, 0.01].map((k) =>
      model.prunable.reduce((sum, key) => sum + keptCount(entries.get(key)?.numel ?? 0, k), 0),
    );
    expect(kept).toEqual(row.kept);
    freeModel(model);
  });

  test("prunes convolution and linear weights, all of them and nothing else", () => {
    const model = make(name, row.small);
    const wanted = [...model.params].filter(([, t]) => t.shape.length > 1).map(([key]) => key);
    expect([...model.prunable].sort()).toEqual(wanted.sort());
    expect(model.prunable.every((key) => key.endsWith(".weight"))).toBe(true);
    freeModel(model);
  });

  test("is built again from its spec, by the seed", () => {
    const model = make(name, row.small, 3);
    const { arch, ...options } = model.spec;
    const [again, other] = [make(arch, options, 3), make(arch, options, 4)];
    expect(arch).toBe(name);
    expect(bits(again.params, again.buffers)).toEqual(bits(model.params, model.buffers));
    expect(bits(other.params)).not.toEqual(bits(model.params));
    for (const each of [model, again, other]) freeModel(each);
  });

  test("gives logits, a gradient to every parameter, and writes statistics with `update` only", () => {
    const model = make(name, row.small);
    const before = bits(model.params, model.buffers);
    const live = liveTensors();
    scope(() => {
      const x = ops.uniform_(ops.empty([3, ...model.inputShape]));
      const leaves = new Map(Array.from(model.params, ([key, t]) => [key, ops.detach(t).setRequiresGrad(true)]));
      for (const batchNorm of ["running", "batch"] as const) {
        const logits = model.forward({ params: leaves, buffers: model.buffers }, x, { batchNorm });
        expect(logits.shape).toEqual([3, model.numClasses]);
        const gradients = grad(ops.sum(ops.mul(logits, logits)), [...leaves.values()]);
        expect(gradients.map((g) => g.shape)).toEqual([...leaves.values()].map((t) => t.shape));
        expect(bits(model.params, model.buffers)).toEqual(before);
      }
      const moved = copyOf(model);
      moved.forward(moved, x, { batchNorm: "update" });
      expect(bits(moved.params)).toEqual(bits(model.params));
      expect(bits(moved.buffers)).not.toEqual(bits(model.buffers));
      freeModel(moved);
    });
    expect(liveTensors()).toBe(live);
    freeModel(model);
  });

  test("runs on any other state of its shape", () => {
    const [model, other] = [make(name, row.small, 1), make(name, row.small, 2)];
    scope(() => {
      const x = ops.ones([2, ...model.inputShape]);
      const logits = (of: Model, state: Model) => of.forward(state, x, { batchNorm: "running" }).toArray();
      expect(logits(model, other)).toEqual(logits(other, other));
      expect(logits(withState(model, other), other)).toEqual(logits(other, other));
      expect(logits(model, model)).not.toEqual(logits(other, other));
    });
    freeModel(model);
    freeModel(other);
  });
});

// What every model keeps: names and counts as PyTorch's state_dict has them. A new model is a row of model-rows.ts.
import { describe, expect, test } from "vitest";
import { type Model, models, withState } from "../../src/models/index.js";
import { keptCount } from "../../src/pruning/index.js";
import { grad, liveTensors, ops, scope } from "../../src/torch/index.js";
import { bits, copyOf, freeModel } from "../support/tiny.js";
import { rows } from "./model-rows.js";

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
    // A transformer's class token and positions are no layer's weights.
    const matrices = [...model.params].filter(([, t]) => t.shape.length > 1).map(([key]) => key);
    const wanted = matrices.filter((key) => key !== "cls_token" && key !== "pos_embed");
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
      // A network without batch norm has nothing to write.
      expect(bits(moved.buffers).length).toBe(model.buffers.size);
      if (model.buffers.size > 0) expect(bits(moved.buffers)).not.toEqual(bits(model.buffers));
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

// What every loss keeps, whatever it does. A new loss is a row of `rows`.
import { describe, expect, test } from "vitest";
import { linf, pgd } from "../../src/attacks/index.js";
import { losses, type RobustLoss } from "../../src/losses/index.js";
import { bindNetwork, type Model, resnet18 } from "../../src/models/index.js";
import { param } from "../../src/nn/index.js";
import { grad, liveTensors, noGrad, ops, scope, type Tensor } from "../../src/torch/index.js";
import { rng } from "../../src/util/index.js";
import { bits, copyOf, freeModel, tinyData, tinyNet } from "../support/tiny.js";

interface Row {
  readonly options: object;
  /** What passes through the network in a step's evaluation, in order: each moves batch norm's statistics. */
  readonly passes: readonly ("clean" | "adversarial")[];
}
const rows: Readonly<Record<string, readonly Row[]>> = {
  "pgd-at": [
    { options: {}, passes: ["adversarial"] },
    { options: { bnUpdates: "reference" }, passes: ["clean", "adversarial"] },
  ],
  trades: [
    { options: {}, passes: ["clean", "adversarial"] },
    { options: { beta: 0.5 }, passes: ["clean", "adversarial"] },
    { options: { bnUpdates: "reference" }, passes: ["clean", "clean", "adversarial", "clean"] },
  ],
};
const threat = linf({ eps: "8/255" });
const attack = pgd(threat, { steps: 2 });

function make(name: string, options: object): RobustLoss {
  const { options: schema, create } = losses.get(name);
  return create(schema.parse(options) as never, { attack });
}
const table = Object.entries(rows).flatMap(([name, list]) =>
  list.map((row) => ({ label: `${name} ${JSON.stringify(row.options)}`, loss: make(name, row.options), ...row })),
);
const batch = tinyData().train.ordered(0, 16);

test("every loss has its rows", () => {
  expect(Object.keys(rows).sort()).toEqual(losses.names().sort());
});

describe.each(table)("$label", ({ loss, passes }) => {
  const craft = (model: Model, seed = 1, x = batch.x) => {
    const { victim } = bindNetwork(model, model);
    return loss.craft(victim, x, batch.y, { rng: rng(seed) });
  };

  test("crafts inside its threat's ball, by the key, and changes nothing else", () => {
    const model = tinyNet();
    const before = { bits: bits(model.params, model.buffers), live: liveTensors() };
    scope(() => {
      const xAdv = craft(model);
      const delta = ops.abs(ops.sub(xAdv, batch.x));
      expect(loss.threat).toBe(threat);
      expect(ops.amax(delta).item()).toBeLessThanOrEqual(threat.eps * (1 + 1e-6) + 1e-7);
      expect(ops.amax(delta).item()).toBeGreaterThan(threat.eps / 2);
      expect(ops.amin(xAdv).item()).toBeGreaterThanOrEqual(0);
      expect(ops.amax(xAdv).item()).toBeLessThanOrEqual(1);
      expect(craft(model).toArray()).toEqual(xAdv.toArray());
      expect(craft(model, 2).toArray()).not.toEqual(xAdv.toArray());
      expect(xAdv.requiresGrad).toBe(false);
    });
    expect({ bits: bits(model.params, model.buffers), live: liveTensors() }).toEqual(before);
    freeModel(model);
  });

  test("moves the statistics once a pass, in this order, while crafting moves none", () => {
    const model = resnet18({ width: 4, imageSize: 8, numClasses: 4 });
    const byHand = copyOf(model);
    scope(() => {
      const xAdv = craft(model);
      const { forward } = bindNetwork(model, model);
      loss.evaluate(forward("update"), { ...batch, xAdv });
      const hand = bindNetwork(byHand, byHand).forward("update");
      noGrad(() => {
        for (const which of passes) hand(which === "clean" ? batch.x : xAdv);
      });
    });
    expect(param(model.buffers, "layer4.1.bn2.num_batches_tracked").item()).toBe(passes.length);
    expect(bits(model.buffers)).toEqual(bits(byHand.buffers));
    freeModel(model);
    freeModel(byHand);
  });

  test("under batch statistics gives the same loss and moves nothing", () => {
    const model = tinyNet();
    const before = bits(model.buffers);
    scope(() => {
      const xAdv = craft(model);
      const value = (mode: "batch" | "update") =>
        loss.evaluate(bindNetwork(model, model).forward(mode), { ...batch, xAdv });
      const first = value("batch");
      expect(bits(model.buffers)).toEqual(before);
      expect(value("update").loss.item()).toBe(first.loss.item());
      expect(bits(model.buffers)).not.toEqual(before);
      expect(first.robustLogits.shape).toEqual([16, 4]);
    });
    freeModel(model);
  });

  test("is a finite scalar that falls along its gradient", () => {
    const model = tinyNet();
    scope(() => {
      const leaves = new Map(
        Array.from(model.params, ([name, t]) => [name, ops.clone(t).setRequiresGrad(true)] as const),
      );
      const xAdv = craft(model);
      const at = (params: ReadonlyMap<string, Tensor>) =>
        loss.evaluate(bindNetwork(model, { params, buffers: model.buffers }).forward("batch"), { ...batch, xAdv }).loss;
      const value = at(leaves);
      const names = [...leaves.keys()];
      const gradients = grad(value, [...leaves.values()]);
      expect(value.shape).toEqual([]);
      expect(Number.isFinite(value.item())).toBe(true);
      for (const [i, g] of gradients.entries()) {
        expect(ops.amax(ops.abs(g)).item(), `gradient of ${names[i]}`).toBeGreaterThan(0);
      }
      const moved = new Map(
        names.map((name, i) => [name, ops.sub(param(leaves, name), ops.mul(gradients[i] as Tensor, 0.01))]),
      );
      expect(at(moved).item()).toBeLessThan(value.item());
    });
    freeModel(model);
  });
});

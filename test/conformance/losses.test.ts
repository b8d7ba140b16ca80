// What every loss keeps, whatever it does. A new loss is a row of `rows`.
import { afterAll, describe, expect, test } from "vitest";
import { linf, pgd } from "../../src/attacks/index.js";
import { losses, type RobustLoss } from "../../src/losses/index.js";
import { bindNetwork, type Model, resnet18 } from "../../src/models/index.js";
import { disposeParams, param } from "../../src/nn/index.js";
import { grad, liveTensors, manualSeed, noGrad, ops, scope, type Tensor } from "../../src/torch/index.js";
import { craftExamples } from "../../src/train/loss-pass.js";
import { rng } from "../../src/util/index.js";
import { bits, copyOf, freeModel, tinyData, tinyNet } from "../support/tiny.js";

interface Row {
  readonly options: object;
  /** What passes through the network in a step's evaluation, in order: each moves batch norm's statistics. */
  readonly passes: readonly ("clean" | "adversarial")[];
  /** What comes out of crafting: examples that attack inside the ball (default), noise without bounds, or the images. */
  readonly crafts?: "attacks" | "noise" | "nothing";
  /** Whether crafting draws random numbers; default true. */
  readonly random?: boolean;
  /** Passes of crafting, which with batch norm in train mode move the statistics before the others; default none. */
  readonly moving?: number;
}
const rows: Readonly<Record<string, readonly Row[]>> = {
  "pgd-at": [
    { options: {}, passes: ["adversarial"] },
    { options: { bnUpdates: "reference" }, passes: ["clean", "adversarial"] },
    { options: { attackMode: "train" }, passes: ["adversarial"], moving: 2 },
  ],
  trades: [
    { options: {}, passes: ["clean", "adversarial"] },
    { options: { beta: 0.5 }, passes: ["clean", "adversarial"] },
    { options: { bnUpdates: "reference" }, passes: ["clean", "clean", "adversarial", "clean"] },
  ],
  // Two long steps from x + 0.001 N(0,1) end at the faces of the ball, whatever the noise was.
  mart: [
    { options: {}, passes: ["clean", "adversarial"], random: false },
    { options: { bnUpdates: "reference" }, passes: ["clean", "clean", "adversarial"], random: false },
  ],
  natural: [
    { options: {}, passes: ["clean"], crafts: "nothing" },
    { options: { labelSmoothing: 0.1 }, passes: ["clean"], crafts: "nothing" },
  ],
  "fgsm-rs": [
    { options: {}, passes: ["adversarial"] },
    { options: { attackMode: "train", labelSmoothing: 0.1 }, passes: ["adversarial"], moving: 1 },
    {
      options: { start: "none", stepSize: "0.0300", bnUpdates: "reference" },
      passes: ["clean", "adversarial"],
      random: false,
    },
  ],
  "free-at": [
    { options: {}, passes: ["adversarial"], random: false },
    { options: { replays: 2, stepSize: "2/255" }, passes: ["adversarial"], random: false },
  ],
  smoothing: [
    { options: {}, passes: ["clean", "adversarial"], crafts: "noise" },
    { options: { form: "noisy", sigma: 0.5 }, passes: ["adversarial"], crafts: "noise" },
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

/** Noise of a replaying loss as after some steps: anything inside the ball, with values at its faces and beyond the box. */
function memoryOf({ replay }: RobustLoss): Map<string, Tensor> | undefined {
  const memory = replay?.memory(batch.x.shape);
  manualSeed(rng(4, "memory"));
  for (const tensor of memory?.values() ?? []) {
    ops.clamp_(ops.uniform_(tensor, { low: -2 * threat.eps, to: 2 * threat.eps }), {
      min: -threat.eps,
      max: threat.eps,
    });
  }
  return memory;
}

test("every loss has its rows", () => {
  expect(Object.keys(rows).sort()).toEqual(losses.names().sort());
});

describe.each(table)("$label", ({ loss, passes, crafts = "attacks", random = true, moving = 0 }) => {
  const memory = memoryOf(loss);
  afterAll(() => disposeParams(memory ?? new Map()));
  const craft = (model: Model, seed = 1, x = batch.x) =>
    craftExamples(loss, bindNetwork(model, model), { x, y: batch.y }, { rng: rng(seed), memory });

  test("crafts inside its threat's ball, by the key, and changes nothing else", () => {
    const model = tinyNet();
    const before = { bits: bits(model.params), live: liveTensors() };
    const statistics = bits(model.buffers);
    scope(() => {
      const xAdv = craft(model);
      expect(loss.threat).toBe(threat);
      expect(xAdv.shape).toEqual(batch.x.shape);
      expect(xAdv.requiresGrad).toBe(loss.replay !== undefined);
      expect(craft(model).toArray()).toEqual(xAdv.toArray());
      if (random && crafts !== "nothing") expect(craft(model, 2).toArray()).not.toEqual(xAdv.toArray());
      const moved = ops.amax(ops.abs(ops.sub(xAdv, batch.x))).item();
      if (crafts === "nothing") expect(moved).toBe(0);
      if (crafts === "noise") expect(moved).toBeGreaterThan(threat.eps);
      if (crafts !== "attacks") return;
      expect(moved).toBeLessThanOrEqual(threat.eps * (1 + 1e-6) + 1e-7);
      expect(moved).toBeGreaterThan(threat.eps / 2);
      expect(ops.amin(xAdv).item()).toBeGreaterThanOrEqual(0);
      expect(ops.amax(xAdv).item()).toBeLessThanOrEqual(1);
    });
    expect({ bits: bits(model.params), live: liveTensors() }).toEqual(before);
    if (moving === 0) expect(bits(model.buffers)).toEqual(statistics);
    else expect(bits(model.buffers)).not.toEqual(statistics);
    freeModel(model);
  });

  test("moves the statistics once a pass, in this order, and in crafting only in train mode", () => {
    const model = resnet18({ width: 4, imageSize: 8, numClasses: 4 });
    scope(() => craft(model));
    expect(param(model.buffers, "layer4.1.bn2.num_batches_tracked").item()).toBe(moving);
    const byHand = copyOf(model);
    scope(() => {
      // The same images for both, whatever the statistics are by now.
      const xAdv = ops.add(batch.x, 0.01);
      const { forward } = bindNetwork(model, model);
      loss.evaluate(forward("update"), { ...batch, xAdv });
      const hand = bindNetwork(byHand, byHand).forward("update");
      noGrad(() => {
        for (const which of passes) hand(which === "clean" ? batch.x : xAdv);
      });
    });
    expect(param(model.buffers, "layer4.1.bn2.num_batches_tracked").item()).toBe(moving + passes.length);
    expect(bits(model.buffers)).toEqual(bits(byHand.buffers));
    freeModel(model);
    freeModel(byHand);
  });

  test("under batch statistics gives the same loss and moves nothing", () => {
    const model = tinyNet();
    const copy = copyOf(model);
    const before = bits(model.buffers);
    scope(() => {
      const xAdv = ops.detach(craft(copy));
      const value = (mode: "batch" | "update") =>
        loss.evaluate(bindNetwork(model, model).forward(mode), { ...batch, xAdv });
      const first = value("batch");
      expect(bits(model.buffers)).toEqual(before);
      expect(value("update").loss.item()).toBe(first.loss.item());
      expect(bits(model.buffers)).not.toEqual(before);
      expect(first.robustLogits.shape).toEqual([16, 4]);
    });
    freeModel(model);
    freeModel(copy);
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

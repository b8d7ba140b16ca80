// Local passes against whole ones: every registered kind of network that has maps, squares of every size and at borders.
import { expect, test } from "vitest";
import { expectClose } from "../../test/support/close.js";
import { settledTensors } from "../../test/support/settled.js";
import { countPasses } from "../nn/index.js";
import { manualSeed, ops, scope, type Tensor } from "../torch/index.js";
import { parseOptions, rng } from "../util/index.js";
import { folded } from "./fold.js";
import { localNetwork } from "./local-passes.js";
import type { Model } from "./model.js";
import { models } from "./registry.js";

const networks: readonly (readonly [string, Record<string, unknown>])[] = [
  ["resnet18", { width: 4 }],
  ["resnet18", { width: 4, normalize: { mean: [0.5, 0.4, 0.3], std: [0.2, 0.3, 0.4] } }],
  ["resnet50", { width: 4 }],
  ["preactresnet18", { width: 4 }],
  ["vgg11_bn", {}],
  ["wrn_28_4", {}],
  ["cnn_small", {}],
];

const rows = 4;
const random = (shape: readonly number[], name: string) => {
  manualSeed(rng(7, name));
  return ops.uniform_(ops.empty(shape));
};
const squares = (side: number, length: number) => ({
  tops: Int32Array.of(0, length - side, Math.floor((length - side) / 2), 0),
  lefts: Int32Array.of(0, length - side, 3, length - side),
  side,
});

/** x with other pixels in the squares. */
function changed(x: Tensor, { tops, lefts, side }: ReturnType<typeof squares>): Tensor {
  const y = ops.clone(x);
  for (let i = 0; i < rows; i++) {
    const place = ops.narrow(
      ops.narrow(ops.narrow(y, 0, i, 1), 2, tops[i] as number, side),
      3,
      lefts[i] as number,
      side,
    );
    ops.copy_(place, random(place.shape, `square ${i}`));
  }
  return y;
}

function build(name: string, options: Record<string, unknown>): Model {
  const { options: schema, create } = models.get(name);
  return create(parseOptions(name, schema, options) as never, { seed: 1 });
}

test.each(networks)("%s %j", async (name, options) => {
  const model = build(name, options);
  const live = await settledTensors();
  scope(() => {
    const state = folded(model);
    const passes = countPasses();
    const local = localNetwork(model, state, passes);
    if (local === undefined) throw new Error("no operations");
    const whole = (x: Tensor) => model.forward(state, x, { batchNorm: "running" });
    const [channels, length] = model.inputShape;
    const x = random([rows, channels, length, length], "x");
    using known = local.knowing(x);
    for (const side of [1, 2, 5, 9]) {
      const at = squares(side, length);
      const y = changed(x, at);
      const all = known.logits(y, Int32Array.of(0, 1, 2, 3), at);
      expectClose(`side ${side}`, all, whole(y), 1e-5);
      const some = { ...at, tops: at.tops.slice(1, 3), lefts: at.lefts.slice(1, 3) };
      const two = known.logits(y, Int32Array.of(1, 2), some);
      expectClose(`side ${side}, some`, two, ops.narrow(whole(y), 0, 1, 2), 1e-5);
    }
    // Nothing of that has changed what is known; what is learned has.
    const at = squares(3, length);
    const y = changed(x, at);
    const again = () => known.logits(y, Int32Array.of(0, 1, 2, 3), at).toNumbers();
    const before = again();
    known.learn(y, [1, 3]);
    expect(again()).toEqual(before);
    const none = { ...at, tops: at.tops.slice(1, 2), lefts: at.lefts.slice(1, 2), side: 1 };
    expectClose("learned", known.logits(y, Int32Array.of(1), none), ops.narrow(whole(y), 0, 1, 1), 1e-5);
    expect(passes).toEqual({ forward: 11, backward: 0 });
  });
  expect(await settledTensors()).toBe(live);
});

test("in bfloat16 differ by its rounding from whole ones, and give float32", () => {
  scope(() => {
    const model = build("resnet18", { width: 4 });
    const state = folded(model, { precision: "bfloat16" });
    const x = random([rows, 3, 32, 32], "x");
    const at = squares(3, 32);
    const y = changed(x, at);
    using known = localNetwork(model, state, countPasses())?.knowing(x);
    const near = known?.logits(y, Int32Array.of(0, 1, 2, 3), at) as Tensor;
    expect(near.dtype).toBe("float32");
    const whole = ops.to(model.forward(state, y, { batchNorm: "running" }), "float32");
    expectClose("logits", near, whole, 0.01, { relativeTo: "largest" });
  });
});

test("save where squares are small, and neither where most of a map changes nor in a network of little work", () => {
  scope(() => {
    const saves = (width: number, images: number) => {
      const model = build("resnet18", { width });
      const local = localNetwork(model, folded(model), countPasses());
      return [1, 7, 14, 32].map((side) => local?.saves(side, images));
    };
    expect(saves(64, 8)).toEqual([true, true, false, false]);
    expect(saves(32, 1)).toEqual([false, false, false, false]);
    expect(saves(16, 128)).toEqual([false, false, false, false]);
  });
});

test("are for networks only whose operations are known", () => {
  scope(() => {
    const { operations: _, ...model } = build("resnet18", { width: 4 });
    expect(localNetwork(model, folded(model), countPasses())).toBeUndefined();
  });
});

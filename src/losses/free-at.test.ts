import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { l2, linf, type Victim } from "../attacks/index.js";
import { countPasses, disposeParams } from "../nn/index.js";
import { liveTensors, ops, scope, type Tensor, tensor } from "../torch/index.js";
import { rng } from "../util/index.js";
import { freeAt } from "./free-at.js";
import type { CraftedBatch, Replay, RobustLoss } from "./loss.js";

const eps = 0.125;
const threat = linf({ eps });
const key = rng(1);
const none: Victim = {
  logits: () => {
    throw new Error("crafting takes no pass");
  },
  passes: countPasses(),
};

let live = 0;
beforeEach(() => {
  live = liveTensors();
});
afterEach(() => expect(liveTensors()).toBe(live));

const image = (...values: readonly number[]) => tensor(Float32Array.from(values), [values.length / 2, 1, 1, 2]);
const y = (n: number) => ops.zeros([n], { dtype: "int64" });

/** A loss and its memory, for two images of two pixels at a time. */
function begun(options: Parameters<typeof freeAt>[1] = {}): {
  loss: RobustLoss;
  replay: Replay;
  memory: Map<string, Tensor>;
} {
  const loss = freeAt(threat, options);
  const replay = loss.replay as Replay;
  return { loss, replay, memory: replay.memory([2, 1, 1, 2]) };
}

describe("the noise of Free-AT", () => {
  test("begins at zero, moves by eps along the gradient's sign, and is clipped to the ball", () => {
    const { loss, replay, memory } = begun();
    const noise = memory.get("noise") as Tensor;
    scope(() => {
      const x = image(0.5, 0.5, 0.5, 0.5);
      const batch = (): CraftedBatch => ({ x, y: y(2), xAdv: loss.craft(none, x, y(2), { rng: key, memory }) });
      expect(batch().xAdv.toNumbers()).toEqual([0.5, 0.5, 0.5, 0.5]);
      replay.learn(memory, batch(), image(3, -0.1, 0, 1e-9));
      expect(noise.toNumbers()).toEqual([eps, -eps, 0, eps]);
      expect(batch().xAdv.toNumbers()).toEqual([0.5 + eps, 0.5 - eps, 0.5, 0.5 + eps]);
      replay.learn(memory, batch(), image(3, 3, -3, -3));
      expect(noise.toNumbers()).toEqual([eps, 0, -eps, 0]);
    });
    disposeParams(memory);
  });

  test("stays where the box cuts, and so does not in the direction that the gradient through the cut is zero in", () => {
    const { loss, replay, memory } = begun({ stepSize: 0.0625 });
    scope(() => {
      const x = image(0.03125, 0.03125, 1, 0.5);
      const batch = (): CraftedBatch => ({ x, y: y(2), xAdv: loss.craft(none, x, y(2), { rng: key, memory }) });
      // At the first step nothing is cut; then the first pixel is below 0 and the third above 1.
      replay.learn(memory, batch(), image(-1, 1, 1, 1));
      expect(batch().xAdv.toNumbers()).toEqual([0, 0.09375, 1, 0.5625]);
      replay.learn(memory, batch(), image(1, 1, -1, 1));
      expect(memory.get("noise")?.toNumbers()).toEqual([-0.0625, 0.125, 0.0625, 0.125]);
    });
    disposeParams(memory);
  });

  test("of a short batch is the buffer's first rows", () => {
    const { loss, replay, memory } = begun();
    scope(() => {
      const x = image(0.5, 0.5);
      const batch = (): CraftedBatch => ({ x, y: y(1), xAdv: loss.craft(none, x, y(1), { rng: key, memory }) });
      replay.learn(memory, batch(), image(1, -1));
      expect(memory.get("noise")?.toNumbers()).toEqual([eps, -eps, 0, 0]);
      expect(batch().xAdv.toNumbers()).toEqual([0.5 + eps, 0.5 - eps]);
    });
    disposeParams(memory);
  });
});

test("Free-AT is refused without its noise, and in another norm", () => {
  expect(() => scope(() => freeAt(threat).craft(none, image(0, 0), y(1), { rng: key }))).toThrow(
    "free-at: expected the noise of the stage as its memory, got nothing",
  );
  expect(() => freeAt(l2({ eps: 1 }))).toThrow('free-at: expected a threat in linf, got "l2"');
});

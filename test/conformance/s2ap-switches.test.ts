// What each option of S2AP changes, and what it leaves.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { linf, pgd } from "../../src/attacks/index.js";
import { trades } from "../../src/losses/index.js";
import type { Model } from "../../src/models/index.js";
import { disposeParams, type Params, param } from "../../src/nn/index.js";
import { hydra } from "../../src/pruning/index.js";
import { type Evaluation, plain, s2ap } from "../../src/sharpness/index.js";
import { ops, present, scope, type Tensor } from "../../src/torch/index.js";
import { rng } from "../../src/util/index.js";
import { type Asked, searchStep } from "../support/search-step.js";
import { bits, freeModel, trainedTiny } from "../support/tiny.js";

type Options = NonNullable<Parameters<typeof s2ap>[0]>;
const attack = pgd(linf({ eps: "8/255" }), { steps: 2 });
const method = hydra({ keepRatio: 0.2 });

let model: Model;
let initial: Params;
beforeAll(async () => {
  model = await trainedTiny();
  initial = method.init(model, rng(1)).scores;
});
afterAll(() => {
  disposeParams(initial);
  freeModel(model);
});

/** Where the answer was taken, minus the scores. */
const last = (asked: readonly Asked[]) => present(asked.at(-1), "a pass").shift;

describe("switches of s2ap", () => {
  const usual: Options = { gamma: 0.3 };
  const robust = trades(attack);
  const step = (options: Options, more: { epoch?: number; weightDecay?: number; scores?: Params } = {}) =>
    searchStep({
      model,
      scores: initial,
      method,
      loss: robust,
      gradient: s2ap({ ...usual, ...options }),
      ...more,
    });

  test.each<[string, Options, { weightDecay?: number }]>([
    ["recraft (D1)", { recraft: true }, {}],
    ["ascentSteps (D2)", { ascentSteps: 2 }, {}],
    ["randomStart (D2)", { randomStart: true }, {}],
    ["norm linf (D3)", { norm: "linf" }, {}],
    ["norm global (D3)", { norm: "global" }, {}],
    ["norm asam (D3)", { norm: "asam" }, {}],
    ["decayAt (D4)", { decayAt: "s+z" }, { weightDecay: 5e-2 }],
    ["statistics running (D5)", { statistics: "running" }, {}],
    ["perturb (D6)", { perturb: "magnitudes" }, {}],
    ["warmupEpochs (D8)", { warmupEpochs: 7 }, {}],
    ["warmupFraction (D8)", { warmupFraction: 0.7 }, {}],
    ["ascentLoss (D9)", { ascentLoss: "crossEntropy" }, {}],
  ])("%s changes the gradient", (_, options, more) => {
    scope(() => {
      expect(bits(step(options, more).found.scores)).not.toEqual(bits(step({}, more).found.scores));
    });
  });

  test("statistics perturbed (D5) changes what batch norm remembers, not the gradient", () => {
    scope(() => {
      const [first, perturbed] = [step({}), step({ statistics: "perturbed" })];
      expect(bits(perturbed.found.scores)).toEqual(bits(first.found.scores));
      expect(bits(perturbed.buffers)).not.toEqual(bits(first.buffers));
    });
  });

  test.each(["scores", "magnitudes"] as const)("decayAt (D4) adds exactly weightDecay z, z being on %s", (perturb) => {
    scope(() => {
      const [at, beyond] = [
        step({ perturb }, { weightDecay: 0.5 }),
        step({ perturb, decayAt: "s+z" }, { weightDecay: 0.5 }),
      ];
      for (const [name, z] of last(at.asked)) {
        const added = ops.sub(param(beyond.found.scores, name), param(at.found.scores, name));
        const error = ops.amax(ops.abs(ops.sub(added, ops.mul(z, 0.5)))).item();
        expect(error, name).toBeLessThan(1e-6);
      }
    });
  });

  test("magnitudes (D6) never carry a score through zero", () => {
    scope(() => {
      const scores = initial;
      const crossed = (options: Options) =>
        Array.from(last(step(options).asked), ([name, z]) => {
          const s = param(scores, name);
          return ops.sum(ops.lt(ops.mul(s, ops.add(s, z)), 0)).item();
        }).reduce((a, b) => a + b, 0);
      expect(crossed({})).toBeGreaterThan(0);
      expect(crossed({ perturb: "magnitudes" })).toBe(0);
    });
  });

  test("before the end of the warm-up (D8) the step is the host's", () => {
    scope(() => {
      const host = searchStep({
        model,
        scores: initial,
        method,
        loss: robust,
        gradient: plain(),
      });
      const early = step({ warmupEpochs: 5 }, { epoch: 4 });
      expect(bits(early.found.scores, early.found.rest, early.buffers)).toEqual(
        bits(host.found.scores, host.found.rest, host.buffers),
      );
      expect(early.passes).toEqual(host.passes);
      expect(early.found.log).toEqual({});
      expect(step({ warmupEpochs: 4 }, { epoch: 4 }).asked).toHaveLength(2);
    });
  });

  test("filters without a kept weight get z = 0 when they are excluded", () => {
    scope(() => {
      const scores = new Map(initial);
      const name = "conv2.weight";
      const weak = ops.clone(param(scores, name));
      // Two filters whose scores are the smallest of their layer.
      ops.mul_(ops.narrow(weak, 0, 3, 2), 1e-6);
      scores.set(name, weak);
      const shiftOf = (deadFilters: "include" | "exclude") =>
        param(last(step({ deadFilters }, { scores }).asked), name);
      const parts = (z: Tensor) => ({
        dead: ops.amax(ops.abs(ops.narrow(z, 0, 3, 2))).item(),
        alive: ops.amax(ops.abs(ops.narrow(z, 0, 0, 3))).item(),
      });
      expect(parts(shiftOf("exclude")).dead).toBe(0);
      expect(parts(shiftOf("exclude")).alive).toBeGreaterThan(0);
      expect(parts(shiftOf("include")).dead).toBeGreaterThan(0);
      const { log } = step({}, { scores }).found;
      expect(log.deadFilterShare).toBeGreaterThan(0);
      expect(log.deadFilterShare).toBeLessThanOrEqual(1);
    });
  });

  test("what it logs is what happened", () => {
    scope(() => {
      const { found, asked } = step({});
      const [first, second] = asked.map((one) => one.evaluation) as [Evaluation, Evaluation];
      expect(found.loss).toBe(first.loss);
      expect(found.log.sharpnessGap).toBe(second.loss - first.loss);
      const kept = (masks: Params) => [...masks.values()].reduce((sum, m) => sum + ops.sum(m).item(), 0);
      const gone = Array.from(first.masks, ([name, m]) => ops.sum(ops.gt(m, param(second.masks, name))).item()).reduce(
        (a, b) => a + b,
        0,
      );
      expect(found.log.swapFraction).toBeCloseTo(gone / kept(first.masks), 12);
      expect(found.log.swapFraction).toBeGreaterThan(0);
      expect(bits(found.scores)).toEqual(bits(second.scores));
      expect(bits(found.rest)).toEqual(bits(second.rest));
    });
  });
});

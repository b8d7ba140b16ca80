import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { finiteDifferences } from "../../test/support/finite-difference.js";
import { bits, freeModel, tinyData, tinyNet } from "../../test/support/tiny.js";
import { linf, pgd } from "../attacks/index.js";
import { pgdAt } from "../losses/index.js";
import { disposeParams, mapParams, type Params, param } from "../nn/index.js";
import { sgd } from "../optim/index.js";
import { openRun, readEvents, withoutTimes } from "../run/index.js";
import { s2ap } from "../sharpness/index.js";
import { liveTensors, ops, scope, type Tensor, tensor } from "../torch/index.js";
import { type SearchOptions, search } from "../train/index.js";
import { rng } from "../util/index.js";
import { harp } from "./harp.js";
import { hydra } from "./hydra.js";
import type { MethodState } from "./method.js";
import { keptAtRate, type Learned, learnedRates } from "./rates.js";

type Options = Parameters<typeof harp>[0];

const rateOf = (c: Tensor, floor: number) => (learnedRates(new Map([["c", c]]), floor).get("c") as Learned).rate;

/** Tensors by a formula of the index, float64. */
const wave = (shape: readonly number[], step: number): Tensor => {
  const count = shape.reduce((a, b) => a * b, 1);
  return tensor(
    Float64Array.from({ length: count }, (_, i) => Math.sin(step * (i + 1))),
    shape,
  );
};
const shapes = { a: [4, 3, 3, 3], b: [5, 4] } as const;
const names = Object.keys(shapes) as (keyof typeof shapes)[];
const waves = (step: number) => new Map(names.map((name) => [name, wave(shapes[name], step)] as const));
const stateAt = (c: Readonly<Record<string, number>>, more: Partial<MethodState> = {}): MethodState => ({
  scores: waves(0.7),
  trained: new Map(names.map((name) => [name, tensor(c[name] as number, [], { dtype: "float64" })])),
  numbers: { gain: 0, frozen: 0 },
  ...more,
});

/** A smooth function of dense weights, and its gradient. */
const lossOf = (theta: Params) =>
  Array.from(theta.values(), (t) => t.toNumbers().reduce((sum, x, i) => sum + Math.sin(x * (1 + (i % 5))), 0)).reduce(
    (a, b) => a + b,
  );
const slopeOf = (theta: Params) =>
  mapParams(theta, (t) => {
    const at = t.toNumbers().map((x, i) => (1 + (i % 5)) * Math.cos(x * (1 + (i % 5))));
    return tensor(Float64Array.from(at), t.shape);
  });

describe("gradients", () => {
  const options: Options = { keepRatio: 0.3 };
  const at = { a: -0.4, b: -1.2 };

  test("of c are those of finite differences, with the mask moving as a whole by what the rate moves", () => {
    scope(() => {
      const [method, state, weights] = [harp(options), stateAt(at), waves(0.31)];
      const masks = method.masks(state);
      const theta = mapParams(weights, (w, name) => ops.mul(w, param(masks, name)));
      const { trained, scores } = method.pullBack({ ...state, weights, weightGradients: slopeOf(theta) });
      for (const name of names) {
        const floor = 0.1 * 0.3;
        const start = rateOf(tensor(at[name], [], { dtype: "float64" }), floor);
        const lossAt = (c: Tensor) => {
          const change = rateOf(c, floor) - start;
          return lossOf(
            new Map([...theta, [name, ops.add(param(theta, name), ops.mul(param(weights, name), change))]]),
          );
        };
        const [wanted] = finiteDifferences(lossAt, tensor(at[name], [], { dtype: "float64" }));
        expect(param(trained as Params, name).item()).toBeCloseTo(wanted as number, 6);
        const parts = [state.scores, weights, slopeOf(theta)].map((p) => param(p, name).toNumbers());
        const [s, w, g] = parts as [number[], number[], number[]];
        for (const [i, value] of param(scores, name).toNumbers().entries()) {
          expect(value).toBeCloseTo(Math.sign(s[i] as number) * (w[i] as number) * (g[i] as number), 12);
        }
      }
    });
  });

  test.each([0, 3])("of the budget are those of finite differences, in epoch %i", (epoch) => {
    scope(() => {
      const method = harp({ ...options, gain: 0.5 });
      const found = method.penalty?.(stateAt(at), { epoch, epochs: 9 });
      const rates = names.map((name) => rateOf(tensor(at[name], [], { dtype: "float64" }), 0.03));
      const share = (108 * (rates[0] as number) + 20 * (rates[1] as number)) / 128;
      expect(found?.loss).toBeCloseTo((epoch + 1) * 0.5 * (share / 0.3 - 1), 10);
      for (const name of names) {
        const lossAt = (c: Tensor) =>
          method.penalty?.(stateAt({ ...at, [name]: c.item() }), { epoch, epochs: 9 }).loss as number;
        const [wanted] = finiteDifferences(lossAt, tensor(at[name], [], { dtype: "float64" }));
        expect(wanted).toBeGreaterThan(0);
        expect(param(found?.trained as Params, name).item()).toBeCloseTo(wanted as number, 7);
      }
    });
  });

  test("of a budget that is kept are zero", () => {
    scope(() => {
      const found = harp(options).penalty?.(stateAt({ a: -5, b: -5 }), { epoch: 2, epochs: 9 });
      expect(found?.loss).toBe(0);
      for (const g of found?.trained.values() ?? []) expect(g.item()).toBe(0);
    });
  });
});

describe("masks", () => {
  test("keep of each layer what its rate says in float32", () => {
    scope(() => {
      const state = stateAt({ a: -0.4, b: -1.2 });
      const method = harp({ keepRatio: 0.3 });
      const rates = method.keepRatios?.(state) as Record<string, number>;
      for (const [name, mask] of method.masks(state)) {
        const kept = keptAtRate(mask.numel, rates[name] as number);
        expect(ops.sum(mask).item()).toBe(kept);
        expect(kept).toBeGreaterThan(0);
      }
      expect(rates.a).not.toBe(rates.b);
    });
  });

  test.each([0.05, 0.1, 0.2])("of `scores` are HYDRA's at keep ratio %f", (keepRatio) => {
    const model = tinyNet();
    const method = harp({ keepRatio, mode: "scores" });
    const state = method.init(model, rng(1));
    scope(() => {
      expect(state.trained).toBeUndefined();
      expect(bits(method.masks(state))).toEqual(bits(hydra({ keepRatio }).masks(state)));
      expect(method.penalty).toBeUndefined();
    });
    disposeParams(state.scores);
    freeModel(model);
  });

  test.each(["erk", "lamp"] as const)("of `scores` at %s rates keep the budget too", (initialRates) => {
    const model = tinyNet();
    const method = harp({ keepRatio: 0.2, mode: "scores", initialRates });
    const state = method.init(model, rng(1));
    scope(() => {
      const masks = [...method.masks(state).values()];
      const total = (of: (mask: Tensor) => number) => masks.map(of).reduce((a, b) => a + b, 0);
      expect(total((m) => ops.sum(m).item()) / total((m) => m.numel)).toBeCloseTo(0.2, 2);
      expect(new Set(Object.values(method.keepRatios?.(state) ?? {})).size).toBeGreaterThan(1);
    });
    disposeParams(state.scores);
    freeModel(model);
  });
});

describe("the schedule", () => {
  const method = harp({ keepRatio: 0.3, gain: 0.5 });
  const above = { a: 2, b: 2 };
  const below = { a: -3, b: -3 };

  test("freezes the gain at the first epoch that keeps the budget, and for good", () => {
    scope(() => {
      const open = method.epochEnd?.(stateAt(above), { epoch: 0, epochs: 9 });
      expect(open).toEqual({ gain: 0.5, frozen: 0 });
      const numbers = method.epochEnd?.(stateAt(below), { epoch: 2, epochs: 9 }) ?? {};
      expect(numbers).toEqual({ gain: 1.5, frozen: 1 });
      const later = stateAt(above, { numbers });
      expect(method.epochEnd?.(later, { epoch: 7, epochs: 9 })).toEqual({ gain: 1.5, frozen: 1 });
      const frozen = method.penalty?.(later, { epoch: 7, epochs: 9 }).loss as number;
      const growing = method.penalty?.(stateAt(above), { epoch: 7, epochs: 9 }).loss as number;
      expect(growing / frozen).toBeCloseTo(4 / 1.5, 12);
    });
  });

  test("offers an epoch that keeps the budget, and by the reference every one after the first", () => {
    scope(() => {
      const once = harp({ keepRatio: 0.3, parity: ["budget-once"] });
      const frozen = { numbers: { gain: 1, frozen: 1 } };
      expect(method.candidate?.(stateAt(below))).toBe(true);
      expect(method.candidate?.(stateAt(above, frozen))).toBe(false);
      expect(once.candidate?.(stateAt(above, frozen))).toBe(true);
      expect(once.candidate?.(stateAt(above))).toBe(false);
    });
  });
});

describe("a search", () => {
  const base = mkdtempSync(join(tmpdir(), "s2ap-harp-"));
  const model = tinyNet();
  afterAll(() => {
    rmSync(base, { recursive: true, force: true });
    freeModel(model);
  });
  const attack = pgd(linf({ eps: "8/255" }), { steps: 1 });
  const data = tinyData();
  const usual = { keepRatio: 0.05, gain: 2 };

  async function found(options: Options, more: Partial<SearchOptions> = {}, folder?: string) {
    const live = liveTensors();
    using run = folder === undefined ? undefined : openRun(join(base, folder), { seed: 3, name: "harp" });
    const searched = await search(model, {
      ...data,
      run,
      seed: 3,
      loss: pgdAt(attack),
      optimizer: sgd({ lr: 0.1, momentum: 0.9, weightDecay: 5e-4 }),
      epochs: 6,
      selectionAttack: attack,
      method: harp(options),
      ...more,
    });
    const kept = [...searched.masks.values()].reduce((sum, m) => sum + scope(() => ops.sum(m).item()), 0);
    const share = kept / [...searched.masks.values()].reduce((sum, m) => sum + m.numel, 0);
    const result = bits(searched.masks, searched.model.params, searched.model.buffers);
    disposeParams(searched.masks, searched.model.params, searched.model.buffers);
    expect(liveTensors()).toBe(live);
    return { share, result, history: searched.history };
  }

  test("comes down to the budget with rates that differ, and chooses an epoch that keeps it", async () => {
    const { share, history } = await found(usual);
    // Counts are rounded up, by less than a weight in each of three layers.
    expect(share).toBeLessThan(0.05 * (1 + 5e-5) + 3 / 2392);
    expect(share).toBeGreaterThan(0.01);
    const rates = history.map(({ keepRatios }) => Object.values(keepRatios ?? {}));
    expect(rates[0]).not.toEqual(rates.at(-1));
    expect(new Set(rates.at(-1)).size).toBe(3);
    expect(history[0]?.penalty).toBeGreaterThan(0);
  });

  test("that cannot keep its budget says so", async () => {
    const warnings: string[] = [];
    await found({ ...usual, gain: 0 }, { epochs: 2, onWarning: (message) => warnings.push(message) });
    expect(warnings.join()).toMatch(/expected harp to keep its budget in some epoch/);
  });

  test("of rates leaves the scores, of scores the rates", async () => {
    const rates = await found({ ...usual, mode: "rates" });
    const scores = await found({ ...usual, mode: "scores" });
    expect(rates.history.at(-1)?.maskDistance?.hamming).toBeGreaterThan(0);
    expect(scores.share).toBeCloseTo(0.05, 2);
    expect(scores.history[0]?.penalty).toBeUndefined();
  });

  test("decays its rates unless told otherwise", async () => {
    const optimizer = sgd({ lr: 0.1, weightDecay: 0.05 });
    const [decayed, alone] = [
      await found(usual, { optimizer }),
      await found({ ...usual, decayRates: false }, { optimizer }),
    ];
    const rate = ({ history }: typeof decayed) => Object.values(history[0]?.keepRatios ?? {})[0] as number;
    expect(rate(decayed)).toBeGreaterThan(rate(alone));
  });

  test.each([{}, { structure: "channels", keepRatio: 0.3 } as const])(
    "goes on with the same bits after a stop, %j",
    async (more) => {
      const options = { ...usual, ...more };
      const gradient = s2ap({ gamma: 0.1, warmupEpochs: 1 });
      const folder = `stopped-${JSON.stringify(more).length}`;
      let asked = 0;
      const shouldStop = () => ++asked % 23 === 0;
      const whole = await found(options, { gradient }, `${folder}-whole`);
      const stopping = { gradient, shouldStop };
      let stopped: Awaited<ReturnType<typeof found>> | undefined;
      for (let i = 0; i < 40 && stopped === undefined; i++) {
        stopped = await found(options, stopping, folder).catch((error) => {
          if (error.code !== "stopped") throw error;
          return undefined;
        });
      }
      expect(stopped?.result).toEqual(whole.result);
      const events = (name: string) => readEvents(join(base, name)).map(withoutTimes);
      expect(JSON.stringify(events(folder))).toBe(JSON.stringify(events(`${folder}-whole`)));
    },
  );
});

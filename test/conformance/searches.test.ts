// Whole searches: a radius of zero is the host, bit for bit; weights stay; every switch runs.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { linf, pgd } from "../../src/attacks/index.js";
import { pgdAt, trades } from "../../src/losses/index.js";
import { type Model, resnet18 } from "../../src/models/index.js";
import { disposeParams, param, pick } from "../../src/nn/index.js";
import { sgd } from "../../src/optim/index.js";
import { hydra, type Method } from "../../src/pruning/index.js";
import { plain, type ScoreGradient, s2ap } from "../../src/sharpness/index.js";
import { liveTensors } from "../../src/torch/index.js";
import { type Searched, type SearchOptions, search } from "../../src/train/index.js";
import { UsageError } from "../../src/util/index.js";
import { bits, freeModel, tinyData, trainedTiny } from "../support/tiny.js";

const data = tinyData();
const attack = pgd(linf({ eps: "8/255" }), { steps: 2 });
const usual = {
  ...data,
  loss: pgdAt(attack),
  optimizer: sgd({ lr: 0.1, momentum: 0.9, weightDecay: 1e-3 }),
  selectionAttack: pgd(linf({ eps: "8/255" }), { steps: 2 }),
  epochs: 2,
  seed: 11,
};
type More = Partial<SearchOptions>;

let model: Model;
let live = 0;
beforeAll(async () => {
  model = await trainedTiny(data);
  live = liveTensors();
});
afterAll(() => {
  expect(liveTensors()).toBe(live);
  freeModel(model);
});

interface Outcome {
  readonly bits: unknown;
  readonly history: readonly object[];
  /** The scores at every mask that was taken. */
  readonly scores: readonly unknown[];
}

async function outcome(gradient: ScoreGradient, more: More = {}, of = model): Promise<Outcome> {
  const scores: unknown[] = [];
  const host = hydra({ keepRatio: 0.2 });
  const method: Method = {
    ...host,
    masks(at) {
      scores.push(bits(at.scores));
      return host.masks(at);
    },
  };
  const found: Searched = await search(of, { ...usual, ...more, method, gradient });
  const result = bits(found.masks, found.model.params, found.model.buffers);
  disposeParams(found.masks, found.model.params, found.model.buffers);
  // Times differ; passes and what only a perturbation has are compared apart.
  const keys = ["epoch", "loss", "lr", "cleanAccuracy", "robustAccuracy", "maskDistance", "sparsity"];
  const history = found.history.map((event) =>
    Object.fromEntries(Object.entries(event).filter(([key]) => keys.includes(key))),
  );
  return { bits: result, history, scores };
}

describe.each(["float32", "bfloat16"] as const)(
  "in %s, gamma 0 gives plain's bits through a whole search",
  (precision) => {
    const losses = { "pgd-at": pgdAt(attack), trades: trades(attack) };

    test.each([
      ["first", "pgd-at"],
      ["perturbed", "pgd-at"],
      ["first", "trades"],
      ["perturbed", "trades"],
    ] as const)("with statistics %s and %s", async (statistics, loss) => {
      const more = { precision, loss: losses[loss] };
      const host = await outcome(plain(), more);
      const zero = await outcome(s2ap({ gamma: 0, warmupEpochs: 0, statistics }), more);
      expect(zero.bits).toEqual(host.bits);
      expect(zero.history).toEqual(host.history);
      // Both passes were run: each step took a second mask, at the same scores.
      expect(zero.scores.length).toBe(host.scores.length + 2 * data.train.steps);
      const unique = (all: readonly unknown[]) => [...new Set(all.map((each) => JSON.stringify(each)))];
      expect(unique(zero.scores)).toEqual(unique(host.scores));
      const moved = await outcome(s2ap({ gamma: 0.1, warmupEpochs: 0, statistics }), more);
      expect(moved.bits).not.toEqual(host.bits);
    });

    test("with a residual network and a warm-up", async () => {
      const residual = resnet18({ width: 4, imageSize: 8, numClasses: 4 });
      const more = { precision, choose: "last" as const };
      const host = await outcome(plain(), more, residual);
      const zero = await outcome(s2ap({ gamma: 0, warmupEpochs: 1 }), more, residual);
      expect(zero.bits).toEqual(host.bits);
      expect(zero.history).toEqual(host.history);
      freeModel(residual);
    });
  },
);

async function passesOf(gradient: ScoreGradient, more: More = {}) {
  const found = await search(model, { ...usual, ...more, method: hydra({ keepRatio: 0.2 }), gradient });
  disposeParams(found.masks, found.model.params, found.model.buffers);
  return found.history.map((event) => event.passes);
}

test("S2AP costs one more forward and one more backward a step, gamma 0 included, after the warm-up", async () => {
  const { steps } = data.train;
  const host = await passesOf(plain());
  // Two attack steps and the training pass.
  expect(host).toEqual([1, 2].map((epochs) => ({ forward: 3 * steps * epochs, backward: 3 * steps * epochs })));
  for (const gamma of [0, 0.01]) {
    expect(await passesOf(s2ap({ gamma, warmupEpochs: 0 }))).toEqual(
      [1, 2].map((epochs) => ({ forward: 4 * steps * epochs, backward: 4 * steps * epochs })),
    );
  }
  expect((await passesOf(s2ap({ warmupEpochs: 1 })))[0]).toEqual(host[0]);
  const twice = await passesOf(s2ap({ warmupEpochs: 0 }), { loss: trades(attack) });
  // TRADES: the clean prediction, two attack steps, and two passes of two images each.
  expect(twice[0]).toEqual({ forward: (1 + 2 + 2 + 2) * steps, backward: (2 + 1 + 1) * steps });
});

describe("every switch runs, and leaves weights as they came", () => {
  test.each<[string, Parameters<typeof s2ap>[0], More]>([
    ["recraft (D1)", { recraft: true }, {}],
    ["ascentSteps and randomStart (D2)", { ascentSteps: 2, randomStart: true }, {}],
    ["norm linf (D3)", { norm: "linf" }, {}],
    ["norm global (D3)", { norm: "global" }, {}],
    ["norm asam (D3)", { norm: "asam" }, {}],
    ["decayAt (D4)", { decayAt: "s+z" }, {}],
    ["statistics perturbed (D5)", { statistics: "perturbed" }, {}],
    ["statistics running (D5)", { statistics: "running" }, {}],
    ["recalibrate (D5)", {}, { recalibrate: 3 }],
    ["perturb (D6)", { perturb: "magnitudes" }, {}],
    ["warmupFraction (D8)", { warmupFraction: 0.5 }, {}],
    ["warmupEpochs (D8)", { warmupEpochs: 1 }, {}],
    ["ascentLoss (D9)", { ascentLoss: "crossEntropy" }, { loss: trades(attack) }],
    ["deadFilters", { deadFilters: "exclude" }, {}],
    ["freezeBatchNorm", {}, { freezeBatchNorm: true }],
  ])("%s", async (name, options, more) => {
    const weights = bits(pick(model.params, model.prunable));
    const others = [...model.params.keys()].filter((key) => !model.prunable.includes(key));
    const gradient = s2ap({ gamma: 0.2, warmupEpochs: 0, ...options });
    const method = hydra({ keepRatio: 0.2 });
    const found = await search(model, { ...usual, ...more, method, gradient });
    expect(bits(pick(found.model.params, model.prunable))).toEqual(weights);
    expect(bits(pick(model.params, model.prunable))).toEqual(weights);
    const affine = bits(pick(found.model.params, ["conv1_bn.weight", "conv1_bn.bias"]));
    const before = bits(pick(model.params, ["conv1_bn.weight", "conv1_bn.bias"]));
    if (name === "freezeBatchNorm") expect(affine).toEqual(before);
    else expect(affine).not.toEqual(before);
    // What is neither scores nor batch norm does not move either.
    const rest = others.filter((key) => !key.includes("_bn."));
    expect(rest).toEqual(["linear.bias"]);
    expect(bits(pick(found.model.params, rest))).toEqual(bits(pick(model.params, rest)));
    expect(found.history.at(-1)).toMatchObject({
      swapFraction: expect.any(Number),
      sharpnessGap: expect.any(Number),
      deadFilterShare: expect.any(Number),
      sparsity: { total: expect.closeTo(0.8, 2) },
    });
    disposeParams(found.masks, found.model.params, found.model.buffers);
  });

  test("recalibrate (D5) moves the statistics to those of the final mask", async () => {
    const run = (recalibrate: number) =>
      search(model, { ...usual, recalibrate, method: hydra({ keepRatio: 0.2 }), gradient: plain() });
    const [without, few, many] = [await run(0), await run(4), await run(60)];
    const mean = (of: Searched) => param(of.model.buffers, "conv2_bn.running_mean").toNumbers();
    const apart = (a: Searched, b: Searched) => {
      const [x, y] = [mean(a), mean(b)];
      return Math.hypot(...x.map((value, i) => value - (y[i] as number)));
    };
    expect(apart(without, many)).toBeGreaterThan(0);
    expect(apart(few, many)).toBeLessThan(apart(without, many));
    expect(bits(without.masks)).toEqual(bits(many.masks));
    for (const each of [without, few, many]) disposeParams(each.masks, each.model.params, each.model.buffers);
  });
});

describe("a warm-up that covers the whole search", () => {
  test.each([{ warmupEpochs: 2 }, { warmupEpochs: 5 }, { warmupFraction: 1 }, { warmupFraction: 0.9 }])(
    "%o is refused before anything is done",
    async (options) => {
      const before = liveTensors();
      const run = search(model, { ...usual, method: hydra({ keepRatio: 0.2 }), gradient: s2ap(options) });
      await expect(run).rejects.toThrow(/^s2ap: expected warmup\w+ to end before the search of 2 epochs does, got/);
      await expect(run).rejects.toMatchObject({ code: "usage/warm-up" });
      await expect(run).rejects.toBeInstanceOf(UsageError);
      expect(liveTensors()).toBe(before);
    },
  );
});

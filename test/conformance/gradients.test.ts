// What every way of taking a score gradient keeps, with every method that searches. A new gradient is a row of `rows`.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Attack, linf, pgd } from "../../src/attacks/index.js";
import { pgdAt, type RobustLoss, trades } from "../../src/losses/index.js";
import type { Model } from "../../src/models/index.js";
import { disposeParams, type Params, param } from "../../src/nn/index.js";
import { type Method, methods } from "../../src/pruning/index.js";
import { type Evaluation, gradients, plain, type ScoreGradient, s2ap } from "../../src/sharpness/index.js";
import { ops, present, scope, type Tensor } from "../../src/torch/index.js";
import { rng } from "../../src/util/index.js";
import { type Asked, searchStep } from "../support/search-step.js";
import { bits, freeModel, trainedTiny } from "../support/tiny.js";

type Options = NonNullable<Parameters<typeof s2ap>[0]>;

/** Options that each gradient is run with. */
const rows: Readonly<Record<string, readonly Options[]>> = {
  plain: [{}],
  s2ap: [
    {},
    { gamma: 0.1, ascentSteps: 3 },
    { gamma: 0.1, ascentSteps: 2, randomStart: true },
    { gamma: 0.1, norm: "linf" },
    { gamma: 0.1, norm: "linf", ascentSteps: 3 },
    { gamma: 0.1, norm: "global", ascentSteps: 2 },
    { gamma: 0.1, norm: "asam", ascentSteps: 2 },
    { gamma: 0.1, recraft: true },
    { gamma: 0.1, statistics: "perturbed" },
    { gamma: 0.1, statistics: "running" },
    { gamma: 0.3, perturb: "magnitudes" },
    { gamma: 0.1, deadFilters: "exclude" },
    { gamma: 0.1, ascentLoss: "crossEntropy" },
    { gamma: 0 },
  ],
};
const attack: Attack = pgd(linf({ eps: "8/255" }), { steps: 2 });
const losses: readonly RobustLoss[] = [pgdAt(attack), trades(attack)];
const keepRatio = 0.2;
const hosts: readonly Method[] = methods
  .names()
  .map((name) => methods.get(name).create(methods.get(name).options.parse({ keepRatio }) as never, {}))
  .filter((method) => method.searches);

function make(name: string, options: object): ScoreGradient {
  const { options: schema, create } = gradients.get(name);
  return create(schema.parse(options) as never, {});
}
const table = Object.entries(rows).flatMap(([name, list]) =>
  list.flatMap((options) =>
    hosts.flatMap((method) =>
      losses.map((loss) => ({
        label: `${name} ${JSON.stringify(options)} on ${method.name} with ${loss.name}`,
        gradient: make(name, options),
        options,
        method,
        loss,
      })),
    ),
  ),
);

let model: Model;
const scoresOf = new Map<string, Params>();
beforeAll(async () => {
  model = await trainedTiny();
  for (const method of hosts) scoresOf.set(method.name, method.init(model, rng(1)).scores);
});
afterAll(() => {
  disposeParams(...scoresOf.values());
  freeModel(model);
});

const norms: Readonly<Record<NonNullable<Options["norm"]>, (shift: Params, scores: Params) => readonly number[]>> = {
  l2: (shift, scores) => perLayer(shift, scores, (t) => ops.vectorNorm(ops.to(t, "float64")).item()),
  linf: (shift, scores) => perLayer(shift, scores, (t) => ops.amax(ops.abs(t)).item()),
  global: (shift, scores) => [lengthOf(shift) / lengthOf(scores)],
  asam: (shift, scores) => {
    const ratios = new Map(Array.from(shift, ([name, z]) => [name, ops.div(z, ops.abs(param(scores, name)))]));
    return [lengthOf(ratios) / Math.sqrt([...scores.values()].reduce((sum, t) => sum + t.numel, 0))];
  },
};
/** Where the answer was taken, minus the scores. */
const last = (asked: readonly Asked[]) => present(asked.at(-1), "a pass").shift;
const perLayer = (shift: Params, scores: Params, norm: (t: Tensor) => number) =>
  Array.from(shift, ([name, z]) => norm(z) / norm(param(scores, name)));
const lengthOf = (params: Params) =>
  Math.hypot(...Array.from(params.values(), (t) => ops.vectorNorm(ops.to(t, "float64")).item()));

test("every gradient has its rows", () => {
  expect(Object.keys(rows).sort()).toEqual(gradients.names().sort());
});

describe.each(table)("$label", ({ gradient, options, method, loss }) => {
  const run = (of: ScoreGradient = gradient) =>
    searchStep({ model, scores: scoresOf.get(method.name) as Params, method, loss, gradient: of });

  test("gives a finite gradient of every score, and changes no tensor it is given", () => {
    const scores = scoresOf.get(method.name) as Params;
    const before = bits(model.params, model.buffers, scores);
    scope(() => {
      const { found } = run();
      expect([...found.scores.keys()]).toEqual(model.prunable);
      expect([...found.rest.keys()]).toEqual(["conv1_bn.weight", "conv1_bn.bias", "conv2_bn.weight", "conv2_bn.bias"]);
      for (const [name, g] of [...found.scores, ...found.rest]) {
        expect(Number.isFinite(ops.sum(ops.abs(g)).item()), name).toBe(true);
        expect(ops.amax(ops.abs(g)).item(), name).toBeGreaterThan(0);
      }
      expect(Number.isFinite(found.loss)).toBe(true);
      for (const value of Object.values(found.log)) expect(Number.isFinite(value)).toBe(true);
    });
    expect(bits(model.params, model.buffers, scores)).toEqual(before);
  });

  test("is the same for the same key", () => {
    scope(() => expect(bits(run().found.scores)).toEqual(bits(run().found.scores)));
  });

  test("stays inside its ball, and reaches its surface in one step", () => {
    scope(() => {
      const scores = scoresOf.get(method.name) as Params;
      const { gamma = gradient.name === "plain" ? 0 : 0.01, norm = "l2", ascentSteps = 1 } = options;
      const { asked } = run();
      for (const { shift } of asked) {
        for (const length of norms[norm](shift, scores)) expect(length).toBeLessThanOrEqual(gamma * (1 + 1e-6) + 1e-7);
      }
      if (gamma === 0 || ascentSteps > 1 || options.deadFilters === "exclude" || options.perturb === "magnitudes")
        return;
      for (const length of norms[norm](last(asked), scores)) {
        expect(length).toBeGreaterThan(gamma * 0.999);
      }
    });
  });

  test("moves the statistics in exactly one pass, with the passes that its options say", () => {
    scope(() => {
      const { asked, passes, buffers } = run();
      const { ascentSteps = 1, randomStart = false, statistics = "first" } = options;
      const evaluations = gradient.name === "plain" ? 1 : 1 + (randomStart ? 1 : 0) + ascentSteps;
      expect(asked).toHaveLength(evaluations);
      expect(asked.filter((one) => one.statistics === "update")).toHaveLength(1);
      expect(asked.findIndex((one) => one.statistics === "update")).toBe(
        statistics === "perturbed" ? evaluations - 1 : 0,
      );
      const host = run(plain());
      const perEvaluation = loss.name === "trades" ? 2 : 1;
      const recrafted = options.recraft ? host.passes : { forward: perEvaluation, backward: 1 };
      expect(passes).toEqual({
        forward: host.passes.forward + (evaluations > 1 ? recrafted.forward + (evaluations - 2) * perEvaluation : 0),
        backward: host.passes.backward + (evaluations > 1 ? recrafted.backward + evaluations - 2 : 0),
      });
      // The same amounts as under the host alone, unless they are asked for at s + z.
      if (statistics !== "perturbed" || options.gamma === 0) expect(bits(buffers)).toEqual(bits(host.buffers));
      else expect(bits(buffers)).not.toEqual(bits(host.buffers));
    });
  });
});

describe.each(hosts.map((method) => ({ label: method.name, method })))("switches of s2ap on $label", ({ method }) => {
  const usual: Options = { gamma: 0.3 };
  const robust = trades(attack);
  const step = (options: Options, more: { epoch?: number; weightDecay?: number; scores?: Params } = {}) =>
    searchStep({
      model,
      scores: scoresOf.get(method.name) as Params,
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
      const scores = scoresOf.get(method.name) as Params;
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
        scores: scoresOf.get(method.name) as Params,
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
      const scores = new Map(scoresOf.get(method.name) as Params);
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

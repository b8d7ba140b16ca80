// What every way of taking a score gradient keeps, with every method that searches, for one step. The registries are the
// table: a new gradient or method is tried with its defaults, and in a row of `rows` with what else is worth trying.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { linf, pgd } from "../../src/attacks/index.js";
import { pgdAt, type RobustLoss, trades } from "../../src/losses/index.js";
import type { Model } from "../../src/models/index.js";
import { mapParams, type Params, param, pick } from "../../src/nn/index.js";
import { gradients, plain, type ScoreGradient } from "../../src/sharpness/index.js";
import { keep, ops, present, scope, type Tensor } from "../../src/torch/index.js";
import { type Host, hostMethods, hostOn } from "../support/hosts.js";
import { type Asked, type Step, searchStep } from "../support/search-step.js";
import { bits, freeModel, trainedTiny } from "../support/tiny.js";

/** Options of any gradient that say what a step does. */
interface Options {
  readonly gamma?: number;
  readonly rho?: number;
  readonly norm?: string;
  readonly ascentSteps?: number;
  readonly randomStart?: boolean;
  readonly recraft?: boolean;
  readonly statistics?: string;
  readonly perturb?: string;
  readonly deadFilters?: string;
  readonly ascentLoss?: string;
}

/** Options that a gradient is run with besides its defaults and a radius of zero. */
const rows: Readonly<Record<string, readonly Options[]>> = {
  s2ap: [
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
    { gamma: 0, statistics: "perturbed" },
  ],
  sam: [{ rho: 0.5 }, { rho: 0.5, statistics: "perturbed" }, { rho: 0.5, statistics: "running" }],
  asam: [{ rho: 5 }, { rho: 5, statistics: "perturbed" }],
  awp: [{ gamma: 0.1 }, { gamma: 0.1, norm: "all" }, { gamma: 0.1, statistics: "perturbed" }],
  random: [{ gamma: 0.1 }, { gamma: 0.1, statistics: "perturbed" }],
};
const attack = pgd(linf({ eps: "8/255" }), { steps: 2 });
const losses: readonly RobustLoss[] = [trades(attack), pgdAt(attack)];
const hosts = hostMethods();

function make(name: string, options: object): ScoreGradient {
  const { options: schema, create } = gradients.get(name);
  return create(schema.parse(options) as never, {});
}

const isZero = ({ gamma, rho }: Options) => gamma === 0 || rho === 0;

const taken = (name: string, ...all: readonly Options[]) =>
  all.filter((options) => gradients.get(name).options.safeParse(options).success);

/** Zero of the gradient's radius, where it has one, and what is far enough to move a mask of a few groups. */
function usualRows(name: string): Options[] {
  const [large = {}] = taken(name, { gamma: 1 }, { rho: 1000 });
  return [large, ...taken(name, { gamma: 0 }, { rho: 0 })];
}

const table = gradients.names().flatMap((name) =>
  hosts.flatMap((host, i) =>
    // Everything with the first method, the usual with every one.
    (i === 0 ? [{}, ...usualRows(name), ...(rows[name] ?? [])] : usualRows(name)).flatMap((options) =>
      losses.slice(0, i === 0 ? 2 : 1).map((loss) => ({
        label: `${name} ${JSON.stringify(options)} on ${host.label} with ${loss.name}`,
        gradient: make(name, options),
        options,
        host,
        loss,
      })),
    ),
  ),
);

let model: Model;
const started = new Map<unknown, Host>();
beforeAll(async () => {
  model = await trainedTiny();
  for (const host of hosts) started.set(host, hostOn(host, model));
});
afterAll(() => {
  for (const host of started.values()) host.free();
  freeModel(model);
});

const l2 = (t: Tensor) => ops.vectorNorm(ops.to(t, "float64")).item();
const whole = (params: Params) => Math.hypot(...Array.from(params.values(), l2));
const count = (params: Params) => Array.from(params.values(), (t) => t.numel).reduce((a, b) => a + b, 0);
const perLayer = (shift: Params, of: Params, norm: (t: Tensor) => number) =>
  Array.from(shift, ([name, z]) => norm(z) / norm(param(of, name)));
const overScores = (shift: Params, scores: Params) =>
  whole(mapParams(shift, (z, name) => ops.div(z, ops.abs(param(scores, name)))));

const norms: Readonly<Record<string, (shift: Params, scores: Params) => readonly number[]>> = {
  l2: (shift, scores) => perLayer(shift, scores, l2),
  linf: (shift, scores) => perLayer(shift, scores, (t) => ops.amax(ops.abs(t)).item()),
  global: (shift, scores) => [whole(shift) / whole(scores)],
  asam: (shift, scores) => [overScores(shift, scores) / Math.sqrt(count(scores))],
};

/** How far a pass is from where the step began, for each norm there is, and how far it may be. */
interface Geometry {
  readonly radius: number;
  lengths(asked: Asked, host: Host): readonly number[];
}

/** Gradients whose perturbation has a length that their options say. */
const geometries: Readonly<Record<string, (options: Options) => Geometry>> = {
  plain: () => ({ radius: 0, lengths: ({ shift }) => [whole(shift)] }),
  s2ap: ({ gamma = 0.01, norm = "l2" }) => ({
    radius: gamma,
    lengths: ({ shift }, { state }) => present(norms[norm], norm)(shift, state.scores),
  }),
  random: ({ gamma = 0.01 }) => ({
    radius: gamma,
    lengths: ({ shift }, { state }) => perLayer(shift, state.scores, l2),
  }),
  sam: ({ rho = 0.05 }) => ({ radius: rho, lengths: ({ shift }) => [whole(shift)] }),
  asam: ({ rho = 0.5 }) => ({ radius: rho, lengths: ({ shift }, { state }) => [overScores(shift, state.scores)] }),
  awp: ({ gamma = 0.01, norm = "kept" }) => ({
    radius: gamma,
    lengths({ weightShift, evaluation: { masks } }, { model: { params } }) {
      const measured = (w: Tensor, name: string) => (norm === "all" ? w : ops.mul(w, param(masks, name)));
      return perLayer(weightShift, mapParams(pick(params, weightShift.keys()), measured), l2);
    },
  }),
};

const counts = (masks: Params) => Array.from(masks, ([name, m]) => [name, ops.sum(m).item(), m.shape]);

/** What plain does on a host with a loss; once for all gradients. */
const plainly = new Map<string, ReturnType<typeof outcomeOf>>();

function outcomeOf({ found, asked, buffers, passes }: Step) {
  return {
    loss: found.loss,
    scores: bits(found.scores),
    rest: bits(found.rest),
    buffers: bits(buffers),
    masks: counts(present(asked[0], "a pass").evaluation.masks),
    passes,
  };
}

describe.each(table)("$label", ({ gradient, options, host: hostMethod, loss }) => {
  const host = () => present(started.get(hostMethod), hostMethod.label);
  const run = (of: ScoreGradient = gradient) => {
    const { model: start, method, state } = host();
    const { scores, ...learned } = state;
    return searchStep({ model: start, scores, method, learned, loss, gradient: of });
  };

  const alone = () => {
    const key = `${hostMethod.label} ${loss.name}`;
    const known = plainly.get(key) ?? scope(() => outcomeOf(run(plain())));
    plainly.set(key, known);
    return known;
  };

  /** One step for all tests that only look. */
  let step: Step;
  let given: readonly Params[];
  let before: unknown;
  beforeAll(() => {
    const { model: start, state } = host();
    given = [start.params, start.buffers, state.scores, state.trained ?? new Map()];
    before = bits(...given);
    step = keep(
      scope(() => run()),
      { forever: true },
    );
  });

  test("gives a finite gradient of all that plain has one of, and changes no tensor it is given", () => {
    scope(() => {
      const { found } = step;
      expect([...found.scores.keys()]).toEqual(model.prunable);
      expect([...found.rest.keys()]).toEqual(alone().rest.map(([name]) => name));
      for (const [name, g] of [...found.scores, ...found.rest]) {
        expect(Number.isFinite(ops.sum(ops.abs(g)).item()), name).toBe(true);
        expect(ops.amax(ops.abs(g)).item(), name).toBeGreaterThan(0);
      }
      expect(Number.isFinite(found.loss)).toBe(true);
      for (const value of Object.values(found.log)) expect(Number.isFinite(value)).toBe(true);
    });
    expect(bits(...given)).toEqual(before);
  });

  test("is the same for the same key", () => {
    scope(() => {
      const again = run();
      expect(bits(again.found.scores, again.buffers)).toEqual(bits(step.found.scores, step.buffers));
    });
  });

  test("stays inside its ball, and reaches its surface in one step", () => {
    const geometry = geometries[gradient.name]?.(options);
    if (geometry === undefined) return;
    const { radius, lengths } = geometry;
    scope(() => {
      const { asked } = step;
      for (const one of asked) {
        for (const length of lengths(one, host())) expect(length).toBeLessThanOrEqual(radius * (1 + 1e-6) + 1e-7);
      }
      const { ascentSteps = 1, deadFilters, perturb } = options;
      if (radius === 0 || ascentSteps > 1 || deadFilters === "exclude" || perturb === "magnitudes") return;
      const reached = lengths(present(asked.at(-1), "a pass"), host());
      expect(reached.length).toBeGreaterThan(0);
      for (const length of reached) expect(length).toBeGreaterThan(radius * 0.999);
    });
  });

  test("keeps 0/1 masks of the host's counts at every point", () => {
    scope(() => {
      for (const { evaluation } of step.asked) {
        expect(counts(evaluation.masks)).toEqual(alone().masks);
        for (const [name, m] of evaluation.masks) {
          expect(ops.sum(ops.mul(m, ops.sub(m, 1))).item(), name).toBe(0);
          expect(m.shape).toEqual(param(model.params, name).shape);
        }
      }
    });
  });

  test("moves the statistics in exactly one pass, by as much as the host", () => {
    scope(() => {
      const { asked, buffers } = step;
      const { statistics = "first" } = options;
      const moving = asked.map((one) => one.statistics === "update");
      expect(moving.filter(Boolean)).toHaveLength(1);
      expect(moving.indexOf(true)).toBe(statistics === "perturbed" ? asked.length - 1 : 0);
      // By the same amounts, unless they are asked for at the perturbed point.
      const wanted = alone().buffers;
      if (statistics !== "perturbed" || isZero(options)) expect(bits(buffers)).toEqual(wanted);
      else expect(bits(buffers)).not.toEqual(wanted);
    });
  });

  test("makes the passes that it says", () => {
    scope(() => {
      const { asked, passes } = step;
      const { ascentSteps = 1, randomStart = false, recraft = false } = options;
      const evaluations = gradient.name === "plain" ? 1 : 1 + (randomStart ? 1 : 0) + ascentSteps;
      expect(asked).toHaveLength(evaluations);
      const before = alone().passes;
      const training = { forward: loss.name === "trades" ? 2 : 1, backward: 1 };
      const last = recraft ? before : training;
      const between = Math.max(evaluations - 2, 0);
      const more = (kind: "forward" | "backward") => (evaluations > 1 ? last[kind] + between * training[kind] : 0);
      expect(passes).toEqual({
        forward: before.forward + more("forward"),
        backward: before.backward + more("backward"),
      });
    });
  });

  test("is plain bit for bit at a radius of zero, through all its passes, and else is not", () => {
    scope(() => {
      const { asked } = step;
      const outcome = outcomeOf(step);
      if (gradient.name === "plain" || isZero(options)) {
        const { passes: _passes, ...wanted } = alone();
        expect(outcome).toMatchObject(wanted);
        expect(asked.length).toBeGreaterThan(gradient.name === "plain" ? 0 : 1);
      } else expect(outcome.scores).not.toEqual(alone().scores);
    });
  });
});

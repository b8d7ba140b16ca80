// What every attack keeps, whatever it does. A new attack is a row of `variants`.
import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import {
  type Attack,
  accuracy,
  attacks,
  crossEntropy,
  isSearchAttack,
  l1,
  l2,
  linf,
  pgd,
  predict,
  type Threat,
} from "../../src/attacks/index.js";
import { bindNetwork, type Model, type Network } from "../../src/models/index.js";
import { liveTensors, noGrad, ops, scope, type Tensor, tensor } from "../../src/torch/index.js";
import { rng } from "../../src/util/index.js";
import { bits, tinyData, trainedTiny } from "../support/tiny.js";

interface Variant {
  /** Options that the attack is run with. */
  readonly options: object;
  /** Its answer depends on the key. */
  readonly random: boolean;
  /** It looks for the nearest point, and so does not go as far as the ball allows. */
  readonly nearest?: boolean;
  /** It sees logits only. */
  readonly blackBox?: boolean;
  /** Threats that it searches besides those of all attacks. */
  readonly also?: readonly Threat[];
}
const inL1 = [l1({ eps: "4" }), l1({ eps: "12" })];
const variants: Readonly<Record<string, readonly Variant[]>> = {
  fgsm: [{ options: {}, random: false }],
  pgd: [
    { options: {}, random: true },
    { options: { randomStart: false, steps: 5 }, random: false },
    { options: { steps: 3, stepSize: "1/10" }, random: true },
    { options: { steps: 4, best: "any" }, random: true },
    { options: { steps: 3, restarts: 3 }, random: true },
    { options: { steps: 3, clipStart: false }, random: true },
  ],
  "apgd-ce": [
    { options: { steps: 10 }, random: true, also: inL1 },
    { options: { steps: 2, restarts: 2, eot: 2 }, random: true, also: inL1 },
  ],
  "apgd-dlr": [{ options: { steps: 10 }, random: true, also: inL1 }],
  "apgd-t": [{ options: { steps: 10, targets: 2 }, random: true, also: inL1 }],
  fab: [{ options: { steps: 10 }, random: false, nearest: true }],
  "fab-t": [{ options: { steps: 10, targets: 2 }, random: false, nearest: true }],
  square: [
    { options: { queries: 100 }, random: true, blackBox: true, also: inL1 },
    { options: { queries: 40, restarts: 3, rescale: true }, random: true, blackBox: true, also: inL1 },
  ],
  fmn: [
    { options: { loss: "dlr" }, random: false, nearest: true },
    { options: { optimizer: { name: "adam" }, scheduler: { name: "plateau" } }, random: false, nearest: true },
  ],
};
const threats = [linf({ eps: "8/255" }), linf({ eps: "0.3" }), l2({ eps: "0.5" }), l2({ eps: "2" })];

interface Case {
  readonly label: string;
  readonly random: boolean;
  readonly nearest: boolean;
  readonly blackBox: boolean;
  readonly also: readonly Threat[];
  readonly make: (threat: Threat) => Attack;
}
const cases: Case[] = Object.entries(variants).flatMap(([name, list]) =>
  list.map(({ options, random, nearest = false, blackBox = false, also = [] }) => ({
    label: `${name} ${JSON.stringify(options)}`,
    random,
    nearest,
    blackBox,
    also,
    make: (threat) => {
      const { options: schema, create } = attacks.get(name);
      return create(schema.parse(options) as never, { threat });
    },
  })),
);
const table = cases.flatMap((each) =>
  [...threats, ...each.also].map((threat) => ({
    ...each,
    label: `${each.label} ${threat.norm} ${threat.epsText}`,
    threat,
  })),
);

const data = tinyData();
let model: Model;
let victim: Network["victim"];
const { x, y } = data.selection.ordered(0, 32);
/** With black and white pixels, where the box matters as well as the ball. */
const hard = ops.clone(x);
ops.fill_(ops.narrow(hard, 3, 0, 2), 0);
ops.fill_(ops.narrow(hard, 3, 6, 2), 1);
const indices = data.selection.indices.slice(0, 32);

beforeAll(async () => {
  model = await trainedTiny(data);
});
beforeEach(() => {
  ({ victim } = bindNetwork(model, model));
});

const perturbed = (attack: Attack, seed = 1, at: { readonly indices?: Int32Array } = {}) =>
  attack.perturb(victim, x, y, { rng: rng(seed, "attack"), ...at });

test("every attack has its rows", () => {
  expect(Object.keys(variants).sort()).toEqual(attacks.names().sort());
});

describe.each(table)("$label", ({ make, threat, random, nearest }) => {
  test("stays inside the ball and inside [0, 1]", () => {
    scope(() => {
      const found = make(threat).perturb(victim, hard, y, { rng: rng(1) });
      expect(found.shape).toEqual(x.shape);
      expect(found.dtype).toBe("float32");
      expect(ops.amin(found).item()).toBeGreaterThanOrEqual(0);
      expect(ops.amax(found).item()).toBeLessThanOrEqual(1);
      const delta = ops.to(ops.flatten(ops.sub(found, hard), { startDim: 1 }), "float64");
      const ord = { linf: Number.POSITIVE_INFINITY, l2: 2, l1: 1 }[threat.norm];
      const longest = ops.amax(ops.vectorNorm(delta, { ord, dim: [1] })).item();
      expect(longest).toBeLessThanOrEqual(threat.eps * (1 + 1e-6) + 1e-7);
      // It uses what it may use, and no more than it needs.
      if (nearest) expect(longest).toBeGreaterThan(0);
      else expect(longest).toBeGreaterThan(threat.eps / 2);
    });
  });

  test("raises the loss of the images, or moves those that it breaks and no others", () => {
    scope(() => {
      const attack = make(threat);
      const found = perturbed(attack);
      const lossAt = (images: Tensor) => ops.mean(crossEntropy(victim.logits(images), y)).item();
      if (!isSearchAttack(attack)) return expect(lossAt(found)).toBeGreaterThan(1.5 * lossAt(x));
      const moved = ops.amax(ops.flatten(ops.ne(found, x), { startDim: 1 }), { dim: [1] }).toNumbers();
      const [clean, now, labels] = [predict(victim, x), predict(victim, found), y.toNumbers()];
      for (const [i, label] of labels.entries()) {
        if (clean[i] === label) expect(moved[i]).toBe(now[i] === label ? 0 : 1);
      }
    });
  });

  test("gives the same bits for the same key", () => {
    scope(() => {
      const attack = make(threat);
      const first = perturbed(attack).toArray();
      expect(perturbed(attack).toArray()).toEqual(first);
      expect(perturbed(attack, 1, { indices }).toArray()).toEqual(perturbed(attack, 1, { indices }).toArray());
      // Where nothing is broken, every key gives the images back.
      const moved = !isSearchAttack(attack) || ops.any(ops.ne(perturbed(attack), x)).item();
      if (random && moved) expect(perturbed(attack, 2).toArray()).not.toEqual(first);
      else expect(perturbed(attack, 2).toArray()).toEqual(first);
    });
  });

  test("with keyed images does not depend on the batch they are in", () => {
    scope(() => {
      const attack = make(threat);
      const whole = perturbed(attack, 1, { indices });
      const parts = [
        [0, 5],
        [5, 27],
      ] as const;
      const pieces = parts.map(([start, count]) =>
        attack.perturb(victim, ops.narrow(x, 0, start, count), ops.narrow(y, 0, start, count), {
          rng: rng(1, "attack"),
          indices: indices.slice(start, start + count),
        }),
      );
      const difference = ops.abs(ops.sub(ops.cat(pieces), whole));
      // Arithmetic may round differently in another batch, so that single pixels go the other way.
      expect(ops.mean(ops.to(ops.gt(difference, 1e-5), "float32")).item()).toBeLessThan(0.001);
    });
  });

  test("changes nothing but its result: parameters, statistics, modes, live tensors", () => {
    const before = { bits: bits(model.params, model.buffers), images: x.toArray(), live: liveTensors() };
    const now = () => ({ bits: bits(model.params, model.buffers), images: x.toArray(), live: liveTensors() });
    scope(() => {
      const leaf = tensor([1]).setRequiresGrad(true);
      const found = perturbed(make(threat), 1, { indices });
      expect(found.requiresGrad).toBe(false);
      expect(liveTensors()).toBe(before.live + 2);
      expect(ops.mul(leaf, 2).requiresGrad).toBe(true);
      noGrad(() => {
        perturbed(make(threat));
        expect(ops.mul(leaf, 2).requiresGrad).toBe(false);
      });
    });
    expect(now()).toEqual(before);
  });
});

describe.each(cases)("$label", ({ make, also, blackBox }) => {
  const zero = [linf({ eps: 0 }), l2({ eps: 0 }), ...(also.length > 0 ? [l1({ eps: 0 })] : [])];
  test.each(zero)("with eps 0 in $norm is the identity", (threat) => {
    scope(() => expect(perturbed(make(threat)).toArray()).toEqual(x.toArray()));
  });

  test("lowers the accuracy, which counts an image that is wrong as it is", () => {
    const robust = (eps: string) =>
      accuracy(victim, data.selection, make(linf({ eps })), { rng: rng(1), batchSize: 10 });
    const measured = robust("0.15");
    expect(measured.cleanAccuracy).toBeGreaterThan(0.8);
    expect(measured.robustAccuracy).toBeLessThan(measured.cleanAccuracy - 0.3);
    expect(robust("0").robustAccuracy).toBe(measured.cleanAccuracy);
  });

  test("counts its passes, and stops where it is told to, without a trace", () => {
    const attack = make(linf({ eps: "8/255" }));
    const before = { ...victim.passes };
    scope(() => void perturbed(attack));
    expect(victim.passes.forward).toBeGreaterThan(before.forward);
    if (blackBox) expect(victim.passes.backward).toBe(before.backward);
    else expect(victim.passes.backward).toBeGreaterThan(before.backward);
    const live = liveTensors();
    let asked = 0;
    const poll = () => {
      asked += 1;
      if (asked > 1) throw new Error("stop");
    };
    if (attack.name === "fgsm") return;
    expect(() => attack.perturb(victim, x, y, { rng: rng(1), poll })).toThrow("stop");
    expect(liveTensors()).toBe(live);
  });
});

describe("a stronger search is never weaker", () => {
  const broken = (eps: string, options: Parameters<typeof pgd>[1]) =>
    scope(() => {
      const found = predict(victim, perturbed(pgd(linf({ eps }), options), 3));
      const labels = y.toNumbers();
      return [...found].map((label, i) => label !== labels[i]);
    });
  const weaker = (a: readonly boolean[], b: readonly boolean[]) => a.filter((is, i) => is && !b[i]).length;
  const count = (found: readonly boolean[]) => found.filter(Boolean).length;

  test("with restarts: what one run broke stays broken", () => {
    const once = broken("0.1", { steps: 1, stepSize: "0.1" });
    const some = broken("0.1", { steps: 1, stepSize: "0.1", restarts: 3 });
    const many = broken("0.1", { steps: 1, stepSize: "0.1", restarts: 10 });
    expect([weaker(once, some), weaker(some, many)]).toEqual([0, 0]);
    expect(count(many)).toBeGreaterThan(count(once));
  });

  test("with best: any", () => {
    const last = broken("0.06", { steps: 8, stepSize: 1 });
    const any = broken("0.06", { steps: 8, stepSize: 1, best: "any" });
    expect(weaker(last, any)).toBe(0);
    expect(count(any)).toBeGreaterThan(count(last));
  });
});

// HARP with one rate for all layers of a group, in a small vision transformer.
import { afterAll, describe, expect, test } from "vitest";
import { settledTensors } from "../../test/support/settled.js";
import { bits, copyOf, freeModel, tinyData, tinyNet } from "../../test/support/tiny.js";
import { linf, pgd } from "../attacks/index.js";
import { pgdAt } from "../losses/index.js";
import { vitTi } from "../models/index.js";
import { disposeParams, mapParams, type Params, param, pick } from "../nn/index.js";
import { sgd } from "../optim/index.js";
import { s2ap } from "../sharpness/index.js";
import { liveTensors, ops, scope, type Tensor } from "../torch/index.js";
import { search } from "../train/index.js";
import { rng } from "../util/index.js";
import { harp } from "./harp.js";
import type { Method, MethodState } from "./method.js";
import { keptAtRate } from "./rates.js";

const model = vitTi({ numClasses: 4, imageSize: 8, width: 8, depth: 2, heads: 2 });
afterAll(() => freeModel(model));

const owners = [
  "patch_embed.proj.weight",
  "blocks.0.attn.qkv.weight",
  "blocks.0.attn.proj.weight",
  "blocks.0.mlp.fc1.weight",
  "head.weight",
];
const ownerOf = (name: string) => {
  const kind = /^blocks\.\d\.(?:attn\.)?(qkv|proj|mlp)/.exec(name)?.[1];
  return kind === undefined ? name : (owners.find((owner) => owner.includes(`.0.`) && owner.includes(kind)) as string);
};

/** Runs `fn` on a new state, in a scope. */
function withState(method: Method, fn: (state: MethodState) => void): void {
  const state = method.init(model, rng(1));
  scope(() => fn(state));
  disposeParams(state.scores, state.trained ?? new Map());
}

/** The state with other numbers c, different ones for each owner. */
const spread = (state: MethodState): MethodState => {
  const c = [...(state.trained?.keys() ?? [])];
  const moved = mapParams(state.trained as Params, (t, name) => ops.add(t, c.indexOf(name)));
  return { ...state, trained: moved };
};

describe("rates by group", () => {
  const [grouped, layered] = [harp({ keepRatio: 0.2, ratesBy: "group" }), harp({ keepRatio: 0.2 })];

  test("are one for qkv, proj and mlp each, and their own for patches and head", () => {
    withState(grouped, (state) => {
      expect([...(state.trained?.keys() ?? [])]).toEqual(owners);
      const at = spread(state);
      const rates = grouped.keepRatios?.(at) as Record<string, number>;
      expect(Object.keys(rates)).toEqual([...model.prunable]);
      for (const [name, rate] of Object.entries(rates)) expect(rate, name).toBe(rates[ownerOf(name)]);
      expect(new Set(Object.values(rates)).size).toBe(owners.length);
      for (const [name, mask] of grouped.masks(at)) {
        expect(ops.sum(mask).item()).toBe(keptAtRate(mask.numel, rates[name] as number));
      }
    });
  });

  test("have the gradients and the budget's pull of all layers that share them", () => {
    withState(grouped, (state) => {
      withState(layered, ({ trained: apart }) => {
        const at = spread(state);
        const shared = mapParams(apart as Params, (_, name) => param(at.trained as Params, ownerOf(name)));
        const weights = pick(model.params, model.prunable);
        const arrived = { weights, weightGradients: mapParams(weights, (w) => ops.cos(ops.mul(w, 40))) };
        const [one, many] = [
          grouped.pullBack({ ...at, ...arrived }),
          layered.pullBack({ scores: at.scores, trained: shared, ...arrived }),
        ];
        const progress = { epoch: 3, epochs: 9 };
        const [pull, pulls] = [
          grouped.penalty?.(at, progress),
          layered.penalty?.({ scores: at.scores, trained: shared }, progress),
        ];
        expect(bits(one.scores)).toEqual(bits(many.scores));
        expect(pull?.loss).toBeGreaterThan(0);
        expect(pull?.loss).toBeCloseTo(pulls?.loss as number, 10);
        for (const owner of owners) {
          const total = (of: Params | undefined) =>
            Array.from(of ?? [], ([name, g]) => (ownerOf(name) === owner ? (g as Tensor).item() : 0)).reduce(
              (a, b) => a + b,
            );
          expect(param(one.trained as Params, owner).item()).toBeCloseTo(total(many.trained), 5);
          expect(param(pull?.trained as Params, owner).item()).toBeCloseTo(total(pulls?.trained), 6);
        }
      });
    });
  });

  test("come down to the budget in a search with S2AP", async () => {
    const data = tinyData();
    const attack = pgd(linf({ eps: "8/255" }), { steps: 1 });
    const [dense, live] = [copyOf(model), await settledTensors()];
    const {
      masks,
      history,
      model: searched,
    } = await search(dense, {
      ...data,
      seed: 3,
      loss: pgdAt(attack),
      selectionAttack: attack,
      optimizer: sgd({ lr: 0.1, momentum: 0.9 }),
      epochs: 4,
      method: harp({ keepRatio: 0.2, initialKeepRatio: 0.4, gain: 2, ratesBy: "group" }),
      gradient: s2ap({ gamma: 0.1, warmupEpochs: 1 }),
    });
    const rates = history.at(-1)?.keepRatios as Record<string, number>;
    for (const [name, rate] of Object.entries(rates)) expect(rate, name).toBe(rates[ownerOf(name)]);
    expect(new Set(Object.values(rates)).size).toBe(owners.length);
    const sum = (of: (mask: Tensor) => number) => [...masks.values()].map(of).reduce((a, b) => a + b);
    const share = sum((mask) => scope(() => ops.sum(mask).item())) / sum(({ numel }) => numel);
    expect(share).toBeLessThan(0.2 * (1 + 5e-5) + masks.size / sum(({ numel }) => numel));
    expect(share).toBeGreaterThan(0.05);
    disposeParams(masks, searched.params, searched.buffers);
    expect(liveTensors()).toBe(live);
    freeModel(dense);
  });
});

test("a network without groups is refused, and so is what groups do not offer", () => {
  const net = tinyNet();
  expect(() => harp({ keepRatio: 0.2, ratesBy: "group" }).init(net, rng(1))).toThrow(
    "harp: expected a network that groups its layers (the vit_*) for ratesBy group",
  );
  expect(() => harp({ keepRatio: 0.2, ratesBy: "group", structure: "channels" })).toThrow(/ratesBy/);
  expect(() => harp({ keepRatio: 0.2, ratesBy: "group", initialRates: "erk" })).toThrow(/initialRates/);
  freeModel(net);
});

// AWP, SAM and ASAM on weights: against their steps written out, and what they must leave alone.
import { afterAll, afterEach, beforeEach, describe, expect, test } from "vitest";
import { bits, freeModel, tinyData, tinyNet } from "../../test/support/tiny.js";
import { linf, pgd } from "../attacks/index.js";
import { freeAt, pgdAt, type RobustLoss, trades } from "../losses/index.js";
import { bindNetwork, withState } from "../models/index.js";
import { cloneParams, disposeParams, type Params } from "../nn/index.js";
import { sgd } from "../optim/index.js";
import { hydra } from "../pruning/index.js";
import { grad, keep, liveTensors, ops, scope, type Tensor } from "../torch/index.js";
import { rng } from "../util/index.js";
import {
  asamWeights,
  awpWeights,
  type FinetuneOptions,
  finetune,
  pretrain,
  samWeights,
  type WeightGradient,
  type WeightStageOptions,
} from "./index.js";

const data = tinyData();
const model = tinyNet();
const threat = linf({ eps: "8/255" });
const attack = pgd(threat, { steps: 2 });
const LR = 0.05;
const DECAY = 0.02;
const masks = keep(
  scope(() => {
    const method = hydra({ keepRatio: 0.3 });
    const state = method.init(model, rng(1));
    const found = method.masks(state);
    disposeParams(state.scores);
    return found;
  }),
  { forever: true },
);
afterAll(() => {
  freeModel(model);
  disposeParams(masks);
});
let live = 0;
beforeEach(() => {
  live = liveTensors();
});
afterEach(() => expect(liveTensors()).toBe(live));

const one = { ...data.train, steps: 1 };
const shared = {
  train: one,
  selection: data.selection,
  loss: pgdAt(attack) as RobustLoss,
  optimizer: sgd({ lr: LR, weightDecay: DECAY, momentum: 0.9 }),
  selectionAttack: pgd(threat, { steps: 1 }),
  seed: 3,
  epochs: 1,
  choose: "last" as const,
};

async function pruned(options: Partial<FinetuneOptions> = {}) {
  const trained = await finetune(model, { ...shared, masks, ...options });
  const found = bits(trained.params, trained.buffers);
  freeModel(trained);
  return found;
}

async function dense(options: Partial<WeightStageOptions> = {}) {
  const trained = await pretrain(model, { ...shared, ...options });
  const found = bits(trained.params, trained.buffers);
  freeModel(trained);
  return found;
}

const norm = (tensor: Tensor) => ops.vectorNorm(tensor).item();
const masked = (params: Params) =>
  new Map(Array.from(params, ([name, t]) => [name, masks.has(name) ? ops.mul(t, masks.get(name) as Tensor) : t]));

interface Hand {
  /** v from w (pruned entries as they are) and the masked gradient at w. */
  readonly shift: (weights: Params, gradient: Params) => Map<string, Tensor>;
  readonly statistics: "first" | "perturbed";
  /** AWP steps where it is, and moves back afterwards. */
  readonly stepThere: boolean;
  readonly loss?: RobustLoss;
}

/** One step of finetuning with plain SGD (the first step of momentum), written out: perturb in place, step, move back. */
function byHand({ shift, statistics, stepThere, loss = shared.loss }: Hand) {
  return scope(() => {
    const [params, buffers] = [cloneParams(model.params), cloneParams(model.buffers)];
    const { x, y } = one.batch(0, 0, rng(3, "finetune").at("data"));
    const start = bindNetwork(model, { params: masked(params), buffers });
    const xAdv = loss.craft(start.victim, x, y, { rng: rng(3, "finetune").at("step", 0).at("attack") });
    const gradientAt = (at: Params, mode: "update" | "batch") => {
      const theta = new Map(Array.from(masked(at), ([name, t]) => [name, ops.clone(t).setRequiresGrad(true)]));
      const forward = bindNetwork(model, { params: theta, buffers }).forward(mode);
      const all = grad(loss.evaluate(forward, { x, y, xAdv }).loss, [...theta.values()]);
      return masked(new Map([...theta.keys()].map((name, i) => [name, all[i] as Tensor])));
    };
    const first = gradientAt(params, statistics === "first" ? "update" : "batch");
    const v = shift(params, first);
    const there = new Map(
      Array.from(params, ([name, t]) => [name, v.has(name) ? ops.add(t, v.get(name) as Tensor) : t]),
    );
    const second = gradientAt(there, statistics === "first" ? "batch" : "update");
    for (const [name, tensor] of params) {
      const at = stepThere ? (there.get(name) as Tensor) : tensor;
      const g = ops.add(second.get(name) as Tensor, at, { alpha: DECAY });
      const after = ops.sub(at, g, { alpha: LR });
      ops.copy_(tensor, stepThere && v.has(name) ? ops.sub(after, v.get(name) as Tensor) : after);
    }
    const found = bits(masked(params), buffers);
    disposeParams(params, buffers);
    return found;
  });
}

type Bits = ReturnType<typeof bits>;
const numbers = (found: Bits) => found.flatMap(([, values]) => Array.from(values as Iterable<number | bigint>, Number));

function furthest(a: Bits, b: Bits): number {
  const other = numbers(b);
  return Math.max(...numbers(a).map((value, i) => Math.abs(value - (other[i] as number))));
}

const GAMMA = 0.2;
const awpShift = (which: "kept" | "all") => (weights: Params, gradient: Params) =>
  new Map(
    [...weights]
      .filter(([name, t]) => t.shape.length > 1 && name.endsWith("weight"))
      .map(([name, t]) => {
        const g = gradient.get(name) as Tensor;
        const measured = which === "kept" && masks.has(name) ? ops.mul(t, masks.get(name) as Tensor) : t;
        return [name, ops.mul(g, { float: (GAMMA * norm(measured)) / (norm(g) + 1e-20) })] as const;
      }),
  );
const globally = (params: Params) => Math.hypot(...Array.from(params.values(), norm));
const samShift = (_: Params, gradient: Params) =>
  new Map(Array.from(gradient, ([name, g]) => [name, ops.mul(g, { float: 0.4 / (globally(gradient) + 1e-12) })]));
const asamShift = (weights: Params, gradient: Params) => {
  const scaled = new Map(Array.from(gradient, ([name, g]) => [name, ops.mul(g, ops.abs(weights.get(name) as Tensor))]));
  const factor = 0.7 / globally(scaled);
  return new Map(
    Array.from(scaled, ([name, g]) => [
      name,
      ops.mul(ops.mul(g, ops.abs(weights.get(name) as Tensor)), { float: factor }),
    ]),
  );
};

const awp = { shift: awpShift("kept"), statistics: "perturbed", stepThere: true } as const;
const cases: readonly (readonly [string, WeightGradient, Hand])[] = [
  ["awp", awpWeights({ gamma: GAMMA }), awp],
  ["awp with the norm of all weights", awpWeights({ gamma: GAMMA, norm: "all" }), { ...awp, shift: awpShift("all") }],
  ["awp restored first", awpWeights({ gamma: GAMMA, restoreBeforeStep: true }), { ...awp, stepThere: false }],
  ["awp, statistics first", awpWeights({ gamma: GAMMA, statistics: "first" }), { ...awp, statistics: "first" }],
  ["sam", samWeights({ rho: 0.4 }), { shift: samShift, statistics: "first", stepThere: false }],
  ["asam", asamWeights({ rho: 0.7 }), { shift: asamShift, statistics: "first", stepThere: false }],
];

describe.each(cases)("%s", (_name, weightGradient, hand) => {
  test("is its step written out", async () => {
    const found = await pruned({ weightGradient });
    expect(furthest(found, byHand(hand))).toBeLessThan(2e-6);
    expect(furthest(found, await pruned())).toBeGreaterThan(1e-4);
  });

  test("with TRADES climbs its whole loss", async () => {
    const loss = trades(attack, { beta: 3 });
    const found = await pruned({ weightGradient, loss });
    expect(furthest(found, byHand({ ...hand, loss }))).toBeLessThan(2e-6);
  });
});

test("the options of AWP make a difference that the comparisons above can see", () => {
  const [first, ...others] = cases.slice(0, 4).map(([, , hand]) => byHand(hand));
  for (const other of others) expect(furthest(first as Bits, other)).toBeGreaterThan(1e-5);
});

describe("radius 0 gives plain's bits", () => {
  const epochs = 2;
  const many = { train: data.train, epochs };
  test.each([
    ["awp", awpWeights({ gamma: 0 })],
    ["awp, statistics first", awpWeights({ gamma: 0, statistics: "first" })],
    ["sam", samWeights({ rho: 0 })],
    ["asam", asamWeights({ rho: 0, statistics: "perturbed" })],
  ] as const)("%s", async (_name, weightGradient) => {
    expect(await pruned({ ...many, weightGradient })).toEqual(await pruned(many));
    expect(await dense({ ...many, weightGradient })).toEqual(await dense(many));
  });
});

test("with a loss that replays its batches, the noise follows the first of the two passes", async () => {
  const many = { train: data.train, epochs: 1, loss: freeAt(threat, { replays: 2 }) };
  expect(await dense({ ...many, weightGradient: awpWeights({ gamma: 0 }) })).toEqual(await dense(many));
});

test("warm-up epochs train plainly, and may not be all", async () => {
  const many = { train: data.train, epochs: 2 };
  const events: number[] = [];
  const watch = { onProgress: ({ loss }: { readonly loss: number }) => events.push(loss) };
  await dense({ ...many, ...watch, weightGradient: awpWeights({ gamma: 0.5, warmup: 1 }) });
  const warm = events.splice(0);
  await dense({ ...many, ...watch });
  const { steps } = data.train;
  expect(warm.slice(0, steps)).toEqual(events.slice(0, steps));
  expect(warm.slice(steps + 1)).not.toEqual(events.slice(steps + 1));
  await expect(dense({ weightGradient: awpWeights({ warmup: 1 }) })).rejects.toMatchObject({ code: "usage/warm-up" });
});

test("pruned weights stay zero, the given model stays as it was, and statistics move once a step", async () => {
  const before = bits(model.params, model.buffers);
  const trained = await finetune(withState(model, model), { ...shared, masks, weightGradient: awpWeights() });
  for (const [name, mask] of masks) {
    const zeros = mask.toNumbers().map((kept, i) => kept === 1 || trained.params.get(name)?.toNumbers()[i] === 0);
    expect(zeros.every(Boolean), name).toBe(true);
  }
  expect(bits(model.params, model.buffers)).toEqual(before);
  freeModel(trained);
});

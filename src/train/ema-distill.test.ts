// The moving average of the weights, and finetuning with a teacher: against plain arithmetic.
import { afterAll, afterEach, beforeEach, describe, expect, test } from "vitest";
import { bits, copyOf, freeModel, tinyData, tinyNet } from "../../test/support/tiny.js";
import { linf, pgd } from "../attacks/index.js";
import { mart, natural, pgdAt, type RobustLoss, trades } from "../losses/index.js";
import { bindNetwork } from "../models/index.js";
import { cloneParams, countPasses, disposeParams, mapParams } from "../nn/index.js";
import { sgd } from "../optim/index.js";
import { magnitude } from "../pruning/index.js";
import { keep, liveTensors, ops, scope, type Tensor, tensor } from "../torch/index.js";
import { rng } from "../util/index.js";
import { distilled } from "./distill.js";
import { follow } from "./ema.js";
import { type Distillation, finetune, pretrain, type WeightStageOptions } from "./index.js";

const data = tinyData();
const model = tinyNet();
const teacher = tinyNet(5);
const threat = linf({ eps: "8/255" });
const attack = pgd(threat, { steps: 2 });
const shared = {
  ...data,
  loss: pgdAt(attack) as RobustLoss,
  optimizer: sgd({ lr: 0.05, momentum: 0.9, weightDecay: 1e-3 }),
  selectionAttack: pgd(threat, { steps: 1 }),
  seed: 3,
  epochs: 1,
  choose: "last" as const,
};
const masks = keep(
  scope(() => {
    const method = magnitude({ keepRatio: 0.3 });
    const state = method.init(model, rng(1));
    const found = method.masks(state);
    disposeParams(state.scores);
    return found;
  }),
  { forever: true },
);
afterAll(() => {
  freeModel(model);
  freeModel(teacher);
  disposeParams(masks);
});
let live = 0;
beforeEach(() => {
  live = liveTensors();
});
afterEach(() => expect(liveTensors()).toBe(live));

describe("moving average", () => {
  test("follows by the decay, at first by (1 + t) / (10 + t), and copies counters", () => {
    scope(() => {
      const average = new Map([
        ["w", tensor(Float32Array.of(1, -2))],
        ["count", tensor(BigInt64Array.of(0n))],
      ]);
      const now = new Map([
        ["w", tensor(Float32Array.of(3, 2))],
        ["count", tensor(BigInt64Array.of(7n))],
      ]);
      follow(average, now, { decay: 0.75, warmup: false }, 0);
      expect(average.get("w")?.toNumbers()).toEqual([1.5, -1]);
      expect(average.get("count")?.toNumbers()).toEqual([7]);
      follow(average, now, { decay: 0.75 }, 5); // (1 + 5) / (10 + 5) = 0.4
      expect(average.get("w")?.toNumbers()[0]).toBeCloseTo(0.4 * 1.5 + 0.6 * 3, 6);
      follow(average, now, { decay: 0.75 }, 10_000);
      expect(average.get("w")?.toNumbers()[0]).toBeCloseTo(0.75 * 2.4 + 0.25 * 3, 6);
    });
  });

  async function pretrained(options: Partial<WeightStageOptions> = {}) {
    const trained = await pretrain(model, { ...shared, ...options });
    const found = bits(trained.params, trained.buffers);
    freeModel(trained);
    return found;
  }

  test("with decay 0 is the training itself", async () => {
    expect(await pretrained({ ema: { decay: 0 } })).toEqual(await pretrained());
  });

  test("is what the stage passes on: of one step, a tenth of the start and the rest of the step", async () => {
    const one = { train: { ...data.train, steps: 1 } };
    const [averaged, stepped] = [await pretrained({ ...one, ema: {} }), await pretrained(one)];
    const begin = bits(model.params, model.buffers);
    for (const [i, [name, values]] of averaged.entries()) {
      const [from, to] = [begin, stepped].map((all) => Array.from(all[i]?.[1] as Float32Array, Number));
      for (const [k, value] of Array.from(values as Float32Array, Number).entries()) {
        const wanted = 0.1 * (from?.[k] ?? Number.NaN) + 0.9 * (to?.[k] ?? Number.NaN);
        expect(Math.abs(value - wanted), `${name}[${k}]`).toBeLessThan(1e-5 * Math.max(1, Math.abs(wanted)));
      }
    }
  });

  test("leaves the training alone, and chooses among epochs by the average", async () => {
    const losses: number[][] = [[], []];
    const watch = (into: number[] = []) => ({ onProgress: ({ loss }: { readonly loss: number }) => into.push(loss) });
    const two = { epochs: 2, choose: "best" as const };
    const averaged = await pretrained({ ...two, ...watch(losses[0]), ema: { decay: 0.9 } });
    const plain = await pretrained({ ...two, ...watch(losses[1]) });
    expect(losses[0]).toEqual(losses[1]);
    expect(averaged).not.toEqual(plain);
  });

  test("refuses a decay that never forgets", async () => {
    await expect(pretrained({ ema: { decay: 1 } })).rejects.toThrow("ema: expected decay in [0, 1), got 1");
  });

  test("of pruned weights is zero", async () => {
    const trained = await finetune(model, { ...shared, masks, ema: { decay: 0.9 } });
    for (const [name, mask] of masks) {
      const weights = trained.params.get(name)?.toNumbers() as number[];
      expect(mask.toNumbers().every((kept, i) => kept === 1 || Object.is(Math.abs(weights[i] as number), 0))).toBe(
        true,
      );
    }
    freeModel(trained);
  });
});

const rows = (logits: Tensor): number[][] => {
  const [n = 0, k = 1] = logits.shape;
  const flat = logits.toNumbers();
  return Array.from({ length: n }, (_, i) => flat.slice(i * k, (i + 1) * k));
};
const softmax = (row: readonly number[], temperature: number) => {
  const exps = row.map((z) => Math.exp(z / temperature));
  const sum = exps.reduce((a, b) => a + b, 0);
  return exps.map((e) => e / sum);
};
/** KL(softmax t/T || softmax f/T), batch mean, in plain arithmetic. */
function klByHand(teacherLogits: Tensor, studentLogits: Tensor, temperature: number): number {
  const students = rows(studentLogits);
  const terms = rows(teacherLogits).map((row, i) => {
    const [p, q] = [softmax(row, temperature), softmax(students[i] as number[], temperature)];
    return p.reduce((sum, share, k) => sum + share * Math.log(share / (q[k] as number)), 0);
  });
  return terms.reduce((a, b) => a + b, 0) / terms.length;
}

describe("distillation", () => {
  const hosts: readonly (readonly [string, RobustLoss])[] = [
    ["pgd-at", pgdAt(attack)],
    ["pgd-at with the references' statistics", pgdAt(attack, { bnUpdates: "reference" })],
    ["trades", trades(attack)],
    ["mart", mart(attack)],
    ["natural", natural(threat)],
  ];

  test.each(hosts)("on top of %s is the formula, and leaves the host's term", (_name, host) => {
    scope(() => {
      const { x, y } = data.train.batch(0, 0, rng(1));
      const network = bindNetwork(model, model);
      const xAdv = host.craft(network.victim, x, y, { rng: rng(2) });
      const lessons = bindNetwork(teacher, teacher).victim;
      const student = network.forward("batch");
      const plain = host.evaluate(student, { x, y, xAdv }).loss.item();
      for (const teacherInput of ["clean", "same"] as const) {
        const distillation: Distillation = { teacher, weight: 0.7, temperature: 2.5, teacherInput };
        const found = distilled(host, distillation, { x, y, xAdv }).evaluate(student, { x, y, xAdv });
        const label = lessons.logits(teacherInput === "clean" ? x : xAdv);
        const terms = klByHand(lessons.logits(x), student(x), 2.5) + klByHand(label, student(xAdv), 2.5);
        expect(found.loss.item()).toBeCloseTo(plain + ((0.7 * 2.5 ** 2) / 2) * terms, 4);
      }
    });
  });

  /** Clean forwards with a graph, per host: none is added where there is one. */
  test.each([
    ["pgd-at", pgdAt(attack), 1, 1],
    ["pgd-at, same", pgdAt(attack), 1, 2],
    ["trades", trades(attack), 0, 1],
  ] as const)("%s: passes of student and teacher are counted", (name, host, added, taught) => {
    scope(() => {
      const { x, y } = data.train.batch(0, 0, rng(1));
      const batch = { x, y, xAdv: ops.clone(x) };
      const [own, both] = [countPasses(), countPasses()];
      // Weights that are trained: a clean forward counts as the host's only with a graph.
      const params = mapParams(model.params, (weight) => ops.detach(weight).setRequiresGrad(true));
      const forward = (passes: typeof own) =>
        bindNetwork(model, { params, buffers: model.buffers }, { passes }).forward("batch");
      host.evaluate(forward(own), batch);
      const teacherInput = name.endsWith("same") ? "same" : "clean";
      distilled(host, { teacher, teacherInput }, batch, { passes: both }).evaluate(forward(both), batch);
      expect(both.forward - own.forward).toBe(added + taught);
    });
  });

  test("draws the student towards the teacher, which stays as it is", async () => {
    const distance = (student: typeof model) =>
      scope(() => {
        const { x } = data.selection.ordered(0, 32);
        const logits = (of: typeof model) => bindNetwork(of, of).victim.logits(x);
        return klByHand(logits(teacher), logits(student), 1);
      });
    const before = bits(teacher.params, teacher.buffers);
    const common = { ...shared, masks, epochs: 4 };
    const alone = await finetune(model, common);
    const taught = await finetune(model, { ...common, distill: { teacher, weight: 3 } });
    expect(distance(taught)).toBeLessThan(0.5 * distance(alone));
    expect(bits(teacher.params, teacher.buffers)).toEqual(before);
    freeModel(alone);
    freeModel(taught);
  });

  test("of the network by itself adds nothing but the clean pass", () => {
    scope(() => {
      const { x, y } = data.train.batch(0, 0, rng(1));
      const same = copyOf(model);
      const buffers = cloneParams(model.buffers);
      const forward = bindNetwork(model, { params: model.params, buffers }).forward("running");
      const batch = { x, y, xAdv: ops.detach(x) };
      const host = pgdAt(attack);
      const found = distilled(host, { teacher: same }, batch).evaluate(forward, batch);
      expect(found.loss.item()).toBeCloseTo(host.evaluate(forward, batch).loss.item(), 5);
      freeModel(same);
      disposeParams(buffers);
    });
  });

  test("refuses options that make no sense", async () => {
    const refused = finetune(model, { ...shared, masks, distill: { teacher, temperature: 0 } });
    await expect(refused).rejects.toThrow("distill: expected temperature > 0, got 0");
  });
});

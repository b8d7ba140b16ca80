import { afterEach, describe, expect, test } from "vitest";
import { runScript } from "../../test/support/child.js";
import { linf, pgd } from "../attacks/index.js";
import { type Split, synthetic } from "../data/index.js";
import { pgdAt, trades } from "../losses/index.js";
import { type Model, type ResnetOptions, resnet18 } from "../models/index.js";
import { disposeParams, type Params } from "../nn/index.js";
import { sgd } from "../optim/index.js";
import { hydra } from "../pruning/index.js";
import { plain } from "../sharpness/index.js";
import { liveTensors, manualSeed, ops, scope } from "../torch/index.js";
import { rng, UsageError } from "../util/index.js";
import { checkMemory, estimateMemory, pretrain, search } from "./index.js";
import { availableMemory } from "./memory.js";

const GB = 1e9;
const nets: Model[] = [];
const net = (options: ResnetOptions = {}) => {
  const model = resnet18({ width: 4, imageSize: 16, ...options });
  nets.push(model);
  return model;
};
afterEach(() => {
  for (const { params, buffers } of nets.splice(0)) disposeParams(params, buffers);
});

describe("the estimate", () => {
  test("grows with batch, image, width, copies and a second forward pass, and shrinks in bfloat16", () => {
    const bytes = (options: ResnetOptions, needs: Partial<Parameters<typeof estimateMemory>[1]>) =>
      estimateMemory(net(options), { batchSize: 64, copies: 0, ...needs }).bytes;
    const usual = bytes({}, {});
    expect(bytes({}, { batchSize: 128 }) / usual).toBeCloseTo(2, 6);
    expect(bytes({ imageSize: 32 }, {}) / usual).toBeCloseTo(4, 0);
    expect(bytes({ width: 8 }, {}) / usual).toBeCloseTo(2, 0);
    expect(bytes({}, { precision: "bfloat16" }) / usual).toBeLessThan(0.7);
    const attack = pgd(linf({ eps: "8/255" }));
    expect(bytes({}, { loss: pgdAt(attack) }) / usual).toBeCloseTo(1, 1);
    expect(bytes({}, { loss: trades(attack) }) / usual).toBeCloseTo(2, 0);
    expect(bytes({}, { copies: 1 }) - usual).toBe(4 * 44_622);
  });

  test("changes nothing: no tensor stays, statistics and random numbers are as they were", () => {
    const model = net();
    const before = { live: liveTensors(), buffers: bitsOf(model.buffers), params: bitsOf(model.params) };
    const draw = () => scope(() => ops.uniform_(ops.empty([4])).toArray());
    manualSeed(rng(1));
    const drawn = draw();
    manualSeed(rng(1));
    estimateMemory(model, { batchSize: 8 });
    expect(draw()).toEqual(drawn);
    expect({ live: liveTensors(), buffers: bitsOf(model.buffers), params: bitsOf(model.params) }).toEqual(before);
  });

  test.each([
    [16, 128, "pgd-at"],
    [16, 64, "trades"],
    [4, 256, "pgd-at"],
  ])("is within a factor of 2 of what a step takes: width %i, batch %i, %s", (width, batch, loss) => {
    const { stdout, stderr } = runScript("step-memory.js", { args: [String(width), String(batch), loss] });
    expect(stderr).toBe("");
    const { estimated, grown } = JSON.parse(stdout) as { estimated: number; grown: number };
    expect(estimated / grown).toBeGreaterThan(0.5);
    expect(estimated / grown).toBeLessThan(2);
  });
});

function bitsOf(params: Params): unknown {
  return Array.from(params, ([name, tensor]) => [name, tensor.toArray()]);
}

describe("the check", () => {
  const estimate = { bytes: 3 * GB, perImage: GB / 64, batchSize: 128 };

  test("passes what fits", () => {
    checkMemory("search", estimate, 3 * GB);
    checkMemory("search", estimateMemory(net(), { batchSize: 2 }));
  });

  test("says what is needed, what there is, and what to do", () => {
    const failure = caught(() => checkMemory("search", estimate, 2 * GB));
    expect(failure).toBeInstanceOf(UsageError);
    expect((failure as UsageError).code).toBe("usage/memory");
    expect(failure.message).toBe(
      'search: expected 3.0 GB of free memory for batchSize 128, got 2.0 GB; lower batchSize (64 fits) or width, or take precision "bfloat16"',
    );
    expect(caught(() => checkMemory("search", estimate, 0.5 * GB)).message).toContain(
      'got 500 MB; lower width, or take precision "bfloat16"',
    );
  });

  test("knows what the machine has", () => {
    expect(availableMemory()).toBeGreaterThan(0.1 * GB);
    expect(availableMemory()).toBeLessThan(10_000 * GB);
    const absurd = estimateMemory(net(), { batchSize: 1e9 });
    expect(() => checkMemory("pretrain", absurd)).toThrow(/pretrain: expected \d+\.\d TB of free memory/);
  });
});

function caught(run: () => unknown): Error {
  try {
    run();
  } catch (error) {
    return error as Error;
  }
  throw new Error("expected an error");
}

describe("a stage", () => {
  const { train, selection } = synthetic({ examples: 16, selection: 8, testExamples: 1, batchSize: 8, size: 16 });
  const loss = pgdAt(pgd(linf({ eps: "8/255" }), { steps: 1 }));
  const usual = { train, selection, loss, optimizer: sgd({ lr: 0.01 }), epochs: 1 };
  /** As if there were so many images. */
  const absurd: Split = { ...train, length: 1e9, batchSize: 1e9 };

  test.each([
    ["pretrain", (model: ReturnType<typeof net>) => pretrain(model, { ...usual, train: absurd })],
    [
      "search",
      (model: ReturnType<typeof net>) =>
        search(model, { ...usual, train: absurd, method: hydra({ keepRatio: 0.5 }), gradient: plain() }),
    ],
  ])("%s refuses an absurd batch size before it takes any memory", async (stage, run) => {
    const model = net();
    const live = liveTensors();
    await expect(run(model)).rejects.toThrow(new RegExp(`^${stage}: expected .* TB of free memory`));
    expect(liveTensors()).toBe(live);
    disposeParams(model.params, model.buffers);
  });

  test("goes by the limit it is given, and by the images there are", async () => {
    const model = net();
    await expect(pretrain(model, { ...usual, availableMemory: 1e6 })).rejects.toThrow(/of free memory .*, got 1 MB;/);
    const all = { ...train, batchSize: 1e9, steps: 1, batch: () => train.ordered(0, 16) };
    const trained = await pretrain(model, { ...usual, train: all });
    disposeParams(model.params, model.buffers, trained.params, trained.buffers);
  });
});

// Stopping when asked, and stopping because there is no way on.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeEach, describe, expect, test } from "vitest";
import { bits, freeModel, tinyData, tinyNet } from "../../test/support/tiny.js";
import { linf, pgd } from "../attacks/index.js";
import { trades } from "../losses/index.js";
import { disposeParams } from "../nn/index.js";
import { sgd } from "../optim/index.js";
import { hydra } from "../pruning/index.js";
import { openRun, readEvents, withoutTimes } from "../run/index.js";
import { s2ap } from "../sharpness/index.js";
import { liveTensors } from "../torch/index.js";
import { DataError, rng, type S2apError } from "../util/index.js";
import { finetune, pretrain, type StageOptions, StoppedError, search } from "./index.js";

const base = mkdtempSync(join(tmpdir(), "s2ap-stopping-"));
afterAll(() => rmSync(base, { recursive: true, force: true }));

const data = tinyData();
const attack = pgd(linf({ eps: "8/255" }), { steps: 2 });
const model = tinyNet();
let live = 0;
beforeEach(() => {
  live = liveTensors();
});
afterEach(() => expect(liveTensors()).toBe(live));

interface Outcome {
  readonly result: unknown;
  readonly events: unknown;
}

/** All three stages in a folder, whose earlier stages are taken from it where they are done. */
async function stages(folder: string, options: Partial<StageOptions> = {}): Promise<Outcome> {
  using run = openRun(folder, { seed: 3, name: "stopping" });
  const optimizer = sgd({ lr: 0.05, momentum: 0.9, weightDecay: 1e-3 });
  const common = { ...data, loss: trades(attack), optimizer, selectionAttack: attack, epochs: 2, run, ...options };
  const dense = await pretrain(model, common);
  const owned = [dense.params, dense.buffers];
  try {
    const gradient = s2ap({ gamma: 0.05, warmupEpochs: 1 });
    const searched = await search(dense, { ...common, method: hydra({ keepRatio: 0.2 }), gradient });
    owned.push(searched.masks, searched.model.params, searched.model.buffers);
    const pruned = await finetune(searched.model, { ...common, masks: searched.masks });
    owned.push(pruned.params, pruned.buffers);
    return { result: bits(...owned), events: readEvents(folder).map(withoutTimes) };
  } finally {
    disposeParams(...owned);
  }
}

/** Says stop the n-th time it is asked, counted over all stages. */
function stopAt(n: number): () => boolean {
  let asked = 0;
  return () => {
    asked += 1;
    return asked === n;
  };
}

test("epochs of more batches than a pass go on with the next pass, also after a stop", async () => {
  const asked: (readonly [pass: number, index: number])[] = [];
  const { steps } = data.train;
  const train = {
    ...data.train,
    batch: (...[pass, index, key]: Parameters<typeof data.train.batch>) => {
      asked.push([pass, index]);
      return data.train.batch(pass, index, key);
    },
  };
  const options = { train, batches: steps + 1, choose: "last" as const };
  const whole = await stages(join(base, "longer"), options);
  const pretrained = asked.slice(0, 2 * (steps + 1));
  expect(pretrained).toEqual(Array.from({ length: 2 * (steps + 1) }, (_, i) => [Math.floor(i / steps), i % steps]));
  const ends = (whole.events as { type: string; stage?: string; status?: string }[]).filter(
    ({ type, status }) => type === "stage" && status === "done",
  );
  expect(ends.map((event) => ({ ...event }))).toMatchObject(
    Array(3).fill({ epochs: 2, steps: steps + 1, step: 2 * (steps + 1) }),
  );
  const folder = join(base, "longer-stopped");
  await expect(stages(folder, { ...options, shouldStop: stopAt(40) })).rejects.toThrow(StoppedError);
  expect(await stages(folder, options)).toEqual(whole);
});

describe("a stage that is asked to stop", () => {
  test("saves its state at any point, and the same call goes on to the same bits", async () => {
    let asked = 0;
    const count = () => {
      asked += 1;
      return false;
    };
    const whole = await stages(join(base, "whole"), { shouldStop: count });
    expect(asked).toBeGreaterThan(100);
    const folder = join(base, "stopped");
    let stops = 0;
    for (let i = 0; ; i++) {
      // Anywhere: before a step, between two steps of an attack, while an epoch is measured.
      const at = 1 + Math.floor(rng(5, "stop", i).uniform() * 0.3 * asked);
      try {
        const outcome = await stages(folder, { shouldStop: i < 12 ? stopAt(at) : () => false });
        expect(outcome).toEqual(whole);
        break;
      } catch (error) {
        if (!(error instanceof StoppedError)) throw error;
        expect(error.code).toBe("stopped");
        expect(error.message).toMatch(/^(pretrain|search|finetune): stopped as asked; run the same command again/);
        stops += 1;
      }
    }
    expect(stops).toBeGreaterThan(5);
  });

  test("without a run leaves nothing behind", async () => {
    const options = { ...data, loss: trades(attack), optimizer: sgd({ lr: 0.1 }), epochs: 1, shouldStop: () => true };
    await expect(pretrain(model, options)).rejects.toBeInstanceOf(StoppedError);
  });

  test("gives the event loop its turn, so that whoever asks can ask", async () => {
    let stop = false;
    const timer = setTimeout(() => {
      stop = true;
    }, 150);
    const options = { ...data, loss: trades(attack), optimizer: sgd({ lr: 0.1 }), epochs: 10_000 };
    await expect(pretrain(model, { ...options, shouldStop: () => stop })).rejects.toBeInstanceOf(StoppedError);
    clearTimeout(timer);
  });
});

describe("numbers that are none", () => {
  test.each<["pretrain" | "search", number, string]>([
    ["pretrain", 1e30, "pretrain, step 1: expected the gradient of conv1.weight to be finite, got NaN"],
    ["search", 3e38, "search, step 0: expected scores conv1.weight to be finite, got"],
  ])("stop %s with the step and the tensor", async (stage, lr, message) => {
    const folder = join(base, `nan-${stage}`);
    const attempt = async () => {
      using run = openRun(folder, { seed: 3 });
      const common = {
        ...data,
        loss: trades(attack, { beta: 1e4 }),
        optimizer: sgd({ lr }),
        epochs: 5,
        run,
        checkpointSeconds: 0,
      };
      const method = hydra({ keepRatio: 0.2 });
      if (stage === "pretrain") await pretrain(model, common);
      else await search(model, { ...common, method, gradient: s2ap({ gamma: 1 }) });
    };
    const failure = await attempt().catch((error: unknown) => error as S2apError);
    expect(failure).toMatchObject({ code: "not-finite", message: expect.stringContaining(message) });
    expect(failure?.message).toContain("; the last checkpoint stands. Lower the learning rate, or look at the data");
    expect(existsSync(join(folder, "checkpoints", "current.safetensors"))).toBe(stage === "pretrain");
    // From there, the same call comes to the same place.
    await expect(attempt()).rejects.toThrow(failure?.message);
  });
});

test("a damaged result of a finished stage is refused with the cure, which leads to the same bits", async () => {
  const folder = join(base, "damaged");
  const whole = await stages(folder);
  const path = join(folder, "checkpoints", "search.safetensors");
  const bytes = readFileSync(path);
  bytes[bytes.length - 5] = (bytes.at(-5) as number) ^ 1;
  writeFileSync(path, bytes);
  const failure = await stages(folder).catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(DataError);
  expect(failure).toMatchObject({
    code: "data/checksum",
    message: expect.stringMatching(/search\.safetensors: expected SHA-256 .* remove it to do the stage again$/),
  });
  rmSync(path);
  expect((await stages(folder)).result).toEqual(whole.result);
});

test("two writers of one folder are refused", async () => {
  using _run = openRun(join(base, "shared"), { seed: 3 });
  await expect(stages(join(base, "shared"))).rejects.toMatchObject({ code: "usage/locked" });
});

test("the model that a stage is given stays as it is", async () => {
  const before = bits(model.params, model.buffers);
  await stages(join(base, "given"));
  expect(bits(model.params, model.buffers)).toEqual(before);
  const again = tinyNet();
  expect(bits(again.params, again.buffers)).toEqual(before);
  freeModel(again);
});

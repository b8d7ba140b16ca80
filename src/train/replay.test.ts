// A stage whose loss replays its batches: how many steps it makes, on which batches, and going on after a stop.
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeEach, describe, expect, test } from "vitest";
import { bits, freeModel, tinyData, tinyNet } from "../../test/support/tiny.js";
import { linf, pgd } from "../attacks/index.js";
import { freeAt } from "../losses/index.js";
import { bindNetwork, withState } from "../models/index.js";
import { cloneParams, disposeParams, type Params } from "../nn/index.js";
import { sgd } from "../optim/index.js";
import { hydra } from "../pruning/index.js";
import { openRun, readEvents, withoutTimes } from "../run/index.js";
import { s2ap } from "../sharpness/index.js";
import { grad, liveTensors, noGrad, ops, scope, type Tensor } from "../torch/index.js";
import { rng } from "../util/index.js";
import { loadGroups } from "./checkpoint.js";
import { pretrain, type StageOptions, search } from "./index.js";

const base = mkdtempSync(join(tmpdir(), "s2ap-replay-"));
afterAll(() => rmSync(base, { recursive: true, force: true }));

const data = tinyData();
const model = tinyNet();
const threat = linf({ eps: "8/255" });
const optimizer = sgd({ lr: 0.05, momentum: 0.9 });
const REPLAYS = 3;
const loss = freeAt(threat, { replays: REPLAYS });
const shared = {
  ...data,
  loss,
  optimizer,
  selectionAttack: pgd(threat, { steps: 1 }),
  seed: 3,
  choose: "last" as const,
};
let live = 0;
beforeEach(() => {
  live = liveTensors();
});
afterEach(() => expect(liveTensors()).toBe(live));

/** Two epochs of Free-AT with SGD, written out. */
function byHand(): unknown {
  return scope(() => {
    const { eps } = threat;
    const [params, buffers] = [cloneParams(model.params), cloneParams(model.buffers)];
    const momentum = new Map<string, Tensor>();
    let noise = ops.zeros([16, 3, 8, 8]);
    for (let epoch = 0; epoch < 2; epoch++) {
      for (let i = 0; i < data.train.steps; i++) {
        const { x, y } = data.train.batch(epoch, i, rng(3, "pretrain").at("data"));
        for (let replay = 0; replay < REPLAYS; replay++) {
          const leaves = new Map(Array.from(params, ([name, t]) => [name, ops.clone(t).setRequiresGrad(true)]));
          const moved = ops.clone(noise).setRequiresGrad(true);
          const xAdv = ops.clamp(ops.add(x, moved), { min: 0, max: 1 });
          const logits = bindNetwork(model, { params: leaves, buffers }).forward("update")(xAdv);
          const all = grad(ops.crossEntropyLoss(logits, y), [...leaves.values(), moved]);
          noGrad(() => {
            const step = ops.mul(ops.sign(all.at(-1) as Tensor), { float: eps });
            noise = ops.clamp(ops.add(noise, step), { min: -eps, max: eps });
            for (const [k, [name, weight]] of [...params].entries()) {
              const before = momentum.get(name);
              const buffer = before ? ops.add(ops.mul(before, 0.9), all[k] as Tensor) : (all[k] as Tensor);
              momentum.set(name, buffer);
              ops.sub_(weight, buffer, { alpha: 0.05 });
            }
          });
        }
      }
    }
    const found = bits(params, buffers);
    disposeParams(params, buffers);
    return found;
  });
}

function expectClose(found: ReturnType<typeof bits>, wanted: ReturnType<typeof bits>): void {
  expect(found.map(([name]) => name)).toEqual(wanted.map(([name]) => name));
  for (const [i, [name, values]] of found.entries()) {
    const other = Array.from(wanted[i]?.[1] as Float32Array, Number);
    for (const [k, value] of Array.from(values as Float32Array, Number).entries()) {
      expect(Math.abs(value - (other[k] as number)), `${name}[${k}]`).toBeLessThan(1e-5 + 1e-4 * Math.abs(value));
    }
  }
}

test("weights and statistics are those of Free-AT written out", async () => {
  const trained = await pretrain(model, { ...shared, epochs: 2 });
  expectClose(bits(trained.params, trained.buffers), byHand() as ReturnType<typeof bits>);
  freeModel(trained);
});

type Stage = "pretrain" | "search";

/** A stage in a folder; its result and its log. */
async function stage(name: Stage, folder: string, options: Partial<StageOptions> = {}) {
  using run = openRun(join(base, folder), { seed: 3, name: "replay" });
  const common = { ...shared, epochs: 2, run, checkpointSeconds: 0, ...options };
  const owned: Params[] = [];
  try {
    if (name === "pretrain") {
      const { params, buffers } = await pretrain(model, common);
      owned.push(params, buffers);
    } else {
      const gradient = s2ap({ gamma: 0.05, warmupEpochs: 1 });
      const found = await search(withState(model, model), { ...common, method: hydra({ keepRatio: 0.2 }), gradient });
      owned.push(found.masks, found.model.params, found.model.buffers);
    }
    return { result: bits(...owned), events: readEvents(join(base, folder)).map(withoutTimes) };
  } finally {
    disposeParams(...owned);
  }
}

describe.each<Stage>(["pretrain", "search"])("%s with three replays", (name) => {
  test("makes three steps on each batch, and counts them", async () => {
    const { events } = await stage(name, `${name}-whole`);
    const steps = data.train.steps * REPLAYS;
    expect(events.at(-1)).toMatchObject({ type: "stage", status: "done", steps, step: 2 * steps });
    const epochs = events.filter(({ type }) => type === "epoch");
    expect(epochs.map(({ epoch }) => epoch)).toEqual([0, 1]);
    // One pass forward and one backward a step; S2AP, after its warm-up, two.
    const passes = name === "pretrain" ? 2 * steps : 3 * steps;
    expect(epochs.at(-1)?.passes).toEqual({ forward: passes, backward: passes });
  });

  test("stopped between replays goes on to the same bits, with its noise from the checkpoint", async () => {
    const folder = `${name}-stopped`;
    for (const after of [5, 8]) {
      let asked = 0;
      const stopped = stage(name, folder, { shouldStop: () => ++asked > after });
      await expect(stopped).rejects.toMatchObject({ code: "stopped" });
      const path = join(base, folder, "checkpoints", "current.safetensors");
      expect(existsSync(path)).toBe(true);
      const { groups } = loadGroups(path);
      const noise = groups.get("memory")?.get("noise") as Tensor;
      expect(noise.shape).toEqual([16, 3, 8, 8]);
      expect(Math.max(...noise.toNumbers())).toBeCloseTo(threat.eps, 6);
      disposeParams(...groups.values());
    }
    expect(await stage(name, folder)).toEqual(await stage(name, `${name}-whole`));
  });
});

// `gamma: auto` through whole searches: found at the first step after the warm-up, the same ever after, in log and checkpoint.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { linf, pgd } from "../../src/attacks/index.js";
import { pgdAt } from "../../src/losses/index.js";
import type { Model } from "../../src/models/index.js";
import { disposeParams, type Params } from "../../src/nn/index.js";
import { sgd } from "../../src/optim/index.js";
import { hydra } from "../../src/pruning/index.js";
import { openRun } from "../../src/run/index.js";
import { asam, randomPerturbation, type ScoreGradient, s2ap, sam } from "../../src/sharpness/index.js";
import { scope } from "../../src/torch/index.js";
import { loadGroups } from "../../src/train/checkpoint.js";
import { StoppedError, search } from "../../src/train/index.js";
import { rng } from "../../src/util/index.js";
import { searchStep } from "../support/search-step.js";
import { freeModel, tinyData, trainedTiny } from "../support/tiny.js";

const base = mkdtempSync(join(tmpdir(), "s2ap-auto-"));
const data = tinyData();
const attack = pgd(linf({ eps: "8/255" }), { steps: 1 });
const loss = pgdAt(attack);
const method = hydra({ keepRatio: 0.2 });
const usual = { ...data, loss, optimizer: sgd({ lr: 0.1 }), selectionAttack: attack, method, epochs: 3, seed: 2 };
const auto = s2ap({ gamma: "auto", swapTarget: 0.05, warmupEpochs: 1 });

let model: Model;
let scores: Params;
beforeAll(async () => {
  model = await trainedTiny(data);
  scores = method.init(model, rng(1)).scores;
});
afterAll(() => {
  rmSync(base, { recursive: true, force: true });
  disposeParams(scores);
  freeModel(model);
});

describe("one step", () => {
  test.each<[string, (radius: number | "auto") => ScoreGradient]>([
    ["gamma", (gamma) => s2ap({ gamma, swapTarget: 0.05 })],
    ["gamma", (gamma) => s2ap({ gamma, swapTarget: 0.05, norm: "asam", deadFilters: "exclude" })],
    ["gamma", (gamma) => s2ap({ gamma, swapTarget: 0.05, perturb: "magnitudes" })],
    ["gamma", (gamma) => randomPerturbation({ gamma, swapTarget: 0.05 })],
    ["rho", (rho) => sam({ rho, swapTarget: 0.05 })],
    ["rho", (rho) => asam({ rho, swapTarget: 0.05 })],
  ])("finds the %s that swaps the target, and takes the step of that radius", (option, gradient) => {
    scope(() => {
      const kept: Record<string, number> = {};
      const at = { model, scores, method, loss };
      const found = searchStep({ ...at, gradient: gradient("auto"), kept });
      expect(Object.keys(kept)).toEqual([option]);
      const entries = [...scores.values()].reduce((sum, t) => sum + t.numel, 0) * 0.2;
      expect(found.found.log.swapFraction).toBeGreaterThanOrEqual(0.05);
      expect(found.found.log.swapFraction).toBeLessThan(0.051 + 5 / entries);
      const fixed = searchStep({ ...at, gradient: gradient(kept[option] as number) });
      expect(fixed.found.log).toEqual(found.found.log);
      expect(fixed.passes).toEqual(found.passes);
      expect(searchStep({ ...at, gradient: gradient("auto"), kept: { [option]: 0 } }).found.log.swapFraction).toBe(0);
    });
  });

  test("in the warm-up looks for nothing", () => {
    scope(() => {
      const kept: Record<string, number> = {};
      searchStep({ model, scores, method, loss, gradient: auto, kept, epoch: 0 });
      expect(kept).toEqual({});
    });
  });
});

async function radii(gradient: ScoreGradient, more: object = {}): Promise<unknown[]> {
  const found = await search(model, { ...usual, gradient, ...more });
  disposeParams(found.masks, found.model.params, found.model.buffers);
  return found.history.map((event) => event.gradientState?.gamma);
}

describe("a search", () => {
  test("logs the radius from the first epoch after the warm-up on, always the same", async () => {
    const [first, second, third] = await radii(auto);
    expect(first).toBeUndefined();
    expect(second).toBeGreaterThan(0);
    expect(third).toBe(second);
    // Its own in each search: nothing stays in the gradient.
    const [, other] = await radii(auto, { seed: 3 });
    expect(other).not.toBe(second);
    expect(await radii(auto)).toEqual([first, second, third]);
    expect(await radii(s2ap({ warmupEpochs: 1 }))).toEqual([undefined, undefined, undefined]);
  });

  test("has it in the checkpoint, and goes on with it", async () => {
    const folder = join(base, "run");
    const attempt = async (shouldStop: () => boolean) => {
      using run = openRun(folder, { seed: 2, name: "auto" });
      return await radii(auto, { run, shouldStop, checkpointSeconds: 0 });
    };
    const whole = await radii(auto);
    let asked = 0;
    let polls = 0;
    await radii(auto, { shouldStop: () => ++polls < 0 });
    // In the third step after the warm-up, each asking once by itself and once in its attack.
    const stop = polls / 3 + 2 * 2 + 1;
    await expect(attempt(() => ++asked === stop)).rejects.toBeInstanceOf(StoppedError);
    const { groups } = loadGroups(join(folder, "checkpoints", "current.safetensors"));
    const saved = groups.get("gradient");
    expect(saved?.get("gamma")?.item()).toBe(whole[1]);
    disposeParams(...groups.values());
    expect(await attempt(() => false)).toEqual(whole);
  });
});

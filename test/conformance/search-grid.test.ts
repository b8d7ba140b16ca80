// Whole searches, every method (and structure) with every gradient, as the registries have them: at a radius of zero the
// bits are plain's, the weights come back as they were, and a search that is stopped and called again ends in the same bits.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { linf, pgd } from "../../src/attacks/index.js";
import { pgdAt } from "../../src/losses/index.js";
import type { Model } from "../../src/models/index.js";
import { disposeParams, pick } from "../../src/nn/index.js";
import { sgd } from "../../src/optim/index.js";
import { openRun, readEvents, withoutTimes } from "../../src/run/index.js";
import { gradients, plain, type ScoreGradient } from "../../src/sharpness/index.js";
import { liveTensors } from "../../src/torch/index.js";
import { type SearchOptions, StoppedError, search } from "../../src/train/index.js";
import { type HostMethod, hostMethods } from "../support/hosts.js";
import { bits, freeModel, tinyData, trainedTiny } from "../support/tiny.js";

const base = mkdtempSync(join(tmpdir(), "s2ap-grid-"));
const data = tinyData();
const attack = pgd(linf({ eps: "8/255" }), { steps: 1 });
const epochs = 2;
const usual = {
  ...data,
  loss: pgdAt(attack),
  optimizer: sgd({ lr: 0.1, momentum: 0.9, weightDecay: 1e-3 }),
  selectionAttack: attack,
  epochs,
  seed: 11,
  // A warm-up offers its epochs as no candidates, plain has none.
  choose: "last" as const,
};

let model: Model;
let live = 0;
beforeAll(async () => {
  model = await trainedTiny(data);
  live = liveTensors();
});
afterAll(() => {
  rmSync(base, { recursive: true, force: true });
  expect(liveTensors()).toBe(live);
  freeModel(model);
});

/** The gradient with the first of these options that it takes, after a warm-up of an epoch where it has one. */
function made(name: string, ...wanted: readonly object[]): ScoreGradient {
  const { options: schema, create } = gradients.get(name);
  const tried = [...wanted, {}].flatMap((options) => [{ ...options, warmupEpochs: 1 }, options]);
  const parsed = tried.map((options) => schema.safeParse(options)).find(({ success }) => success);
  return create(parsed?.data as never, {}) as ScoreGradient;
}

/** Everything that must be the same; what only a perturbed pass has, and the passes, are told apart. */
async function outcome(host: HostMethod, gradient: ScoreGradient, more: Partial<SearchOptions> = {}) {
  const found = await search(model, { ...usual, ...more, method: host.method, gradient });
  const result = {
    tensors: bits(found.masks, found.model.params, found.model.buffers),
    weights: bits(pick(found.model.params, model.prunable)),
    epochs: found.history.map(({ loss, robustAccuracy, cleanAccuracy, maskDistance, sparsity }) => ({
      ...{ loss, robustAccuracy, cleanAccuracy, maskDistance, sparsity },
    })),
    last: found.history.map((event) => withoutTimes({ at: "", ...event })).at(-1),
  };
  disposeParams(found.masks, found.model.params, found.model.buffers);
  return result;
}

const plainly = new Map<string, ReturnType<typeof outcome>>();
function alone(host: HostMethod): ReturnType<typeof outcome> {
  const known = plainly.get(host.label) ?? outcome(host, plain());
  plainly.set(host.label, known);
  return known;
}

/** Says stop the n-th time it is asked. */
function stopAt(n: number) {
  const counter = { asked: 0, stop: () => ++counter.asked === n };
  return counter;
}

describe.each(hostMethods())("$label", (host) => {
  describe.each(gradients.names())("with %s", (name) => {
    test("at a radius of zero is plain, bit for bit, and leaves the weights", async () => {
      const wanted = await alone(host);
      const found = await outcome(host, made(name, { gamma: 0 }, { rho: 0 }));
      expect(found.tensors).toEqual(wanted.tensors);
      expect(found.epochs).toEqual(wanted.epochs);
      if (host.method.initWeights === undefined)
        expect(found.weights).toEqual(bits(pick(model.params, model.prunable)));
      // One pass more, of the two that plain makes with an attack of one step.
      const cost = name === "plain" ? 1 : 1.5;
      expect(found.last).toMatchObject({ forwardCost: cost, backwardCost: cost });
    });

    test("stopped after a step of its own and called again, ends in the same bits", async () => {
      // Few groups may give `auto` nothing to swap: filters that RST left out have no gradient to come back with.
      const radius = host.usual ? "auto" : 0.5;
      const gradient = made(name, { gamma: radius }, { rho: radius });
      const at = async (folder: string, shouldStop?: () => boolean) => {
        using run = openRun(join(base, folder), { seed: 11, name: "grid" });
        const found = await outcome(host, gradient, { run, ...(shouldStop && { shouldStop }) });
        return { found, events: readEvents(join(base, folder)).map(withoutTimes) };
      };
      const folder = `${host.label}-${name}`.replaceAll(/\W+/g, "-");
      const counted = stopAt(Number.POSITIVE_INFINITY);
      const whole = await at(`${folder}-whole`, counted.stop);
      // Each epoch asks before a step, before an attack step of it, and then before those of the selection batches.
      const third = counted.asked / epochs + 2 * 2 + 1;
      await expect(at(folder, stopAt(third).stop)).rejects.toBeInstanceOf(StoppedError);
      const resumed = await at(folder);
      expect(resumed).toEqual(whole);
    });
  });
});

// The alarm for catastrophic overfitting: its rule on made-up accuracies, and a stage that is led into it.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { bits, freeModel, tinyNet } from "../../test/support/tiny.js";
import { fgsm, linf, pgd } from "../attacks/index.js";
import { synthetic } from "../data/index.js";
import {
  fgsmRs,
  freeAt,
  mart,
  meanCrossEntropy,
  natural,
  pgdAt,
  type RobustLoss,
  smoothing,
  trades,
} from "../losses/index.js";
import type { Model } from "../models/index.js";
import { sgd } from "../optim/index.js";
import { openRun, type Probe, type RunEvent, readEvents, withoutTimes } from "../run/index.js";
import { liveTensors, ops } from "../torch/index.js";
import { pretrain, type StageOptions } from "./index.js";
import { alarmOf, overfits } from "./probe.js";

const probes = (examples: number, ...pairs: readonly (readonly [pgd: number, fgsm: number])[]): Probe[] =>
  pairs.map(([pgd, fgsm]) => ({ pgd, fgsm, examples }));

describe("on made-up accuracies", () => {
  test.each<[string, Probe[], number | undefined]>([
    ["no epoch", [], undefined],
    ["one epoch", probes(256, [0.4, 0.5]), undefined],
    ["robustness that grows", probes(256, [0.3, 0.4], [0.35, 0.5], [0.4, 0.6]), undefined],
    ["PGD to nothing, FGSM to the top", probes(256, [0.3, 0.4], [0.4, 0.5], [0.01, 0.9]), 1],
    ["the best of several, the first of equals", probes(256, [0.4, 0.5], [0.4, 0.6], [0.35, 0.6], [0.1, 0.7]), 0],
    ["it as long as it lasts", probes(256, [0.4, 0.5], [0.05, 0.8], [0.08, 0.9]), 0],
    ["what came back", probes(256, [0.4, 0.5], [0.05, 0.8], [0.39, 0.6]), undefined],
    ["both falling, as under too high a learning rate", probes(256, [0.4, 0.5], [0.1, 0.3]), undefined],
    ["a fall too small to matter", probes(256, [0.4, 0.5], [0.31, 0.9]), undefined],
    ["a fall just large enough", probes(256, [0.4, 0.5], [0.3, 0.51]), 0],
    ["a fall that 16 images do not show", probes(16, [0.5, 0.5], [0.25, 0.9]), undefined],
    ["one class for all images before", probes(256, [0.25, 0.25], [0.05, 0.4]), undefined],
  ])("%s", (_, history, wanted) =>
    expect(overfits(history, 0.1 + (history[0]?.fgsm === 0.25 ? 0.15 : 0))).toBe(wanted),
  );
});

const threat = linf({ eps: "24/255" });
const attack = pgd(threat, { steps: 3 });

test("it is on for losses of a single step, and as the stage says", () => {
  const options = (loss: RobustLoss, overfittingAlarm?: StageOptions["overfittingAlarm"]) =>
    alarmOf({ loss, overfittingAlarm } as StageOptions);
  for (const loss of [fgsmRs(threat), freeAt(threat), pgdAt(fgsm(threat)), trades(fgsm(threat)), mart(fgsm(threat))]) {
    expect(options(loss), loss.name).toBe("warn");
  }
  for (const loss of [pgdAt(attack), trades(attack), mart(attack), natural(threat), smoothing(threat)]) {
    expect(options(loss), loss.name).toBe("off");
  }
  expect(options(pgdAt(attack), "stop")).toBe("stop");
  expect(options(fgsmRs(threat), "off")).toBe("off");
});

/** Learns to be right on examples of one step and wrong on those of PGD: what catastrophic overfitting comes to by itself. */
const misled: RobustLoss = {
  name: "misled",
  threat,
  singleStep: true,
  craft: (victim, x, y, at) =>
    ops.cat([fgsm(threat), pgd(threat, { steps: 10 })].map((each) => each.perturb(victim, x, y, at))),
  evaluate(forward, { y, xAdv }) {
    const logits = forward(xAdv);
    const half = y.shape[0] as number;
    const [robustLogits, strong] = [ops.slice(logits, { end: half }), ops.slice(logits, { start: -half })];
    const wrong = ops.clampMax(meanCrossEntropy(strong, y), 2);
    const loss = ops.sub(ops.mul(meanCrossEntropy(robustLogits, y), 3), wrong);
    return { loss, robustLogits };
  },
};

const base = mkdtempSync(join(tmpdir(), "s2ap-probe-"));
afterAll(() => rmSync(base, { recursive: true, force: true }));

const data = synthetic({
  ...{ numClasses: 4, size: 8, examples: 64, selection: 64, testExamples: 1, batchSize: 16, augment: false },
});
const EPOCHS = 9;
const optimizer = (lr: number) => sgd({ lr, momentum: 0.9 });
const shared = { ...data, selectionAttack: attack, choose: "last" as const };
let robust: Model;
let live = 0;
beforeAll(async () => {
  const untrained = tinyNet();
  robust = await pretrain(untrained, { ...shared, optimizer: optimizer(0.02), loss: pgdAt(attack), epochs: 6 });
  freeModel(untrained);
});
beforeEach(() => {
  live = liveTensors();
});
afterEach(() => expect(liveTensors()).toBe(live));

const attempt = async (folder: string | undefined, options: Partial<StageOptions> = {}) => {
  const run = folder === undefined ? undefined : openRun(join(base, folder), { seed: 3, name: "misled" });
  try {
    const trained = await pretrain(robust, {
      ...shared,
      seed: 3,
      optimizer: optimizer(0.01),
      loss: misled,
      epochs: EPOCHS,
      run,
      ...options,
    });
    const found = bits(trained.params, trained.buffers);
    freeModel(trained);
    return found;
  } finally {
    run?.close();
  }
};
const eventsOf = (folder: string) => readEvents(join(base, folder));
const warnings = (events: readonly RunEvent[]) => events.flatMap((event) => (event.type === "warning" ? [event] : []));
const MESSAGE =
  /^pretrain, epoch \d: expected accuracy under PGD-10 on 64 selection images to stay near its best, 0\.\d{3} after epoch \d, got 0\.\d{3}, while that under FGSM rose from 0\.\d{3} to [01]\.\d{3}: catastrophic overfitting to single steps\. Lower the step size/;

describe("a stage that learns to fool its one step", () => {
  test("is warned of once, in the log, and goes on; stopped on the way it leaves the same log and bits", async () => {
    const whole = await attempt("whole");
    const events = eventsOf("whole");
    expect(warnings(events)).toMatchObject([
      { code: "catastrophic-overfitting", message: expect.stringMatching(MESSAGE) },
    ]);
    expect(events.filter(({ type }) => type === "epoch")).toHaveLength(EPOCHS);
    let asked = 0;
    // Three times on the way; each goes on where the one before ended.
    for (let i = 0; i < 3; i++) {
      asked = 0;
      const stop = () => ++asked > 90;
      await expect(attempt("stopped", { shouldStop: stop })).rejects.toMatchObject({ code: "stopped" });
    }
    expect(await attempt("stopped")).toEqual(whole);
    expect(eventsOf("stopped").map(withoutTimes)).toEqual(events.map(withoutTimes));
  });

  test("without a run is warned of by the callback", async () => {
    const told: string[] = [];
    await attempt(undefined, { onWarning: (message) => told.push(message) });
    expect(told).toEqual([expect.stringMatching(MESSAGE)]);
  });

  test("ends with an error where it is to stop, again when it is called again, and goes on when it is let", async () => {
    const stop = () => attempt("ended", { overfittingAlarm: "stop" }).catch((error: unknown) => error as Error);
    const failure = await stop();
    expect(failure).toMatchObject({ code: "catastrophic-overfitting", message: expect.stringMatching(MESSAGE) });
    const events = eventsOf("ended").map(withoutTimes);
    expect(warnings(eventsOf("ended"))).toEqual([]);
    expect(events.at(-1)).toMatchObject({ type: "epoch" });
    expect(await stop()).toEqual(failure);
    expect(eventsOf("ended").map(withoutTimes)).toEqual(events);
    const result = await attempt("ended", { overfittingAlarm: "warn" });
    expect(result).toEqual(await attempt("anew"));
  });

  test("is not looked at where the alarm is off, and the network is the same", async () => {
    const off = await attempt("off", { overfittingAlarm: "off" });
    expect(eventsOf("off").some((event) => "probe" in event || event.type === "warning")).toBe(false);
    expect(off).toEqual(await attempt("anew"));
  });
});

import { describe, expect, test } from "vitest";
import { at, epochEvent, maskNumbers, recipe, stepEvent, wholeRun } from "../../test/support/dashboard-runs.js";
import type { NewEvent, RunEvent } from "../run/index.js";
import type { RunSummary } from "./api.js";
import { attackWords, percentTick, progressWords, verdict } from "./client/words.js";
import { keyNumbers } from "./key-numbers.js";
import { plannedEpochs, progressOf } from "./progress.js";
import { addEvent, emptyLog, MOST_SAMPLES, type RunLog } from "./run-log.js";
import { isSound } from "./sound-events.js";

const stamped = (event: NewEvent, second = 0) => ({ ...event, at: at(second) }) as RunEvent;

function logOf(events: readonly NewEvent[]): RunLog {
  const log = emptyLog();
  events.forEach((event, i) => {
    addEvent(log, stamped(event, i));
  });
  return log;
}

describe("addEvent", () => {
  test("gathers stages, samples, epochs and evaluations", () => {
    const log = logOf(wholeRun());
    expect(log.stages.map(({ stage, done, epochLog }) => [stage, done, epochLog.length])).toEqual([
      ["pretrain", true, 2],
      ["search", true, 2],
      ["finetune", true, 1],
    ]);
    expect(log.stages[0]?.samples.map(({ step }) => step)).toEqual([5, 10, 15, 20]);
    expect(log.evaluations.map(({ attack }) => attack)).toEqual(["pgd-20"]);
    expect(log.count).toBe(wholeRun().length);
    expect(log.recent.some(({ type }) => type === "step")).toBe(false);
  });

  test("is the same whether it goes through JSON in the middle or not, as the page's copy does", () => {
    const events = [
      ...Array.from({ length: 3 * MOST_SAMPLES + 17 }, (_, i) => stepEvent("pretrain", i + 1)),
      ...wholeRun(),
    ].map((event, i) => stamped(event, i));
    const whole = emptyLog();
    for (const event of events) addEvent(whole, event);
    let half = emptyLog();
    for (const [i, event] of events.entries()) {
      if (i % 1501 === 1500) half = JSON.parse(JSON.stringify(half)) as RunLog;
      addEvent(half, event);
    }
    expect(half).toEqual(whole);
  });

  test("keeps real samples from the whole of a long stage, and no more than it should", () => {
    const log = logOf(Array.from({ length: 200_000 }, (_, i) => stepEvent("pretrain", i + 1, i)));
    const samples = log.stages[0]?.samples ?? [];
    expect(samples.length).toBeGreaterThan(MOST_SAMPLES / 2);
    expect(samples.length).toBeLessThanOrEqual(MOST_SAMPLES);
    const gaps = samples.slice(1).map(({ step }, i) => step - (samples[i]?.step ?? 0));
    expect(new Set(gaps).size).toBe(1);
    expect(samples[0]?.step).toBe(1);
    expect((samples.at(-1)?.step ?? 0) + (gaps[0] ?? 0)).toBeGreaterThan(200_000);
    expect(log.stages[0]?.last?.step).toBe(200_000);
  });

  test("counts an epoch that ran again once, as it went last", () => {
    const log = logOf([0, 1, 2, 1].map((epoch, i) => epochEvent("search", epoch, { seconds: i })));
    expect(log.stages[0]?.epochLog.map(({ epoch, seconds }) => [epoch, seconds])).toEqual([
      [0, 0],
      [1, 3],
      [2, 2],
    ]);
  });
});

describe("isSound", () => {
  test("takes what a run writes", () => {
    for (const event of wholeRun()) expect(isSound(stamped(event))).toBe(true);
    expect(isSound(stamped(stepEvent("search", 1, null as unknown as number)))).toBe(true); // NaN, as JSON has it
    expect(isSound({ type: "of-tomorrow", at: at(0) } as unknown as RunEvent)).toBe(true);
  });

  test.each([
    [{ ...stepEvent("search", 1), stage: "<b>" }],
    [{ ...stepEvent("search", 1), stage: "__proto__" }],
    [{ ...stepEvent("search", 1), loss: { toString: 1 } }],
    [{ ...stepEvent("search", 1), step: 1e300 }],
    [{ ...stepEvent("search", 1), step: -1 }],
    [epochEvent("search", 0, { maskDistance: null })],
    [epochEvent("search", 0, { maskDistance: { hamming: 0, perKept: 0, layers: { a: "<b>" } } })],
    [epochEvent("search", 0, { sparsity: { total: 0, layers: [] } })],
    [{ type: "warning", code: "x", message: {} }],
    [{ type: "evaluation", attack: ["x"] }],
    [{ type: "stage", stage: "search", status: "start" }],
  ])("refuses %j", (event) => {
    expect(isSound(stamped(event as NewEvent))).toBe(false);
  });
});

describe("progressOf", () => {
  const planned = plannedEpochs(recipe);

  test("reckons from the recipe and the pace of the newest epochs", () => {
    expect(planned).toEqual({ pretrain: 2, search: 2, finetune: 1 });
    expect(progressOf(emptyLog(), planned)).toMatchObject({ share: 0, secondsLeft: null, stage: null });
    const log = logOf(wholeRun().slice(0, 4)); // the first of five epochs
    expect(progressOf(log, planned)).toMatchObject({
      share: 0.2,
      secondsLeft: 80,
      stage: "pretrain",
      epoch: 1,
      epochs: 2,
    });
    expect(progressOf(logOf(wholeRun()), planned)).toMatchObject({ share: 1, secondsLeft: 0, stage: "finetune" });
  });

  test("leaves out the stages before the one that a run began with", () => {
    const log = logOf(wholeRun().slice(8, 12)); // begins with the search
    expect(log.stages[0]?.stage).toBe("search");
    expect(progressOf(log, planned).share).toBeCloseTo(1 / 3);
  });

  test("takes the pace of the first epoch from its samples", () => {
    const log = logOf(wholeRun().slice(0, 2)); // half an epoch in one second
    expect(progressOf(log, planned)).toMatchObject({ share: 0.1, secondsLeft: 9 });
  });

  test("is whole where a run is done that had nothing to train", () => {
    const log = logOf(wholeRun().slice(-1)); // an evaluation alone
    expect(progressWords(progressOf(log, planned, { done: true }))).toBe("nothing to train");
    expect(progressOf(log, planned, { done: true })).toMatchObject({ share: 1, stage: null });
    expect(progressWords(progressOf(log, planned))).toBe("not begun");
    expect(progressWords(progressOf(logOf(wholeRun()), planned, { done: true }))).toBe("finetune 100 %");
  });

  test.each([null, "x", { stages: null }, { stages: { search: { epochs: "2" } } }])("makes nothing of %j", (odd) => {
    expect(plannedEpochs(odd)).toEqual({});
    expect(progressOf(emptyLog(), {})).toMatchObject({ share: null, secondsLeft: null });
  });
});

describe("keyNumbers", () => {
  test("are of the last attack, or of held-out images until there is one", () => {
    const names = { method: "hydra", gradient: "s2ap", model: "resnet18" };
    const data = { kind: "file", location: "", sha256: "abc" };
    expect(keyNumbers(logOf(wholeRun()), { recipe, data })).toEqual({
      ...names,
      ...{ sparsity: 0.9, cleanAccuracy: 0.48, robustAccuracy: 0.31, interval: [0.28, 0.34] },
      ...{ attack: "pgd-20", norm: "linf", eps: "8/255", examples: 1000, dataHash: "abc" },
    });
    const log = logOf([epochEvent("search", 1, maskNumbers(0.01))]);
    expect(keyNumbers(log, { recipe })).toMatchObject({
      robustAccuracy: 0.31,
      ...{ attack: null, norm: null, eps: null, dataHash: null },
      examples: 100,
      interval: null,
    });
    expect(keyNumbers(emptyLog(), { recipe: "odd" })).toMatchObject({
      robustAccuracy: null,
      method: null,
      model: null,
    });
  });
});

describe("verdict", () => {
  const first = { id: "1", ...keyNumbers(logOf(wholeRun()), { recipe }) } as RunSummary;
  const other = (more: Partial<RunSummary>): RunSummary => ({ ...first, id: "2", ...more });

  test("is given where both runs were attacked alike", () => {
    expect(verdict(first, first)).toBe("measured against this one");
    expect(verdict(other({ interval: [0.33, 0.4] }), first)).toBe("within the 95 % intervals: not shown");
    expect(verdict(other({ interval: [0.35, 0.4] }), first)).toBe("beyond the 95 % intervals");
    expect(attackWords(first)).toBe("pgd-20, linf 8/255, 1,000 images");
  });

  test.each<[Partial<RunSummary>, string]>([
    [{ eps: "4/255" }, "eps"],
    [{ attack: "aa-standard", norm: "l2" }, "attack and norm"],
    [{ examples: 500, dataHash: "abc" }, "number of images and data"],
  ])("is none where they differ: %j", (more, words) => {
    expect(verdict(other({ interval: [0.8, 0.9], ...more }), first)).toBe(
      `not measured alike: they differ in ${words}`,
    );
  });

  test("says which run was not attacked", () => {
    const none = { attack: null, interval: null } as const;
    expect(verdict(other(none), first)).toBe("not measured: this run was not attacked");
    expect(verdict(first, other(none))).toBe("not measured: the first run was not attacked");
    expect(verdict(other(none), { ...first, ...none })).toBe("not measured");
  });
});

test("ticks of shares have the digits that tell them apart", () => {
  const ticks = [0, 1, 2, 3, 4, 7].map((i) => percentTick(i * 0.005));
  expect(ticks).toEqual(["0", "0.5", "1", "1.5", "2", "3.5"]);
  expect([0.1 + 0.2, 1, 0.0005].map(percentTick)).toEqual(["30", "100", "0.05"]);
});

import { describe, expect, test } from "vitest";
import { fakeTerminal } from "../../test/support/fake-terminal.js";
import type { RunUpdate } from "../recipe/run.js";
import { count, duration, number, percent, table } from "./format.js";
import { pace, showProgress } from "./progress.js";

const at = "2026-01-01T00:00:00.000Z";
const progress = {
  stage: "search",
  epoch: 0,
  epochs: 4,
  step: 10,
  steps: 80,
  loss: 1.8321,
  robustAccuracy: 0.312,
  imagesPerSecond: 812.4,
} as const;
const epoch = {
  type: "epoch",
  at,
  stage: "search",
  epoch: 0,
  loss: 1.5,
  lr: 0.1,
  cleanAccuracy: 0.486,
  robustAccuracy: 0.287,
  selectionExamples: 1000,
  passes: { forward: 1, backward: 1 },
  seconds: 27.4,
  maskDistance: { hamming: 0.01, perKept: 0.05, layers: {} },
} as const;
const stage = { type: "stage", at, stage: "search", epochs: 4, steps: 20 } as const;
const updates: readonly RunUpdate[] = [
  { kind: "message", text: "this CPU has no bfloat16" },
  { kind: "event", run: "hydra", event: { ...stage, status: "start", step: 0 } },
  { kind: "progress", run: "hydra", progress },
  { kind: "event", run: "hydra", event: epoch },
  { kind: "warning", text: "a checkpoint was damaged" },
  { kind: "event", run: "hydra", event: { type: "warning", at, code: "x", message: "something odd" } },
  { kind: "event", run: "hydra", event: { ...stage, status: "done", step: 80 } },
  { kind: "evaluation", run: "hydra", attack: "pgd", done: 128, of: 1000, robust: 32 },
  {
    kind: "event",
    run: "hydra",
    event: {
      type: "evaluation",
      at,
      attack: "pgd",
      cleanAccuracy: 0.52,
      robustAccuracy: 0.305,
      examples: 1000,
      eps: "8/255",
      interval: [0.277, 0.334],
      seconds: 12,
      passes: { forward: 1, backward: 1 },
    },
  },
];

describe("showProgress", () => {
  test("writes plain lines where nobody watches, and no control characters", () => {
    const terminal = fakeTerminal();
    const shown = showProgress(terminal, { clock: () => 0 });
    updates.forEach(shown.update);
    shown.close();
    expect(terminal.errLines).toEqual([
      "this CPU has no bfloat16",
      "hydra: search: 4 epochs of 20 steps",
      "hydra: search 1/4: loss 1.500, clean 48.6 %, robust 28.7 % (1,000 selection images), mask distance 0.05000, 0:27",
      "warning: a checkpoint was damaged",
      "hydra: warning: something odd",
      "hydra: search: done, 4 epochs, last loss 1.500, clean 48.6 %, robust 28.7 %, 0:27",
      "hydra: pgd: clean 52.0 %, robust 30.5 % at 8/255, 95 % interval 27.7 % to 33.4 %, 1,000 test images, 0:12",
    ]);
    expect(terminal.rawPieces).toEqual([]);
    expect(terminal.outLines).toEqual([]);
  });

  test("a stage that goes on where it was stopped knows its length all the same", () => {
    const terminal = fakeTerminal();
    const shown = showProgress(terminal);
    shown.update({ kind: "progress", run: "", progress: { ...progress, epoch: 2 } });
    shown.update({ kind: "progress", run: "", progress: { ...progress, epoch: 2 } });
    shown.update({ kind: "event", run: "", event: { ...epoch, epoch: 2 } });
    expect(terminal.errLines).toEqual([
      "search: going on in epoch 3 of 4",
      expect.stringMatching(/^search 3\/4: loss/),
    ]);
  });

  test("says nothing of a stage without epochs", () => {
    const terminal = fakeTerminal();
    const shown = showProgress(terminal);
    for (const status of ["start", "done"] as const) {
      shown.update({ kind: "event", run: "magnitude", event: { ...stage, epochs: 0, status, step: 0 } });
    }
    expect(terminal.errLines).toEqual([]);
  });

  test("keeps one live line a stage on a terminal, and wipes it before anything else is said", () => {
    const terminal = fakeTerminal({ live: true });
    let now = 0;
    const shown = showProgress(terminal, { clock: () => now });
    for (const update of updates) {
      now += 1;
      shown.update(update);
    }
    shown.close();
    expect(terminal.rawPieces).toEqual([
      "\rhydra: search 1/4  [==              ] 12 %  loss 1.832  robust 31.2 %  812 images/s\x1b[K",
      "\r\x1b[K",
      "\rhydra: pgd  [==              ] 128/1,000 images  25.0 % right\x1b[K",
      "\r\x1b[K",
    ]);
    expect(terminal.errLines).toHaveLength(5);
  });

  test("draws at most ten times a second and never wider than the terminal", () => {
    const terminal = fakeTerminal({ live: true, columns: 20 });
    let now = 0;
    const shown = showProgress(terminal, { clock: () => now });
    for (let step = 1; step <= 100; step++) {
      now = step / 100;
      shown.update({ kind: "progress", run: "", progress: { ...progress, step } });
    }
    expect(terminal.rawPieces.length).toBeGreaterThanOrEqual(9);
    expect(terminal.rawPieces.length).toBeLessThanOrEqual(11);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is removed.
    for (const piece of terminal.rawPieces) expect(piece.replace(/\r|\x1b\[K/g, "").length).toBeLessThan(20);
  });
});

test("80 columns have room for the time to go of a list, whatever the target", () => {
  const terminal = fakeTerminal({ live: true, columns: 80 });
  const bound = { accuracy: 0.421, interval: [0.388, 0.481] as const, secondsLeft: 4521 };
  const attack = "apgd-t target 10 1";
  showProgress(terminal).update({ kind: "evaluation", run: "", attack, done: 10, of: 21, robust: 434, bound });
  expect(terminal.rawPieces.join("")).toMatch(/ robust at most 42.1 %, 1:15:21 left/);
});

test("runs at the same time take turns on the live line", () => {
  const terminal = fakeTerminal({ live: true });
  let now = 0;
  const shown = showProgress(terminal, { clock: () => now });
  for (now = 0; now < 8; now += 1) {
    for (const run of ["a", "b"]) {
      now += 0.2;
      shown.update({ kind: "progress", run, progress });
    }
  }
  const order = terminal.rawPieces.flatMap((piece) => /\r(\w): search/.exec(piece)?.[1] ?? []);
  expect(order.join("")).toMatch(/^a{2,4}b{2,4}a+$/);
});

describe("pace", () => {
  test("tells the time to go from the steps seen in this process", () => {
    let now = 100;
    const left = pace(() => now);
    const told = [60, 61, 62, 63, 64].map((step) => {
      now += 2;
      return left("a", { ...progress, step });
    });
    expect(told).toEqual([undefined, undefined, undefined, 34, 32]);
    now += 2;
    expect(left("b", { ...progress, step: 65 })).toBeUndefined();
    // Runs at the same time have their own.
    expect(left("a", { ...progress, step: 65 })).toBe(30);
  });
});

describe("format", () => {
  test.each([
    [percent(0.3123), "31.2 %"],
    [duration(7.4), "0:07"],
    [duration(754), "12:34"],
    [duration(3723), "1:02:03"],
    [duration(-1), "0:00"],
    [count(1234567), "1,234,567"],
    [number(1.8321), "1.832"],
    [number(Number.NaN), "NaN"],
  ])("%s", (text, expected) => {
    expect(text).toBe(expected);
  });

  test("tables line up and leave no blanks at line ends", () => {
    expect(
      table(
        [
          ["a", "b"],
          ["long", "1"],
          ["", "22"],
        ],
        [1],
      ),
    ).toBe("a      b\nlong   1\n      22");
    expect(
      table([
        ["a", ""],
        ["bb", ""],
      ]),
    ).toBe("a\nbb");
  });
});

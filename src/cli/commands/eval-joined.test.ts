import { expect, test } from "vitest";
import { wilson } from "../../util/index.js";
import { isTold, joinProgress } from "./eval-joined.js";

const told = (attack: string, done: number, of: number, broken: number) => ({
  ...{ kind: "evaluation" as const, run: "", attack, done, of, robust: 0 },
  // What one process knows of all images is not asked.
  bound: { accuracy: 1, interval: [0, 1] as const, secondsLeft: 1, part: { broken, examples: 300 } },
});

test("units and broken images of all processes are one bound, with the slowest one's attack", () => {
  const join = joinProgress(() => 0);
  expect(join(0, told("apgd-t", 4, 10, 50))).toMatchObject({ done: 4, of: 10, robust: 250 });
  const both = join(1, told("apgd-ce", 2, 10, 60));
  expect(both).toMatchObject({ attack: "apgd-ce", done: 6, of: 20, robust: 190 });
  expect(both?.bound).toEqual({ accuracy: 190 / 300, interval: wilson(190, 300), secondsLeft: undefined });
  expect(join(1, told("square", 9, 10, 100))).toMatchObject({ attack: "apgd-t", done: 13, robust: 150 });
});

test("time to go is that of the pace of all since the last of them began", () => {
  let now = 0;
  const join = joinProgress(() => now);
  join(0, told("a", 1, 10, 0));
  now = 100;
  join(1, told("a", 1, 10, 0));
  now = 110;
  join(0, told("a", 3, 10, 0));
  now = 120;
  // Four units in twenty seconds, and fourteen to go.
  expect(join(1, told("a", 3, 10, 0))?.bound?.secondsLeft).toBe(70);
});

test("progress that says nothing of its part, and other messages, are left out", () => {
  const { bound: _, ...plain } = told("pgd", 1, 2, 0);
  expect(joinProgress()(0, plain)).toBeUndefined();
  expect([plain, { kind: "warning", text: "x" }, { kind: "event" }, null, "x"].map(isTold)).toEqual([
    ...[true, true, false, false, false],
  ]);
});

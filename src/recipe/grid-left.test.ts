import { expect, test } from "vitest";
import { gridTimeLeft } from "./grid-left.js";
import type { Cell } from "./grid-load.js";
import type { GridSharpness } from "./grid-sharpness.js";
import type { Recipe } from "./schema.js";

const recipe = (epochs: number, gradient: string) =>
  ({ stages: { search: { epochs, gradient: { name: gradient } }, finetune: { epochs: 1 } } }) as unknown as Recipe;
const cell = (name: string, epochs: number, gradient = "plain"): Cell => ({
  name,
  at: {},
  recipe: recipe(epochs, gradient),
});

test("states of searches that are measured count as work", () => {
  let now = 0;
  const [a, b] = [cell("a", 1), cell("b", 1)] as const;
  const sharpness = { epochs: ["start", "end"], layers: false } as unknown as GridSharpness;
  const time = gridTimeLeft([a, b], { sharpness, clock: () => now });
  time.begin("a");
  now = 10;
  time.epoch(a.recipe, "search", 0);
  // One of finetuning, the attacks, two states; then all five.
  expect(time.left()).toEqual({ cell: 40, all: 90 });
});

test("time to go follows the pace of this run's epochs", () => {
  let now = 0;
  const [a, b, c] = [cell("a", 2), cell("b", 2), cell("c", 3, "s2ap")] as const;
  const time = gridTimeLeft([a, b, c], { clock: () => now });
  time.begin("a");
  // It was there: neither time nor work.
  now = 100;
  time.end("a", false);
  time.begin("b");
  expect(time.left()).toBeUndefined();
  now = 110;
  time.epoch(b.recipe, "search", 0);
  // 10 s an epoch: one of search, one of finetuning, the attacks; then 3 * 1.33 + 1 + 1.
  expect(time.left()?.cell).toBeCloseTo(30);
  expect(time.left()?.all).toBeCloseTo(30 + 59.9);
  now = 140;
  time.end("b", true);
  expect(time.left()?.cell).toBe(0);
  expect(time.left()?.all).toBeCloseTo(59.9);
  time.begin("c");
  // Two of its epochs were done by a run that was stopped.
  now = 153.3;
  time.epoch(c.recipe, "search", 2);
  expect(time.left()?.cell).toBeCloseTo((53.3 / 5) * 2);
  expect(time.left()?.all).toBe(time.left()?.cell);
});

test("processes at other cells share what is left, but not this process's own cell", () => {
  let now = 0;
  const cells = [cell("a", 3), cell("b", 1), cell("c", 1), cell("d", 1)];
  const states: Record<string, "busy" | "done"> = { b: "busy" };
  const time = gridTimeLeft(cells, { elsewhere: ({ name }) => states[name], clock: () => now });
  time.begin("a");
  now = 10;
  time.epoch(recipe(3, "plain"), "search", 0);
  // Four of five epochs here, three of each of the others; two at work.
  expect(time.left()).toEqual({ cell: 40, all: (40 + 90) / 2 });
  states.c = "busy";
  expect(time.left()?.all).toBeCloseTo((40 + 90) / 3);
  // Not sooner than what is to do here.
  states.d = "busy";
  expect(time.left()).toEqual({ cell: 40, all: 40 });
  // Done there, which this process has not come to yet.
  states.c = "done";
  delete states.d;
  expect(time.left()?.all).toBe((40 + 60) / 2);
});

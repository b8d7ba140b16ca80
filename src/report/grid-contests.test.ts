import { expect, test } from "vitest";
import { bootstrapDifference, meanInterval, rng } from "../util/index.js";
import { contests, differences } from "./grid-contests.js";
import type { AccuracyData, CellData } from "./grid-data.js";
import { pairsOf } from "./grid-pairs.js";

const N = 60;
/** Every `step`-th image fails. */
const hits = (step: number) => Array.from({ length: N }, (_, i) => (i % step === 0 ? "0" : "1")).join("");
const accuracy = (clean: number, robust: number): AccuracyData => ({
  ...{ attack: "pgd-20", eps: "8/255", clean: hits(clean), robust: hits(robust) },
});

function cell(gradient: string, seed: number, robust: number, finetuned = true): CellData {
  const result = {
    ...{ sparsity: 0.9, before: accuracy(9, robust), after: finetuned ? accuracy(10, robust + 1) : null },
    ...{ passes: {}, seconds: {}, maskDistances: [], swapFraction: null },
  };
  const at = { gradient, seed: String(seed) };
  return { name: Object.values(at).join("-"), at, scratch: false, status: "done", result };
}

const cells = [cell("plain", 1, 3), cell("plain", 2, 4), cell("s2ap", 1, 5), cell("s2ap", 2, 3)];
const pairs = pairsOf({ cells }).filter(({ axis }) => axis === "gradient");
const values = (text: string) => [...text].map(Number);
const draw = { rng: rng(0, "paired bootstrap"), resamples: 2000 };
const of = differences(N);

test("of one pair: the paired bootstrap of the images", () => {
  for (const pair of pairs) {
    const [a, b] = [pair.a.result.after?.robust ?? "", pair.b.result.after?.robust ?? ""];
    const { estimate, bca } = bootstrapDifference(values(a), values(b), draw);
    const found = of([pair], "after", "robust");
    expect(found).toEqual({ each: [estimate], mean: estimate, images: bca, repetitions: undefined });
    expect(estimate).toBe(pair.after?.difference);
  }
});

test("over repetitions: that of the images' mean differences, and the t interval of the repetitions", () => {
  const [contest, ...others] = contests(pairs, "seed");
  expect([contest?.a, contest?.b, others]).toEqual(["plain", "s2ap", []]);
  const found = of(pairs, "before", "robust");
  const mean = (which: "a" | "b") =>
    Array.from({ length: N }, (_, i) =>
      pairs.reduce((sum, pair) => sum + Number(pair[which].result.before.robust[i]) / 2, 0),
    );
  const { estimate, bca } = bootstrapDifference(mean("a"), mean("b"), draw);
  // 20 of 60 and 12 of 60 fail, then 15 and 20.
  expect(found?.each).toEqual([8 / 60, -5 / 60]);
  expect(found?.mean).toBeCloseTo(estimate, 12);
  expect(found?.images[0]).toBeCloseTo(bca[0], 12);
  expect(found?.images[1]).toBeCloseTo(bca[1], 12);
  expect(found?.repetitions).toEqual(meanInterval([8 / 60, -5 / 60]).interval);
});

test("equal networks are no different on any images, and what was not measured is undefined", () => {
  expect(of(pairs, "before", "clean")).toMatchObject({ mean: 0, images: [0, 0], repetitions: [0, 0] });
  const searched = [cell("plain", 1, 3, false), cell("s2ap", 1, 5)];
  const [pair] = pairsOf({ cells: searched });
  expect(pair && of([pair], "after", "robust")).toBeUndefined();
});

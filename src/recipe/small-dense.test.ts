import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { gridMarkdown } from "../report/index.js";
import { compareGrid } from "./compare.js";
import { estimateGrid } from "./estimate.js";
import type { Grid } from "./grid-load.js";
import { gridSoFar, runGrid } from "./grid-run.js";
import { registries } from "./registries.js";
import { withSmallDense } from "./small-dense.js";

const base = mkdtempSync(join(tmpdir(), "s2ap-small-"));
afterAll(() => rmSync(base, { recursive: true, force: true }));

const path = join(base, "little.yaml");
const gridOf = (width: number, more: readonly string[] = []): Grid =>
  compareGrid(path, {
    registries,
    grid: ["stages.search.gradient.name=plain,random", "stages.finetune.awp=off"],
    seeds: "1",
    set: [`model.width=${width}`, ...more],
  });

beforeAll(() => {
  writeFileSync(
    path,
    `
data: { name: synthetic, batchSize: 16, examples: 32, selection: 16, testExamples: 32, numClasses: 2, size: 8 }
model: { arch: resnet18, numClasses: 2, width: 4, imageSize: 8 }
threat: { norm: linf, eps: 8/255 }
loss: { name: pgd-at, attack: { name: pgd, steps: 1 } }
optimizer: { name: sgd, lr: 0.01 }
stages:
  pretrain: { epochs: 2 }
  search: { epochs: 1, method: { name: hydra, keepRatio: 0.25 }, gradient: { name: random } }
  finetune: { epochs: 1 }
evaluation: [{ name: pgd, steps: 2, examples: 24 }]
`,
  );
});

test("a control has the width whose parameters are nearest to what is kept, and the epochs of all stages", () => {
  const { cells } = withSmallDense(gridOf(16));
  expect(cells.map(({ name }) => name)).toEqual(["plain-awp_off-1", "random-awp_off-1", "dense_w8-1"]);
  const control = cells.at(-1);
  // A convolution's weights grow with the square of the width: a quarter of them is half the width.
  expect(control?.control).toMatchObject({ of: ["plain-awp_off-1", "random-awp_off-1"], epochs: 4 });
  const { parameters = 0, kept = 1 } = control?.control ?? {};
  expect(Math.abs(parameters / kept - 1)).toBeLessThan(0.05);
  expect(control?.recipe).toMatchObject({ seed: 1, model: { width: 8 }, stages: { pretrain: { epochs: 4 } } });
  expect(control?.recipe.stages.search).toBeUndefined();
  expect(control?.at).toEqual({ "stages.search.gradient.name": "dense_w8", "stages.finetune.awp": "", seed: "1" });
});

test("a stage that was stretched to equal passes counts as that much longer", () => {
  const grid = gridOf(16);
  const cells = grid.cells.map((cell) => {
    const { stages } = cell.recipe;
    const search = { ...(stages.search as NonNullable<typeof stages.search>), batches: 5 };
    return { ...cell, recipe: { ...cell.recipe, stages: { ...stages, search } } };
  });
  const budget = { equal: "passes", batches: 2, target: { search: 0, finetune: 0 }, stretched: [], apart: [] } as const;
  // 2 and 1 epochs of one pass, and a search of one that has two passes and a half.
  expect(withSmallDense({ ...grid, cells, budget }).cells.at(-1)?.control?.epochs).toBe(6);
});

test("where no width comes near there is none", () => {
  expect(() => withSmallDense(gridOf(1, ["stages.search.method.keepRatio=0.01"]))).toThrow(
    /--small-dense: expected a width of resnet18 with about \d+ parameters, got \d+ at the nearest, 1/,
  );
});

test("a grid with controls runs, and compares cells with theirs alone", async () => {
  const grid = withSmallDense(gridOf(4));
  const out = join(base, "out");
  const { runs } = await estimateGrid(grid, { countOnly: true });
  const data = await runGrid(grid, { out });
  const control = data.cells.find((cell) => cell.control !== undefined);
  expect(data.cells.map(({ status }) => status)).toEqual(["done", "done", "done"]);
  expect(control?.result?.before).toEqual(control?.result?.after);
  expect(control?.result?.sparsity).toBe(0);
  const costs = ({ what, forward, backward }: { what: string; forward: number; backward: number }) => [
    ...[what, forward, backward],
  ];
  const planned = runs.find(({ name }) => name === control?.name)?.lines.filter(({ what }) => what !== "clean");
  expect(control?.result?.cost?.map(costs)).toEqual(planned?.map(costs));
  expect(gridSoFar(grid, out)).toEqual(data);
  const page = gridMarkdown(data, { command: "c" });
  expect(page).toContain("### Against small dense networks");
  expect(page).toMatch(
    /dense\\_w2 has [\d,]+ parameters where the pruned networks keep [\d,]+, and was trained for 4 epochs/,
  );
  expect(page).toMatch(/dense\\_w2.* (plain|random) awp\\_off/);
  expect(page).not.toMatch(/NaN|undefined/);
}, 300_000);

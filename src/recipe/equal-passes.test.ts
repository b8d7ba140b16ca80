import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type CompareGrid, compareGrid } from "./compare.js";
import { equalPasses } from "./equal-passes.js";
import { registries } from "./registries.js";

const base = mkdtempSync(join(tmpdir(), "s2ap-equal-"));
afterAll(() => rmSync(base, { recursive: true, force: true }));

let grid: CompareGrid;
beforeAll(() => {
  const path = join(base, "little.yaml");
  writeFileSync(
    path,
    `
data: { name: synthetic, batchSize: 16, examples: 64, selection: 16, testExamples: 16, numClasses: 2, size: 8 }
model: { arch: resnet18, numClasses: 2, width: 4, imageSize: 8 }
threat: { norm: linf, eps: 8/255 }
loss: { name: pgd-at, attack: { name: pgd, steps: 2 } }
optimizer: { name: sgd, lr: 0.01 }
stages:
  pretrain: { epochs: 1 }
  search: { epochs: 9, method: { name: hydra, keepRatio: 0.5 }, gradient: { name: s2ap, gamma: 0.01, warmupEpochs: 1 } }
  finetune: { epochs: 1 }
`,
  );
  grid = compareGrid(path, { registries, grid: ["stages.search.gradient.name=plain,s2ap,sam"], seeds: "2" });
});

test("cheaper searches get batches until their passes are nearest to the dearest's", async () => {
  const { cells, budget } = await equalPasses(grid);
  const batches = cells.map(({ name, recipe }) => [name, recipe.stages.search?.batches]);
  // Of 4 batches: 3 + 3 passes each in HYDRA and a warm-up, 4 + 4 after it: 4 * (6 + 8 * 8) = 280 for S2AP, and for SAM,
  // which takes along the warm-up; 9 epochs of 4 batches of HYDRA make 216, of 5 270.
  expect(batches).toEqual([
    ["plain-1", 5],
    ["plain-2", 5],
    ["s2ap-1", undefined],
    ["s2ap-2", undefined],
    ["sam-1", undefined],
    ["sam-2", undefined],
  ]);
  expect(budget).toEqual({
    equal: "passes",
    batches: 4,
    target: { search: 280, finetune: 24 },
    stretched: ["plain-1", "plain-2"].map((cell) => ({ cell, stage: "search", from: 4, to: 5, passes: 270 })),
    apart: [],
  });
  const [plain] = cells;
  expect(plain?.recipe.stages.search?.epochs).toBe(9);
  expect(plain?.recipe.stages.finetune?.batches).toBeUndefined();
  expect(grid.cells[0]?.recipe.stages.search?.batches).toBeUndefined();
}, 60_000);

test("budgets that stay more than a twentieth apart are told, finetuning included", async () => {
  const short = compareGrid(join(base, "little.yaml"), {
    ...{ registries, seeds: "2,5", set: ["stages.search.epochs=3"] },
    grid: ["stages.search.gradient.name=plain,s2ap", "stages.finetune.awp=on,off"],
  });
  const { budget } = await equalPasses(short);
  // 4 * (6 + 2 * 8) = 88 for S2AP; 3 epochs of 4 batches of HYDRA make 72, of 5 90. AWP adds a pass of each kind: 4 * 8 = 32, which
  // 5 batches of 6 come nearest to.
  expect(budget.target).toEqual({ search: 88, finetune: 32 });
  expect(budget.stretched.map(({ cell, stage, to, passes }) => [cell, stage, to, passes])).toEqual([
    ["plain-awp_on-2", "search", 5, 90],
    ["plain-awp_on-5", "search", 5, 90],
    ["plain-awp_off-2", "search", 5, 90],
    ["plain-awp_off-5", "search", 5, 90],
    ["plain-awp_off-2", "finetune", 5, 30],
    ["plain-awp_off-5", "finetune", 5, 30],
    ["s2ap-awp_off-2", "finetune", 5, 30],
    ["s2ap-awp_off-5", "finetune", 5, 30],
  ]);
  expect(budget.apart).toEqual([
    { stage: "finetune", least: { cell: "plain-awp_off-2", passes: 30 }, most: { cell: "plain-awp_on-2", passes: 32 } },
  ]);
}, 60_000);

test("a cell without a search stays as it is", async () => {
  const [first, ...rest] = grid.cells as [CompareGrid["cells"][number], ...CompareGrid["cells"][number][]];
  const search = { ...first.recipe.stages.search, epochs: 0 } as NonNullable<typeof first.recipe.stages.search>;
  const none = { ...first, recipe: { ...first.recipe, stages: { ...first.recipe.stages, search } } };
  const { cells } = await equalPasses({ ...grid, cells: [none, ...rest.slice(-1)] });
  expect(cells[0]).toBe(none);
}, 60_000);

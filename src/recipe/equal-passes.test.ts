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

test("cheaper searches get whole epochs until their passes are nearest to the dearest's", async () => {
  const { cells, budget } = await equalPasses(grid);
  const epochs = cells.map(({ name, recipe }) => [name, recipe.stages.search?.epochs]);
  // Of 4 batches: 3 + 3 passes each in HYDRA and a warm-up, 4 + 4 after it: 4 * (6 + 8 * 8) = 280 for S2AP, and for SAM,
  // which takes along the warm-up; of 9 epochs of HYDRA 216, of 11 264, of 12 288.
  expect(epochs).toEqual([
    ["plain-1", 12],
    ["plain-2", 12],
    ["s2ap-1", 9],
    ["s2ap-2", 9],
    ["sam-1", 9],
    ["sam-2", 9],
  ]);
  expect(budget).toEqual({
    equal: "passes",
    target: 280,
    stretched: ["plain-1", "plain-2"].map((cell) => ({ cell, from: 9, to: 12, passes: 288 })),
    apart: [],
  });
  const [plain] = cells;
  expect(plain?.recipe.stages.finetune?.epochs).toBe(1);
  expect(grid.cells[0]?.recipe.stages.search?.epochs).toBe(9);
}, 60_000);

test("budgets that stay more than a twentieth apart are told, finetuning included", async () => {
  const short = compareGrid(join(base, "little.yaml"), {
    ...{ registries, seeds: "2,5", set: ["stages.search.epochs=3"] },
    grid: ["stages.search.gradient.name=plain,s2ap", "stages.finetune.awp=on,off"],
  });
  const { budget } = await equalPasses(short);
  // 4 * (6 + 2 * 8) = 88 for S2AP; 3 epochs of HYDRA make 72, 4 make 96. AWP adds a pass of each kind.
  expect(budget.apart).toEqual([
    { stage: "search", least: { cell: "s2ap-awp_on-2", passes: 88 }, most: { cell: "plain-awp_on-2", passes: 96 } },
    { stage: "finetune", least: { cell: "plain-awp_off-2", passes: 24 }, most: { cell: "plain-awp_on-2", passes: 32 } },
  ]);
}, 60_000);

test("a cell without a search stays as it is", async () => {
  const [first, ...rest] = grid.cells as [CompareGrid["cells"][number], ...CompareGrid["cells"][number][]];
  const search = { ...first.recipe.stages.search, epochs: 0 } as NonNullable<typeof first.recipe.stages.search>;
  const none = { ...first, recipe: { ...first.recipe, stages: { ...first.recipe.stages, search } } };
  const { cells } = await equalPasses({ ...grid, cells: [none, ...rest.slice(-1)] });
  expect(cells[0]).toBe(none);
}, 60_000);

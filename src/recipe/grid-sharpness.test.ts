import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { LITTLE_RECIPE } from "../../test/support/little-recipe.js";
import type { SharpnessRecord } from "../evaluation/index.js";
import { type GridData, gridMarkdown } from "../report/index.js";
import { type Grid, loadGrid } from "./grid-load.js";
import { type CellTold, gridSoFar, runGrid } from "./grid-run.js";
import { registries } from "./registries.js";

const base = mkdtempSync(join(tmpdir(), "s2ap-grid-sharpness-"));
afterAll(() => rmSync(base, { recursive: true, force: true }));

const AXES = `
axes:
  sparsity:
    50: {}
    75: { stages: { search: { method: { keepRatio: 0.25 } }, finetune: null } }
  gradient:
    plain: {}
    s2ap: { stages: { search: { gradient: { name: s2ap, warmupEpochs: 0 } } } }
  seed: [1, 2]
exclude:
  - { sparsity: 75, seed: 2 }
`;
const GRID = `
name: little
recipe: base.yaml
${AXES}
sharpness: { images: 8, lanczosSteps: 3, ascentSteps: 2 }
claims: { axis: gradient, base: plain, other: s2ap }
sweeps: { gradient: { s2ap: 0.01 } }
`;

const out = (name: string) => join(base, name);
const record = (folder: string, cell: string) =>
  JSON.parse(readFileSync(join(out(folder), cell, "sharpness.json"), "utf8")) as SharpnessRecord;
const load = (name: string, text: string) => {
  writeFileSync(join(base, name), text);
  return loadGrid(join(base, name), { registries });
};
const sharpness = ({ cells }: GridData) => cells.map(({ name, result }) => [name, result?.sharpness]);

let grid: Grid;
let whole: GridData;
beforeAll(async () => {
  writeFileSync(join(base, "base.yaml"), LITTLE_RECIPE);
  grid = load("grid.yaml", GRID);
  whole = await runGrid(grid, { out: out("whole") });
}, 300_000);

test("every search has numbers at its start and end, and where it is not finetuned none after it", () => {
  expect(whole.cells.map(({ name, status }) => `${name} ${status}`)).toEqual([
    ...["50-plain-1 done", "50-plain-2 done", "50-s2ap-1 done", "50-s2ap-2 done"],
    ...["75-plain-1 done", "75-s2ap-1 done"],
  ]);
  for (const { name, at, result } of whole.cells) {
    expect(result?.sharpness?.states.map(({ epoch }) => epoch)).toEqual([0, 1]);
    for (const { topEigenvalue, worstRise, objectiveLoss } of result?.sharpness?.states ?? []) {
      expect(topEigenvalue?.value).toBeGreaterThan(0);
      expect(worstRise).toBeGreaterThanOrEqual(0);
      expect(objectiveLoss).toBeGreaterThan(0);
    }
    expect(result?.sharpness?.settings).toMatchObject({ images: 8, split: "selection", lanczosSteps: 3 });
    expect(result?.after === null).toBe(at.sparsity === "75");
    expect(result?.before.robust).toHaveLength(24);
    expect(record("whole", name).run).toBe(name);
  }
  const page = gridMarkdown(whole, { command: "c" });
  expect(page).toMatch(/Flatter score space: top eigenvalue after the search: .* sparsity 50/);
  expect(page).not.toMatch(/NaN|Infinity|undefined/);
});

test("a start is measured once for each mask that it begins with", () => {
  const start = (cell: string) => record("whole", cell).epochs[0];
  expect(start("50-s2ap-2")).toEqual(start("50-plain-1"));
  // The scores are the same, the mask is not.
  expect(start("75-plain-1")?.state).toBe(start("50-plain-1")?.state);
  expect(start("75-plain-1")?.objectiveLoss).not.toBe(start("50-plain-1")?.objectiveLoss);
  expect(start("75-s2ap-1")).toEqual(start("75-plain-1"));
});

test("a grid that is stopped while it measures goes on to the same numbers", async () => {
  const options = { out: out("stopped"), from: join(out("whole"), "dense", "model.safetensors") };
  let passes = 0;
  const stopping = runGrid(grid, {
    ...options,
    shouldStop: () => passes > 8,
    onUpdate: ({ kind }) => {
      if (kind === "measuring") passes++;
    },
  });
  await expect(stopping).rejects.toMatchObject({ code: "stopped" });
  // The run is there, and what was measured of it.
  expect(existsSync(join(options.out, "50-plain-1", "cell.json"))).toBe(true);
  expect(record("stopped", "50-plain-1").epochs[0]?.eigenvalues).toBeDefined();
  expect(gridSoFar(grid, options.out).cells[0]?.status).toBe("missing");
  const told: CellTold[] = [];
  const after = await runGrid(grid, { ...options, onCell: (one) => told.push(one) });
  expect(told.filter(({ cell }) => cell.name === "50-plain-1").map(({ what }) => what)).toEqual(["begin", "done"]);
  expect(sharpness(after)).toEqual(sharpness(whole));
  expect(gridSoFar(grid, options.out)).toEqual(after);
}, 300_000);

test("a grid that asks for it later measures the searches that are there", async () => {
  const first = load("without.yaml", `name: little\nrecipe: base.yaml\n${AXES}`);
  const options = { out: out("later"), from: join(out("whole"), "dense", "model.safetensors") };
  const before = await runGrid(first, options);
  expect(before.cells[0]?.result?.sharpness).toBeUndefined();
  const stages: string[] = [];
  const after = await runGrid(grid, {
    ...options,
    onUpdate: (update) => {
      if (update.kind === "event" && update.event.type === "epoch") stages.push(update.event.stage);
    },
  });
  expect(stages).toEqual([]);
  expect(sharpness(after)).toEqual(sharpness(whole));
}, 300_000);

test.each([
  ["a label of claims", "claims: { axis: gradient, base: plain, other: sap }", "s2ap"],
  ["a choice of claims", "claims: { axis: gradien, base: plain, other: s2ap }", "gradient"],
  ["a label of sweeps", "sweeps: { sparsity: { 5: 5 } }", "50"],
  ["a quantity", "sharpness: { only: [eigenvalue] }", "eigenvalues"],
  ["a key of sharpness", "sharpness: { image: 8 }", "image"],
])("refuses %s that is not there", (_what, line, told) => {
  expect(() => load("wrong.yaml", `name: little\nrecipe: base.yaml\n${AXES}\n${line}\n`)).toThrow(told);
});

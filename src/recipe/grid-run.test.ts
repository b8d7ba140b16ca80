import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { LITTLE_RECIPE } from "../../test/support/little-recipe.js";
import { type CellNumbers, type CostLine, type GridData, gridMarkdown } from "../report/index.js";
import { readRows } from "../report/read-results.js";
import { lockFolder, readEvents } from "../run/index.js";
import { type Grid, loadGrid } from "./grid-load.js";
import { type CellTold, gridSoFar, runGrid } from "./grid-run.js";
import { registries } from "./registries.js";
import type { RunUpdate } from "./run.js";
import type { Recipe } from "./schema.js";

const base = mkdtempSync(join(tmpdir(), "s2ap-grid-"));
afterAll(() => rmSync(base, { recursive: true, force: true }));

const RECIPE = `${LITTLE_RECIPE}variants: { unused: {} }
`;
const GRID = `
name: little
recipe: base.yaml
axes:
  method:
    hydra: {}
    rst: { stages: { pretrain: null, search: { method: { name: rst, keepRatio: 0.5 } } } }
    magnitude: { stages: { search: { epochs: 0, method: { name: magnitude, keepRatio: 0.5 } } } }
  seed: [1, 2]
`;

let grid: Grid;
beforeAll(() => {
  writeFileSync(join(base, "base.yaml"), RECIPE);
  writeFileSync(join(base, "grid.yaml"), GRID);
  grid = loadGrid(join(base, "grid.yaml"), { registries });
});

const states = ({ cells }: GridData) => Object.fromEntries(cells.map(({ name, status }) => [name, status]));
const out = (name: string) => join(base, name);
const withoutTimes = (data: GridData) =>
  data.cells.map(({ result, ...cell }) => {
    const cost = result?.cost?.map(({ what, forward, backward }) => ({ what, forward, backward }));
    return { ...cell, result: { ...result, seconds: 0, cost } };
  });

let whole: GridData;
beforeAll(async () => {
  whole = await runGrid(grid, { out: out("whole") });
}, 300_000);

describe("a whole grid", () => {
  test("has numbers of every cell, before and after finetuning", () => {
    expect(new Set(Object.values(states(whole)))).toEqual(new Set(["done"]));
    for (const { name, result, scratch } of whole.cells) {
      expect(result?.sparsity).toBeCloseTo(0.5, 2);
      for (const { attack, eps, clean, robust } of [result?.before, result?.after].flatMap((a) => (a ? [a] : []))) {
        expect([attack, eps, clean.length, robust.length]).toEqual(["pgd-2", "8/255", 24, 24]);
        expect([...robust].every((hit, i) => hit === "0" || clean[i] === "1")).toBe(true);
      }
      expect(result?.maskDistances).toHaveLength(name.startsWith("magnitude") ? 0 : 1);
      expect(scratch).toBe(name.startsWith("rst"));
    }
  });

  test("keeps what each stage and attack took", () => {
    // Two steps of PGD-1 an epoch; two batches of 16 and 8 images, each seen clean, attacked twice and seen again.
    const cell = whole.cells.find(({ name }) => name === "hydra-1")?.result;
    expect(cell?.cost?.map(({ what, forward, backward }) => [what, forward, backward])).toEqual([
      ["search", 4, 4],
      ["finetune", 4, 4],
      ["pgd-2, before", 8, 4],
      ["pgd-2, after", 8, 4],
    ]);
    expect(whole.dense?.cost?.map(({ what }) => what)).toEqual(["pretrain", "pgd-2"]);
    for (const { seconds, peakMemory } of cell?.cost ?? []) {
      expect(seconds).toBeGreaterThan(0);
      expect(peakMemory).toBeGreaterThan(30e6);
    }
  });

  test("tells each run what its network withstands, and a folder of before that, computing nothing", async () => {
    const evaluations = (folder: string) => readEvents(folder).filter((event) => event.type === "evaluation");
    const share = (images: string) => images.replaceAll("0", "").length / images.length;
    const check = (folder: string) => {
      for (const cell of whole.cells) {
        const { before, after, cost } = cell.result as CellNumbers;
        const { clean, robust } = after ?? before;
        const { forward, backward, seconds } = (cost as CostLine[]).at(-1) as CostLine;
        const found = { attack: "pgd-2", eps: "8/255", examples: 24, cleanAccuracy: share(clean) };
        const robustAccuracy = share(robust);
        const run = join(folder, cell.name);
        const events = evaluations(run);
        expect(events.map((event) => event.attack)).toEqual(["clean", "pgd-2"]);
        expect(events[1]).toMatchObject({ ...found, robustAccuracy, passes: { forward, backward }, seconds });
        expect(readRows(run, [])?.rows[0]).toMatchObject({ ...found, robustAccuracy });
        expect(readFileSync(join(run, "report.md"), "utf8")).toMatch(/pgd-2/);
      }
      expect(evaluations(join(folder, "dense"))).toHaveLength(2);
    };
    check(out("whole"));
    cpSync(out("whole"), out("untold"), { recursive: true });
    for (const name of ["dense", ...whole.cells.map((cell) => cell.name)]) {
      const [log, rows] = ["events.jsonl", "results.json"].map((file) => join(out("untold"), name, file)) as [
        string,
        string,
      ];
      const lines = readFileSync(log, "utf8").split("\n");
      writeFileSync(log, lines.filter((line) => !line.includes('"attack":"pgd-2"')).join("\n"));
      const results = JSON.parse(readFileSync(rows, "utf8")) as { rows: object[] };
      const unattacked = { attack: "clean", eps: "", robustAccuracy: 1 };
      writeFileSync(rows, JSON.stringify({ ...results, rows: results.rows.map((row) => ({ ...row, ...unattacked })) }));
    }
    const told: CellTold[] = [];
    const again = await runGrid(grid, { out: out("untold"), onCell: (one) => told.push(one) });
    expect(again).toEqual(whole);
    expect(new Set(told.map(({ what }) => what))).toEqual(new Set(["there"]));
    check(out("untold"));
  });

  test("compares the masks of the cells that repeat one another", () => {
    const of = (start: string) => whole.distances.find(({ a }) => a.startsWith(start))?.perKept;
    expect(whole.distances).toHaveLength(3);
    // The seed does not enter a ranking of the same weights; random weights have nothing in common.
    expect(of("magnitude")).toBe(0);
    expect(of("rst")).toBeGreaterThan(0.3);
  });

  test("is there when it is run again", async () => {
    const told: CellTold[] = [];
    const again = await runGrid(grid, { out: out("whole"), onCell: (one) => told.push(one) });
    expect(again).toEqual(whole);
    expect(new Set(told.map(({ what }) => what))).toEqual(new Set(["there"]));
    expect(JSON.parse(readFileSync(join(out("whole"), "grid.json"), "utf8"))).toEqual(whole);
    expect(gridSoFar(grid, out("whole"))).toEqual(whole);
  });
});

test("cells of a version with fewer options are there, those of another recipe are not", () => {
  cpSync(out("whole"), out("older"), { recursive: true });
  const rewrite = (name: string, edit: (recipe: Recipe) => void) => {
    const path = join(out("older"), name, "cell.json");
    const kept = JSON.parse(readFileSync(path, "utf8")) as { of: { recipe: Recipe } };
    edit(kept.of.recipe);
    writeFileSync(path, JSON.stringify(kept));
  };
  rewrite("hydra-1", (recipe) => void delete (recipe.data as { flip?: boolean }).flip);
  rewrite("hydra-2", (recipe) => void Object.assign(recipe.data, { flip: false }));
  expect(states(gridSoFar(grid, out("older")))).toEqual({ ...states(whole), "hydra-2": "missing" });
});

test("a stopped grid names what is missing, and goes on to the same numbers", async () => {
  let asked = 0;
  let stop = false;
  const options = { out: out("stopped"), from: join(out("whole"), "dense", "model.safetensors") };
  const stopping = runGrid(grid, {
    ...options,
    shouldStop: () => stop && ++asked > 3,
    onCell: ({ cell, what }) => {
      stop = cell.name === "rst-1" && what === "begin";
    },
  });
  await expect(stopping).rejects.toMatchObject({ code: "stopped" });
  const before = gridSoFar(grid, options.out);
  expect(states(before)).toMatchObject({
    "hydra-1": "done",
    "hydra-2": "done",
    "rst-1": "missing",
    "magnitude-2": "missing",
  });
  const page = gridMarkdown(before, { command: "s2ap grid grid.yaml" });
  expect(page).toMatch(/2 of 6 cells are done; missing: rst-1, rst-2, magnitude-1 and magnitude-2/);
  expect(page).toMatch(/\| rst +\| 1 +\| +missing \|/);
  const told: string[] = [];
  const said: string[] = [];
  const after = await runGrid(grid, {
    ...options,
    onCell: ({ cell, what }) => told.push(`${cell.name} ${what}`),
    onUpdate: (update) => update.kind === "message" && said.push(update.text),
  });
  // What holds of the machine is told once, not of every cell.
  expect(said.filter((text) => text.includes("bfloat16")).length).toBeLessThanOrEqual(1);
  expect(told).toEqual(expect.arrayContaining(["hydra-1 there", "rst-1 done"]));
  expect(withoutTimes(after)).toEqual(withoutTimes(whole));
}, 300_000);

test("a cell that fails stops no other, says why, and is tried again", async () => {
  const options = { out: out("failing"), from: join(out("whole"), "dense") };
  mkdirSync(options.out);
  // Where its run folder should be there is a file.
  writeFileSync(join(options.out, "rst-1"), "in the way");
  const first = await runGrid(grid, options);
  expect(states(first)).toEqual({ ...states(whole), "rst-1": "failed" });
  expect(first.cells.find(({ name }) => name === "rst-1")?.reason).toMatch(/rst-1/);
  expect(gridSoFar(grid, options.out)).toEqual(first);
  expect(gridMarkdown(first, { command: "x" })).toMatch(/failed: rst-1 \(/);
  rmSync(join(options.out, "rst-1"));
  expect(states(await runGrid(grid, options))).toEqual(states(whole));
}, 300_000);

test("a dense network that is not there is refused before any cell", async () => {
  const options = { out: out("nothing"), from: join(base, "nowhere.safetensors") };
  await expect(runGrid(grid, options)).rejects.toThrow("nowhere.safetensors");
  expect(existsSync(join(options.out, "hydra-1"))).toBe(false);
});

describe("two calls at a time", () => {
  const from = join(base, "whole", "dense", "model.safetensors");

  test("share the cells and come to the same numbers", async () => {
    const told: string[] = [];
    const onCell = ({ cell, what }: CellTold) => told.push(`${cell.name} ${what}`);
    const call = () => runGrid(grid, { out: out("shared"), from, onCell });
    const [one, two] = await Promise.all([call(), call()]);
    expect(withoutTimes(one)).toEqual(withoutTimes(whole));
    expect(two).toEqual(one);
    // Each cell was run once, by one of the two.
    expect(told.filter((text) => text.endsWith("done")).sort()).toEqual(
      whole.cells.map(({ name }) => `${name} done`).sort(),
    );
  }, 300_000);

  test("a cell that another process holds comes last, and waiting for it can be stopped", async () => {
    const options = { out: out("held"), from };
    const held = join(options.out, "hydra-1");
    mkdirSync(held, { recursive: true });
    const lock = lockFolder(held);
    const said: string[] = [];
    const onUpdate = (update: RunUpdate) => update.kind === "message" && said.push(update.text);
    const stopped = runGrid(grid, {
      ...options,
      onUpdate,
      shouldStop: () => said.some((text) => /^waiting/.test(text)),
    });
    await expect(stopped).rejects.toMatchObject({ code: "stopped" });
    expect(said).toContain("waiting for hydra-1, at which another process works");
    const missing = { ...states(whole), "hydra-1": "missing" };
    expect(states(gridSoFar(grid, options.out))).toEqual(missing);
    setTimeout(() => lock.release(), 1500);
    expect(states(await runGrid(grid, options))).toEqual(states(whole));
  }, 300_000);
});

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { compareGrid } from "./compare.js";
import { seedsOf } from "./compare-choices.js";
import { loadGrid } from "./grid-load.js";
import { registries } from "./registries.js";

const base = mkdtempSync(join(tmpdir(), "s2ap-compare-"));
afterAll(() => rmSync(base, { recursive: true, force: true }));

const path = join(base, "little.yaml");
writeFileSync(
  path,
  `
data: { name: synthetic, batchSize: 16, examples: 32, selection: 16, testExamples: 32, numClasses: 2, size: 8 }
model: { arch: resnet18, numClasses: 2, width: 4, imageSize: 8 }
threat: { norm: linf, eps: 8/255 }
loss: { name: trades, beta: 3, attack: { name: pgd, steps: 1 } }
optimizer: { name: sgd, lr: 0.01 }
stages:
  pretrain: { epochs: 1 }
  search: { epochs: 2, method: { name: hydra, keepRatio: 0.5, scoreInit: kaiming-normal }, gradient: { name: s2ap, gamma: 0.02, warmupEpochs: 1 } }
  finetune: { epochs: 1 }
evaluation: [{ name: pgd, steps: 2, examples: 24 }]
variants: { unused: {} }
`,
);

const compare = (grid: readonly string[], more: object = {}) =>
  compareGrid(path, { registries, grid, seeds: "1", ...more });
const recipes = (grid: readonly string[], more: object = {}) =>
  compare(grid, more).cells.map(({ name, recipe: { stages } }) => [name, stages] as const);

describe("the cells of a comparison", () => {
  test("are the combinations of the choices and the seeds, on one dense network", () => {
    const grid = compare(
      ["stages.search.method.name=hydra,harp", "stages.search.gradient.name=plain,s2ap", "stages.finetune.awp=on,off"],
      { seeds: "2" },
    );
    expect(grid.cells).toHaveLength(16);
    expect(grid.cells[0]?.name).toBe("hydra-plain-awp_on-1");
    expect(grid.cells.at(-1)).toMatchObject({
      name: "harp-s2ap-awp_off-2",
      at: {
        "stages.search.method.name": "harp",
        "stages.search.gradient.name": "s2ap",
        "stages.finetune.awp": "awp_off",
        seed: "2",
      },
      recipe: { seed: 2, stages: { finetune: { weightGradient: { name: "plain" } } } },
    });
    expect(grid.cells[0]?.recipe.stages.finetune?.weightGradient?.name).toBe("awp");
    expect(grid).toMatchObject({ name: "little-compare", repeat: "seed", skipped: [], sweeps: {} });
    expect(grid.dense.stages.search).toBeUndefined();
  });

  test("take along what the other factory has too, and nothing else", () => {
    const [harp, plain] = [
      recipes(["stages.search.method.name=harp"])[0]?.[1],
      recipes(["stages.search.gradient=plain,sam"])[0]?.[1],
    ];
    expect(harp?.search?.method).toMatchObject({ name: "harp", keepRatio: 0.5 });
    expect(plain?.search?.gradient).toEqual({ name: "plain" });
    expect(recipes(["stages.search.gradient=sam"])[0]?.[1].search?.gradient).toMatchObject({ warmupEpochs: 1 });
    const set = ["stages.search.gradient.name=null"];
    // What stands there without a name goes too.
    expect(recipes(["stages.search.gradient=plain"], { set })[0]?.[1].search?.gradient).toEqual({ name: "plain" });
    const mart = recipes(["stages.finetune.loss.name=mart"])[0]?.[1].finetune?.loss;
    expect(mart).toMatchObject({ name: "mart", beta: 3, attack: { name: "pgd", steps: 1 } });
  });

  test("lay options over the factory, whatever the order of the two", () => {
    const found = recipes(["stages.search.gradient.gamma=0.003,1e-2", "stages.search.gradient.name=s2ap"]);
    expect(found.map(([name, { search }]) => [name, search?.gradient.gamma])).toEqual([
      ["s2ap-gamma_0.003-1", 0.003],
      ["s2ap-gamma_0.01-1", 0.01],
    ]);
    expect(compare(["stages.search.gradient.gamma=0.003,1e-2"]).sweeps).toEqual({
      "stages.search.gradient.gamma": { "gamma_0.003": 0.003, "gamma_0.01": 0.01 },
    });
  });

  test("read on and off as true and false where there is nothing else", () => {
    const found = recipes(["stages.search.freezeBatchNorm=on,off"]);
    expect(found.map(([name, { search }]) => [name, search?.freezeBatchNorm])).toEqual([
      ["freezeBatchNorm_on-1", true],
      ["freezeBatchNorm_off-1", false],
    ]);
    const alarm = recipes(["stages.search.overfittingAlarm=off,warn"]);
    expect(alarm.map(([, { search }]) => search?.overfittingAlarm)).toEqual(["off", "warn"]);
  });

  test("follow --set, and are the recipe itself where nothing is chosen", () => {
    const set = ["stages.search.gradient.gamma=0.5"];
    const found = recipes(["stages.search.gradient.name=plain,s2ap"], { set });
    expect(found.map(([, { search }]) => search?.gradient.gamma)).toEqual([undefined, 0.5]);
    expect(recipes([], { seeds: "4,7" }).map(([name]) => name)).toEqual(["little-4", "little-7"]);
  });
});

describe("wrong combinations", () => {
  const both = ["stages.search.gradient.name=plain,s2ap", "stages.search.gradient.gamma=0.01,0.1"];

  test("are all named before anything runs", () => {
    expect(() => compare(both, { seeds: "3" })).toThrow(
      /^compare: expected combinations that are good recipes, got 2 of 4 that are not \(nothing was run; --skip-invalid leaves them out\):\n {2}plain-gamma_0\.01: expected .*known.*\n {2}plain-gamma_0\.1: .*gamma/,
    );
  });

  test("can be left out, and are told", () => {
    const grid = compare(both, { skipInvalid: true });
    expect(grid.cells.map(({ name }) => name)).toEqual(["s2ap-gamma_0.01-1", "s2ap-gamma_0.1-1"]);
    expect(grid.skipped.map(({ name }) => name)).toEqual(["plain-gamma_0.01", "plain-gamma_0.1"]);
  });

  test("a warm-up that covers the search is one", () => {
    expect(() => compare(["stages.search.gradient.warmupEpochs=1,2"])).toThrow(
      /1 of 2 .*\n {2}warmupEpochs_2: .*warmupEpochs/,
    );
  });
});

test.each([
  [["stages.search.method.name"], '--grid: expected key=value,value, e.g. stages.search.method.name=hydra,harp, got "'],
  [["stages.search.method.name=hydra,hydra"], 'values that are all different, got "hydra"'],
  [["stages.search.method={name: hydra}"], "--grid stages.search.method: expected names, numbers or on,off, got"],
  [["stages.finetune.awp=0.01,0.1"], "expected on,off (or the key stages.finetune.weightGradient.name=plain,awp)"],
  [["stages.search.method.name=hydar,harp"], "hydar: expected stages.search.method.name"],
  [["seed=1,2"], "--grid: expected seeds by --seeds, got seed"],
  [
    ["stages.search.epochs=1,2", "stages.search.epochs=3"],
    "each key once, with all its values, got stages.search.epochs twice",
  ],
  [["stages.pretrain.epochs=1,2"], "expected stages.pretrain.epochs to be the same in all cells"],
])("refuses %j", (grid, message) => {
  expect(() => compare(grid)).toThrow(message);
});

test("cells that are measured differently are refused", () => {
  writeFileSync(
    join(base, "grid.yaml"),
    "{ name: g, recipe: little.yaml, axes: { attack: { pgd: {}, clean: { evaluation: [{ name: clean }] } } } }",
  );
  expect(() => loadGrid(join(base, "grid.yaml"), { registries })).toThrow(
    /grid: expected evaluation.* to be the same in all cells, got another in clean/,
  );
});

describe("what is measured besides", () => {
  const grid = ["stages.search.gradient.name=plain,s2ap"];

  test("of the searches is nothing, the usual, or what is asked for", () => {
    expect(compare(grid).sharpness).toBeUndefined();
    expect(compare(grid, { sharpness: true }).sharpness).toMatchObject({
      ...{ epochs: ["start", "end"], only: ["eigenvalues", "worst"], images: 128, layers: false },
    });
    const asked = compare(grid, { sharpness: "{images: 16, only: [worst]}" }).sharpness;
    expect(asked).toMatchObject({ images: 16, only: ["worst"], epochs: ["start", "end"] });
    expect(() => compare(grid, { sharpness: "my.yaml" })).toThrow(
      /--sharpness: expected options as '{images: 64, only: \[worst\]}', or nothing, got "my.yaml"/,
    );
    expect(() => compare(grid, { sharpness: "{image: 16}" })).toThrow(/--sharpness: .*images/);
  });

  test("two labels of a choice are held against each other", () => {
    expect(compare(grid, { claims: "plain,s2ap" }).claims).toEqual({
      ...{ axis: "stages.search.gradient.name", base: "plain", other: "s2ap" },
    });
    for (const claims of ["plain,sam", "plain,plain", "plain,s2ap,plain"]) {
      expect(() => compare(grid, { claims })).toThrow(
        /--claims: expected two labels of one --grid, .*gradient\.name: plain, s2ap\), got /,
      );
    }
    expect(() => compare([], { claims: "plain,s2ap" })).toThrow(/there is no --grid/);
  });
});

test("a warm-up is swept as gamma is", () => {
  const set = ["stages.search.epochs=4"];
  const { cells, sweeps } = compare(["stages.search.gradient.warmupEpochs=0,1,2"], { set });
  expect(cells.map(({ recipe }) => recipe.stages.search?.gradient.warmupEpochs)).toEqual([0, 1, 2]);
  expect(sweeps).toEqual({
    "stages.search.gradient.warmupEpochs": { warmupEpochs_0: 0, warmupEpochs_1: 1, warmupEpochs_2: 2 },
  });
});

test("seeds are a number of them or a list", () => {
  expect([seedsOf("3"), seedsOf("1,5,9")]).toEqual([
    [1, 2, 3],
    [1, 5, 9],
  ]);
  for (const text of ["0", "x", "1,1", "1,", "1.5", "-2"]) expect(() => seedsOf(text)).toThrow(/--seeds: expected/);
});

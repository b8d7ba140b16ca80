import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, test, vi } from "vitest";
import { experimentFixture, removeFolders, temporaryFolder } from "../../test/support/experiment-fixture.js";
import { lockFolder, openRun } from "../run/index.js";
import type { CatalogueStore } from "./catalogue-store.js";
import {
  CATALOGUE_FILE,
  type CatalogueEntry,
  catalogue,
  changeTags,
  parseCondition,
  removeRun,
  resolveRun,
  sortedBy,
  TRASH,
} from "./index.js";

afterAll(removeFolders);

/** A root with the experiment `quickstart` of four runs. */
function rootOf(): string {
  const root = join(temporaryFolder(), "runs");
  mkdirSync(root);
  renameSync(experimentFixture(), join(root, "quickstart"));
  return root;
}

const noStore = (): CatalogueStore => {
  throw new Error("no SQLite here");
};
const list = (root: string) => catalogue(root, { openStore: noStore }).entries;
const byName = (root: string, folder: string) => list(root).find((entry) => entry.folder === folder);

describe("the catalogue", () => {
  test("knows every run below the root, at any level, and nothing inside runs or the trash", () => {
    const root = rootOf();
    openRun(join(root, "single"), { seed: 3 }).close();
    openRun(join(root, "grid", "cell", "dense"), { seed: 4 }).close();
    openRun(join(root, ".s2ap-trash", "old"), { seed: 4 }).close();
    const names = ["dense", "hydra", "hydra-s2ap", "magnitude"].map((name) => `quickstart/${name}`);
    expect(list(root).map(({ folder }) => folder)).toEqual(["grid/cell/dense", ...names, "single"]);
  });

  test("says of a run what its folder says", () => {
    const root = rootOf();
    writeFileSync(
      join(root, "quickstart", "hydra", "results.json"),
      JSON.stringify({
        rows: [
          { name: "hydra", sparsity: 0.9, cleanAccuracy: 0.5, robustAccuracy: 0.3, attack: "pgd-20", eps: "8/255" },
        ],
      }),
    );
    expect(byName(root, "quickstart/hydra")).toEqual({
      ...{ folder: "quickstart/hydra", name: "hydra", state: "done", created: "2026-01-15T09:00:00.000Z", seed: 1 },
      ...{ model: "resnet18", data: null, method: "hydra", gradient: "plain", sparsity: 0.9, clean: 0.5, robust: 0.3 },
      ...{ attack: "pgd-20", eps: "8/255", examples: null, seconds: null, stage: "finetune", epoch: 2, tags: [] },
    });
  });

  test("sees whether a run runs now", () => {
    const root = rootOf();
    const run = openRun(join(root, "single"), { seed: 3 });
    expect(byName(root, "single")?.state).toBe("running");
    run.close();
    expect(byName(root, "single")?.state).toBe("killed");
  });

  test("a damaged run is listed as unknown, and says so", () => {
    const root = rootOf();
    writeFileSync(join(root, "quickstart", "dense", "run.json"), "{");
    const { entries, problems } = catalogue(root, { openStore: noStore });
    expect(entries.find(({ folder }) => folder === "quickstart/dense")?.state).toBe("unknown");
    expect(problems).toEqual([
      "the catalogue is not cached, every run is read: no SQLite here",
      `${join(root, "quickstart", "dense", "run.json")}: expected a map of options, got "{"`,
    ]);
  });

  test("a root that is not there is an error with the cure", () => {
    expect(() => catalogue("/nowhere/at/all")).toThrow("cannot read: there is no such file or folder; check the path");
  });

  test("a log of many steps is read from its end", () => {
    const root = rootOf();
    const path = join(root, "quickstart", "dense", "events.jsonl");
    appendFileSync(path, `${JSON.stringify({ type: "step", stage: "pretrain", epoch: 12 })}\n`.repeat(500));
    appendFileSync(path, '{"type":"epoch","stage":"pretrain","ep');
    expect(byName(root, "quickstart/dense")).toMatchObject({ stage: "pretrain", epoch: 12 });
  });
});

describe("the cache", () => {
  /** A store in memory, that counts. */
  function memoryStore() {
    const rows = new Map();
    const write = vi.fn(({ set, remove }: Parameters<CatalogueStore["write"]>[0]) => {
      for (const cached of set) rows.set(cached.entry.folder, cached);
      for (const folder of remove) rows.delete(folder);
    });
    return { rows, write, open: () => ({ read: () => new Map(rows), write, close: () => {} }) };
  }

  test("spares reading what has not changed, and follows what has", () => {
    const root = rootOf();
    const store = memoryStore();
    const look = (rebuild = false) => catalogue(root, { openStore: store.open, rebuild });
    expect(look().read).toBe(4);
    expect(look().read).toBe(0);
    expect(store.write).toHaveBeenCalledTimes(1);
    changeTags(join(root, "quickstart", "hydra"), ["best"]);
    expect(look().read).toBe(1);
    cpSync(join(root, "quickstart", "hydra"), join(root, "copy"), { recursive: true });
    rmSync(join(root, "quickstart", "dense"), { recursive: true });
    expect([look().read, [...store.rows.keys()].sort()]).toEqual([
      1,
      ["copy", "quickstart/hydra", "quickstart/hydra-s2ap", "quickstart/magnitude"],
    ]);
    expect(look().entries).toEqual(list(root));
    expect(look(true).read).toBe(4);
  });

  test("what cannot be read is said every time, and not kept", () => {
    const root = rootOf();
    const store = memoryStore();
    const look = () => catalogue(root, { openStore: store.open });
    look();
    writeFileSync(join(root, "quickstart", "dense", "run.json"), "{");
    for (const _time of [1, 2]) expect([look().problems.length, store.rows.size]).toEqual([1, 3]);
  });

  test("a cached run that says it runs is looked at again", () => {
    const root = rootOf();
    const store = memoryStore();
    const run = openRun(join(root, "single"), { seed: 3 });
    const state = () => catalogue(root, { openStore: store.open }).entries.find(({ name }) => name === "single")?.state;
    expect(state()).toBe("running");
    run.close();
    expect(state()).toBe("killed");
    using _again = lockFolder(join(root, "single"));
    expect(state()).toBe("running");
  });

  test("is an SQLite file that may be damaged, old or gone", () => {
    const root = rootOf();
    const file = join(root, CATALOGUE_FILE);
    changeTags(join(root, "quickstart", "hydra"), ["best", "paper"]);
    const first = catalogue(root);
    expect([first.problems, first.read, first.entries]).toEqual([[], 4, list(root)]);
    expect(readFileSync(file).subarray(0, 15).toString()).toBe("SQLite format 3");
    expect(catalogue(root)).toEqual({ ...first, read: 0 });
    writeFileSync(file, "no database at all, but longer than a header ".repeat(40));
    expect(catalogue(root)).toEqual(first);
    rmSync(file);
    expect(catalogue(root)).toEqual(first);
    expect(catalogue(root).read).toBe(0);
  });
});

describe("find", () => {
  const entry = (values: Partial<CatalogueEntry>): CatalogueEntry => ({
    ...{ folder: "f", name: "n", state: "done", created: null, seed: 1, model: null, data: null, method: null },
    ...{ gradient: null, sparsity: null, clean: null, robust: null, attack: null, eps: null, examples: null },
    ...{ seconds: null, stage: null, epoch: null, tags: [] },
    ...values,
  });
  const hydra = entry({ method: "hydra", robust: 0.35, name: "My Hydra", tags: ["best"], eps: "8/255" });

  test.each([
    ["robust > 0.3 and method = hydra", true],
    ["robust>0.3 AND method='hydra'", true],
    ["robust > 0.35", false],
    ["robust >= 0.35", true],
    ["robust != 0.35", false],
    ["robust < 0.3 or method = hydra", true],
    ["method = harp or method = hydra and robust < 0.3", false],
    ['name = "My Hydra"', true],
    ["name ~ hyd", true],
    ["method != harp", true],
    ["tag = best", true],
    ["tag = bes", false],
    ["tag ~ bes", true],
    ["tag != best", false],
    ["eps = 8/255", true],
    ["clean > 0", false],
    ["clean != 1", false],
    ["gradient != s2ap", false],
  ])("%s is %s", (text, holds) => {
    expect(parseCondition(text)(hydra)).toBe(holds);
  });

  test.each([
    ["", "find: expected a field, an operator and a value, got nothing; for example 'robust > 0.3 and method = hydra'"],
    ["robst > 0.3", "robst"],
    ["robust", "find: expected one of = != < <= > >= ~ after robust, got nothing"],
    ["robust >", "find: expected a value after robust >, got nothing"],
    ["robust > high", 'find: expected a number to compare robust with, got "high"'],
    ["robust ~ 3", 'find: expected =, !=, <, <=, > or >= after robust, got "~"'],
    ["method = hydra robust", 'find: expected "and" or "or" after hydra, got "robust"'],
    ["method = hydra and", "find: expected a field, an operator and a value, got nothing"],
    ['name = "open', 'find: expected a condition, got "\\"open"'],
  ])("%j is refused", (text, message) => {
    expect(() => parseCondition(text)).toThrow(message);
  });

  test("orders numbers from the largest, texts from the first, unknown ones last", () => {
    const some = [entry({ robust: 0.1, method: "b" }), entry({}), entry({ robust: 0.2, method: "a" })];
    expect(sortedBy(some, "robust").map(({ robust }) => robust)).toEqual([0.2, 0.1, null]);
    expect(sortedBy(some, "method").map(({ method }) => method)).toEqual(["a", "b", null]);
    expect(() => sortedBy(some, "tags")).toThrow("tags");
  });
});

describe("tags", () => {
  test("lie in the run folder, once each, sorted", () => {
    const folder = join(rootOf(), "quickstart", "hydra");
    expect(changeTags(folder, [])).toEqual([]);
    expect(existsSync(join(folder, "tags.json"))).toBe(false);
    expect(changeTags(folder, ["paper", "best", "best"])).toEqual(["best", "paper"]);
    expect(changeTags(folder, ["x.1"], ["best", "none"])).toEqual(["paper", "x.1"]);
    expect(JSON.parse(readFileSync(join(folder, "tags.json"), "utf8"))).toEqual({ tags: ["paper", "x.1"] });
    expect(() => changeTags(folder, ["a b"])).toThrow("tag: expected a tag of letters, digits, _, - and .");
    expect(changeTags(folder, [])).toEqual(["paper", "x.1"]);
  });
});

describe("removing", () => {
  const now = new Date("2026-02-03T04:05:06.000Z");

  test("moves a run to the trash, whence it can be moved back, or deletes it", () => {
    const root = rootOf();
    const run = resolveRun(root, "quickstart/hydra");
    const place = removeRun(root, run, { now }) ?? "";
    expect(place).toBe(join(root, TRASH, "2026-02-03T04-05-06-000Z", "quickstart", "hydra"));
    expect(existsSync(run)).toBe(false);
    expect(readdirSync(place)).not.toContain("lock");
    expect(list(root)).toHaveLength(3);
    renameSync(place, run);
    expect(list(root)).toHaveLength(4);
    expect(removeRun(root, run, { forGood: true })).toBeUndefined();
    expect(list(root)).toHaveLength(3);
  });

  test("never touches a run that runs, or one of an experiment that does", () => {
    const root = rootOf();
    const run = join(root, "quickstart", "hydra");
    {
      using _own = lockFolder(run);
      expect(() => removeRun(root, run, { now })).toThrow("expected a run folder nobody writes");
    }
    {
      using _experiment = lockFolder(join(root, "quickstart"));
      const text = `got one of ${join(root, "quickstart")}, which process ${process.pid} runs; wait for it or stop it`;
      expect(() => removeRun(root, run, { forGood: true })).toThrow(text);
    }
    expect(readdirSync(run).sort()).toEqual(["events.jsonl", "masks.safetensors", "run.json"]);
    expect(removeRun(root, run, { now })).toBeDefined();
  });

  test("touches nothing outside the root", () => {
    const root = rootOf();
    const other = join(rootOf(), "quickstart", "dense");
    symlinkSync(other, join(root, "link"));
    for (const folder of [other, join(root, "link"), root]) {
      expect(() => removeRun(root, folder)).toThrow(`expected a run folder below ${root}, got another one`);
    }
    expect(existsSync(join(other, "run.json"))).toBe(true);
    expect(() => resolveRun(root, "hydra")).toThrow("hydra: expected a run folder, or the name of one in");
  });
});

import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { removeFolders, temporaryFolder } from "../../test/support/experiment-fixture.js";
import { type Cached, openCatalogueStore } from "./catalogue-store.js";

afterAll(removeFolders);

const cached: Cached = {
  fingerprint: "f",
  entry: {
    ...{ folder: "a/b", name: "b", state: "done", created: null, seed: 1, model: null, data: null, method: "hydra" },
    ...{ gradient: null, sparsity: 0.9, clean: 0.5, robust: 0.25, attack: null, eps: "8/255", examples: 3 },
    ...{ seconds: null, stage: null, epoch: null, tags: ["best"] },
  },
};

/** A database that notes what it is told; `refuse` makes it fail at a statement. */
function fakeDatabase({ version = 1, refuse = "" } = {}) {
  const told: string[] = [];
  const values: unknown[][] = [];
  const tell = (sql: string) => {
    told.push(sql.split(/[\s(]+/, 3).join(" "));
    if (refuse !== "" && sql.startsWith(refuse)) throw new Error("the disk is full");
  };
  const open = () => ({
    exec: tell,
    prepare: (sql: string) => ({
      all: () => {
        tell(sql);
        return sql === "PRAGMA user_version" ? [{ user_version: version, _metadata: {} }] : [];
      },
      run: (...given: readonly unknown[]) => {
        tell(sql);
        values.push([...given]);
      },
    }),
    close: () => told.push("close"),
  });
  return { told, values, open };
}

test("a file of another version is made anew, in one transaction", () => {
  const made = (version: number) => {
    const { told, open } = fakeDatabase({ version });
    openCatalogueStore("x", open).close();
    return told.filter((sql) => !sql.startsWith("PRAGMA"));
  };
  expect(made(1)).toEqual(["close"]);
  expect(made(0)).toEqual(["BEGIN IMMEDIATE", "DROP TABLE IF", "CREATE TABLE runs", "COMMIT", "close"]);
});

test("a change is written whole or not at all", () => {
  const good = fakeDatabase();
  openCatalogueStore("x", good.open).write({ set: [cached], remove: ["gone"] });
  expect(good.told.slice(-4)).toEqual(["BEGIN IMMEDIATE", "INSERT OR REPLACE", "DELETE FROM runs", "COMMIT"]);
  expect(good.values[0]?.slice(0, 3)).toEqual(["a/b", "b", "done"]);
  expect(good.values[0]?.slice(-2)).toEqual(['["best"]', "f"]);
  expect(good.values[1]).toEqual(["gone"]);
  const bad = fakeDatabase({ refuse: "DELETE" });
  const store = openCatalogueStore("x", bad.open);
  expect(() => store.write({ set: [cached], remove: ["gone"] })).toThrow("the disk is full");
  expect(bad.told.slice(-2)).toEqual(["DELETE FROM runs", "ROLLBACK"]);
});

test("a damaged file is removed and made anew; any other failure is the caller's", () => {
  const path = join(temporaryFolder(), "catalogue.sqlite");
  writeFileSync(path, "rubbish");
  const { open } = fakeDatabase();
  const damaged = (message: string) => () => {
    if (existsSync(path)) throw new Error(message);
    return open();
  };
  expect(() => openCatalogueStore(path, damaged("unable to open database file"))).toThrow("unable to open");
  expect(existsSync(path)).toBe(true);
  expect(openCatalogueStore(path, damaged("file is not a database")).read().size).toBe(0);
  expect(existsSync(path)).toBe(false);
});

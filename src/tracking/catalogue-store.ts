// The catalogue's SQLite file: a cache of what the run folders say, one row a run, which other programs may query too. It may
// be deleted at any time. The few calls that are used are typed here, so that another SQLite can take libsql's place
// (node:sqlite, once Node 20 need not be served).
import { rmSync } from "node:fs";
import { createRequire } from "node:module";
import type { CatalogueEntry } from "./catalogue-entry.js";

interface Statement {
  all(...values: readonly unknown[]): unknown[];
  run(...values: readonly unknown[]): unknown;
}

interface Database {
  exec(sql: string): unknown;
  prepare(sql: string): Statement;
  close(): unknown;
}

/** An entry and the state of the files it was read from. */
export interface Cached {
  readonly fingerprint: string;
  readonly entry: CatalogueEntry;
}

/** What changes in the file. */
export interface CatalogueChange {
  readonly set: readonly Cached[];
  /** Folders of runs that are gone. */
  readonly remove: readonly string[];
}

/** An open catalogue file. */
export interface CatalogueStore {
  /** What is known, by folder. */
  read(): Map<string, Cached>;
  /** Writes all or nothing; another process that writes at the same moment is waited for. */
  write(change: CatalogueChange): void;
  close(): void;
}

/** Raised when the columns change: an older file is then made anew. */
const VERSION = 1;

const COLUMNS = {
  folder: "TEXT PRIMARY KEY",
  name: "TEXT",
  state: "TEXT",
  created: "TEXT",
  seed: "REAL",
  model: "TEXT",
  data: "TEXT",
  method: "TEXT",
  gradient: "TEXT",
  sparsity: "REAL",
  clean: "REAL",
  robust: "REAL",
  attack: "TEXT",
  eps: "TEXT",
  examples: "REAL",
  seconds: "REAL",
  stage: "TEXT",
  epoch: "REAL",
  tags: "TEXT",
} satisfies Record<keyof CatalogueEntry, string>;
const NAMES = Object.keys(COLUMNS) as (keyof CatalogueEntry)[];

const TABLE = Object.entries({ ...COLUMNS, fingerprint: "TEXT NOT NULL" }).map(([name, type]) => `${name} ${type}`);
const INSERT = `INSERT OR REPLACE INTO runs (${[...NAMES, "fingerprint"].join(", ")})
  VALUES (${[...NAMES, "fingerprint"].map(() => "?").join(", ")})`;

type OpenDatabase = (path: string) => Database;

function loadLibsql(): new (path: string) => Database {
  try {
    return createRequire(import.meta.url)("libsql") as new (
      path: string,
    ) => Database;
  } catch (cause) {
    // Not at the top: it has no binary for some platforms, and runs can be listed without it.
    throw new Error("libsql is not installed for this platform; npm ci installs it where there is one", { cause });
  }
}

const libsql: OpenDatabase = (path) => new (loadLibsql())(path);

function prepareFile(database: Database): void {
  // For this connection, every time: wait for others; and no flush on every commit, for a cache can be made again.
  database.prepare("PRAGMA busy_timeout = 5000").all();
  database.prepare("PRAGMA synchronous = OFF").all();
  const isCurrent = () => {
    const [found] = database.prepare("PRAGMA user_version").all() as { user_version: number }[];
    return found?.user_version === VERSION;
  };
  if (isCurrent()) return;
  transaction(database, () => {
    // Another process may have made it meanwhile.
    if (isCurrent()) return;
    database.exec("DROP TABLE IF EXISTS runs");
    database.exec(`CREATE TABLE runs (${TABLE.join(", ")})`);
    database.exec(`PRAGMA user_version = ${VERSION}`);
  });
}

function transaction(database: Database, work: () => void): void {
  database.exec("BEGIN IMMEDIATE");
  try {
    work();
    database.exec("COMMIT");
  } catch (error) {
    database.exec("ROLLBACK");
    throw error;
  }
}

function toCached(row: unknown): Cached {
  const { fingerprint, ...found } = row as Record<string, unknown> & { fingerprint: string };
  const entry = Object.fromEntries(NAMES.map((name) => [name, found[name] ?? null]));
  const tags = JSON.parse(String(found.tags)) as string[];
  return { fingerprint, entry: { ...(entry as unknown as CatalogueEntry), tags } };
}

function open(path: string, openDatabase: OpenDatabase): CatalogueStore {
  const database = openDatabase(path);
  try {
    prepareFile(database);
  } catch (error) {
    database.close();
    throw error;
  }
  return {
    read() {
      const rows = database.prepare("SELECT * FROM runs").all().map(toCached);
      return new Map(rows.map((cached) => [cached.entry.folder, cached]));
    },
    write({ set, remove }) {
      transaction(database, () => {
        const insert = database.prepare(INSERT);
        for (const { entry, fingerprint } of set) {
          insert.run(...NAMES.map((name) => (name === "tags" ? JSON.stringify(entry.tags) : entry[name])), fingerprint);
        }
        const forget = database.prepare("DELETE FROM runs WHERE folder = ?");
        for (const folder of remove) forget.run(folder);
      });
    },
    close: () => void database.close(),
  };
}

/** Opens the file, or makes it; one that is damaged is made anew. Throws where there is no SQLite or no place for it. */
export function openCatalogueStore(path: string, openDatabase: OpenDatabase = libsql): CatalogueStore {
  try {
    return open(path, openDatabase);
  } catch (error) {
    if (!/not a database|malformed|corrupt/i.test(String(error))) throw error;
    for (const suffix of ["", "-journal", "-wal", "-shm"]) rmSync(`${path}${suffix}`, { force: true });
    return open(path, openDatabase);
  }
}

// A grid whose cells several processes share, from the command line.
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { lockOwner } from "../../src/run/index.js";
import { buildDist } from "../support/child.js";
import { LITTLE_RECIPE } from "../support/little-recipe.js";

const base = mkdtempSync(join(tmpdir(), "s2ap-jobs-"));
const BIN = fileURLToPath(new URL("../../bin/s2ap.js", import.meta.url));
const NAMES = ["1", "2", "3", "4"];

beforeAll(() => {
  buildDist();
  writeFileSync(join(base, "recipe.yaml"), `name: little\n${LITTLE_RECIPE}`);
  writeFileSync(join(base, "grid.yaml"), `name: jobs\nrecipe: recipe.yaml\naxes: { seed: [${NAMES.join(", ")}] }\n`);
});
afterAll(() => rmSync(base, { recursive: true, force: true }));

interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly err: string;
}

/** Starts the grid, in a process group of its own as a terminal does. */
function start(out: string): { readonly child: ChildProcess; readonly ended: Promise<Ended>; err: () => string } {
  const args = ["grid", join(base, "grid.yaml"), "--out", out, "--jobs", "2", "--threads", "2"];
  const child = spawn(process.execPath, [BIN, ...args], { detached: true, stdio: ["ignore", "ignore", "pipe"] });
  let err = "";
  child.stderr?.on("data", (chunk) => (err += chunk));
  const ended = new Promise<Ended>((resolve) => child.on("close", (code, signal) => resolve({ code, signal, err })));
  return { child, ended, err: () => err };
}

const done = (out: string) => NAMES.filter((name) => existsSync(join(out, name, "cell.json")));
const held = (out: string) => ["dense", ...NAMES].flatMap((name) => lockOwner(join(out, name))?.pid ?? []);

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** Asked until it is so; fails after a minute. */
async function until(what: () => boolean): Promise<void> {
  const limit = Date.now() + 60_000;
  while (!what()) {
    expect(Date.now(), "waited for a minute").toBeLessThan(limit);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

test("cells are worked at by two processes at once, each cell by one", async () => {
  const out = join(base, "whole");
  const { child, ended } = start(out);
  const pids = new Set<number>();
  await until(() => {
    for (const pid of held(out)) pids.add(pid);
    return child.exitCode !== null || pids.size === 2;
  });
  const { code, err } = await ended;
  expect(code, err).toBe(0);
  expect(pids.size).toBe(2);
  expect(pids).toContain(child.pid);
  expect(done(out)).toEqual(NAMES);
  expect(held(out)).toEqual([]);
  for (const name of NAMES) expect(err.match(new RegExp(`, ${name}: begins`, "g")), err).toHaveLength(1);
  const grid = JSON.parse(readFileSync(join(out, "grid.json"), "utf8")) as { cells: { status: string }[] };
  expect(grid.cells.map(({ status }) => status)).toEqual(["done", "done", "done", "done"]);
});

test("Ctrl-C stops all of them with the state saved, and the same command goes on", async () => {
  const out = join(base, "stopped");
  const { child, ended } = start(out);
  await until(() => held(out).length === 2);
  // As a terminal does: to all processes of the group.
  process.kill(-(child.pid as number), "SIGINT");
  const { code, err } = await ended;
  expect(code, err).toBe(130);
  expect(err).toMatch(/stopping with the state saved[\s\S]*holds the state: run the same command again to go on/);
  expect(err).not.toMatch(/failed|unexpected/);
  expect(held(out)).toEqual([]);
  const again = await start(out).ended;
  expect(again.code, again.err).toBe(0);
  expect(done(out)).toEqual(NAMES);
});

test("where the first process is killed, the other saves its state and ends", async () => {
  const out = join(base, "killed");
  const { child, ended } = start(out);
  await until(() => held(out).length === 2);
  const other = held(out).find((pid) => pid !== child.pid) as number;
  process.kill(child.pid as number, "SIGKILL");
  expect((await ended).signal).toBe("SIGKILL");
  await until(() => held(out).length === 0);
  await until(() => !isAlive(other));
});

test("where the other is killed, the first says so and does what is left", async () => {
  const out = join(base, "alone");
  const { child, ended } = start(out);
  await until(() => held(out).length === 2);
  process.kill(held(out).find((pid) => pid !== child.pid) as number, "SIGKILL");
  const { code, err } = await ended;
  expect(code, err).toBe(0);
  expect(err).toMatch(/warning: one of 2 processes failed, the others go on: it ended with SIGKILL and said nothing/);
  expect(done(out)).toEqual(NAMES);
});

test("an order that is wrong is told once", async () => {
  const out = join(base, "file");
  writeFileSync(out, "in the way");
  const { code, err } = await start(out).ended;
  expect(code).not.toBe(0);
  expect(err.match(/in the way|file/g), err).not.toBeNull();
  expect(err).not.toMatch(/the others go on/);
});

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { UsageError } from "../util/index.js";
import { lockFolder, lockOwner } from "./index.js";

let folder = "";
let sleeper: ChildProcess | undefined;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "s2ap-lock-"));
});
afterEach(() => {
  sleeper?.kill("SIGKILL");
  sleeper = undefined;
  rmSync(folder, { recursive: true, force: true });
});

function writeLock(owner: unknown): void {
  writeFileSync(join(folder, "lock"), typeof owner === "string" ? owner : JSON.stringify(owner));
}

function liveProcess(): number {
  sleeper = spawn("sleep", ["60"]);
  return sleeper.pid as number;
}

function deadProcess(): number {
  return spawnSync("true").pid;
}

const since = "2026-01-01T00:00:00.000Z";

describe("lockFolder", () => {
  test("holds, names its owner, and is given back", () => {
    {
      using lock = lockFolder(folder);
      expect(JSON.parse(readFileSync(lock.path, "utf8"))).toMatchObject({ pid: process.pid, host: hostname() });
      expect(lockOwner(folder)?.pid).toBe(process.pid);
      expect(() => lockFolder(folder)).toThrow(UsageError);
      expect(() => lockFolder(folder)).toThrow(
        `${folder}: expected a run folder nobody writes, got one process ${process.pid} writes`,
      );
      expect(existsSync(lock.path)).toBe(true);
    }
    expect(readdirSync(folder)).toEqual([]);
    expect(lockOwner(folder)).toBeUndefined();
    lockFolder(folder).release();
  });

  test("a live process of this machine keeps its lock", () => {
    const pid = liveProcess();
    writeLock({ pid, host: hostname(), startedAt: since, processStart: null });
    expect(() => lockFolder(folder)).toThrow(`process ${pid} writes since ${since}; wait for it`);
    expect(readdirSync(folder)).toEqual(["lock"]);
  });

  test.each([
    ["a dead process", () => ({ pid: deadProcess(), host: hostname(), startedAt: since, processStart: null })],
    [
      "a pid that was given out again",
      () => ({ pid: liveProcess(), host: hostname(), startedAt: since, processStart: "boot/1" }),
    ],
    ["a torn file", () => '{"pid": 12'],
    ["an empty file", () => ""],
    ["no owner", () => "null"],
  ])("the stale lock of %s is taken over", (_name, owner) => {
    writeLock(owner());
    expect(lockOwner(folder)).toBeUndefined();
    using lock = lockFolder(folder);
    expect(JSON.parse(readFileSync(lock.path, "utf8"))).toMatchObject({ pid: process.pid });
    expect(readdirSync(folder)).toEqual(["lock"]);
  });

  test("another machine's lock is not judged from here, and the cure is named", () => {
    writeLock({ pid: 1, host: "elsewhere", startedAt: since, processStart: null });
    expect(() => lockFolder(folder)).toThrow(
      `process 1 on elsewhere writes since ${since}; if that machine no longer runs it, remove`,
    );
  });

  test("releasing late does not remove somebody else's lock", () => {
    const lock = lockFolder(folder);
    writeLock({ pid: 1, host: "elsewhere", startedAt: since, processStart: null });
    lock.release();
    expect(existsSync(lock.path)).toBe(true);
  });
});

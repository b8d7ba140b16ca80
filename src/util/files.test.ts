import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { DataError, makeFolder, sha256, writeFileAtomic } from "./index.js";

vi.mock("node:fs", async (original) => {
  const real = await original<typeof import("node:fs")>();
  return { ...real, writeSync: vi.fn(real.writeSync), openSync: vi.fn(real.openSync) };
});

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "s2ap-files-"));
});
afterEach(() => {
  vi.mocked(fs.writeSync).mockClear();
  rmSync(folder, { recursive: true, force: true });
});

function failWith(code: string) {
  return () => {
    throw Object.assign(new Error(`${code}: simulated`), { code });
  };
}

function caught(run: () => void): DataError {
  try {
    run();
  } catch (error) {
    if (error instanceof DataError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

describe("writeFileAtomic", () => {
  test("writes text, bytes and chunks, and replaces", () => {
    const path = join(folder, "a.bin");
    writeFileAtomic(path, "grüß");
    expect(readFileSync(path, "utf8")).toBe("grüß");
    writeFileAtomic(path, [Uint8Array.of(1, 2), Uint8Array.of(3)]);
    expect([...readFileSync(path)]).toEqual([1, 2, 3]);
    expect(readdirSync(folder)).toEqual(["a.bin"]);
  });

  test("goes on when the system takes fewer bytes than it was given", () => {
    const real = vi.mocked(fs.writeSync).getMockImplementation() as typeof fs.writeSync;
    vi.mocked(fs.writeSync).mockImplementation(((fd: number, data: Uint8Array, offset: number, length: number) =>
      real(fd, data, offset, Math.min(length, 3))) as typeof fs.writeSync);
    try {
      writeFileAtomic(join(folder, "a"), "0123456789");
    } finally {
      vi.mocked(fs.writeSync).mockImplementation(real);
    }
    expect(readFileSync(join(folder, "a"), "utf8")).toBe("0123456789");
  });

  test("a full disk is a DataError with a cure; the old bytes stand and nothing is left behind", () => {
    const path = join(folder, "a");
    writeFileAtomic(path, "old");
    vi.mocked(fs.writeSync).mockImplementationOnce(failWith("ENOSPC"));
    const error = caught(() => writeFileAtomic(path, "new"));
    expect(error.code).toBe("data/disk-full");
    expect(error.message).toBe(`${path}: cannot write: the disk is full; free some space or choose another folder`);
    expect(readFileSync(path, "utf8")).toBe("old");
    expect(readdirSync(folder)).toEqual(["a"]);
  });

  test("a read-only or missing folder, and a file in its place, are DataErrors", () => {
    vi.mocked(fs.openSync).mockImplementationOnce(failWith("EROFS"));
    expect(caught(() => writeFileAtomic(join(folder, "a"), "x")).code).toBe("data/read-only");
    writeFileSync(join(folder, "file"), "");
    expect(caught(() => writeFileAtomic(join(folder, "file", "a"), "x")).code).toBe("data/not-a-folder");
    expect(caught(() => makeFolder(join(folder, "file", "a"))).message).toContain("a part of the path is a file");
    expect(caught(() => makeFolder(join(folder, "file"))).code).toBe("data/not-a-folder");
    expect(caught(() => writeFileAtomic(join(folder, "no", "a"), "x")).code).toBe("data/missing");
  });

  test("other errors stay what they are", () => {
    vi.mocked(fs.writeSync).mockImplementationOnce(failWith("EIO"));
    expect(() => writeFileAtomic(join(folder, "a"), "x")).toThrow("EIO: simulated");
  });
});

describe("sha256", () => {
  test("agrees with sha256sum, in one piece and in chunks", () => {
    const path = join(folder, "a");
    writeFileSync(path, "abc");
    const peer = execFileSync("sha256sum", [path], { encoding: "utf8" }).slice(0, 64);
    expect(sha256(Buffer.from("abc"))).toBe(peer);
    expect(sha256([Buffer.from("a"), Buffer.from("bc")])).toBe(peer);
  });
});

test.skipIf(!fs.existsSync("/proc/self"))("a folder that takes no folders is refused at once", () => {
  expect(() => makeFolder("/proc/nowhere/run")).toThrow(/\/proc\/nowhere\/run: cannot make the folder/);
});

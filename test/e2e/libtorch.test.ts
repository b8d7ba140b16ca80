import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));
const temporary = mkdtempSync(join(tmpdir(), "s2ap-libtorch-"));
afterAll(() => rmSync(temporary, { recursive: true, force: true }));

type Variables = Readonly<Record<string, string | undefined>>;

function run(command: string, args: readonly string[] = [], variables: Variables = {}) {
  const env = { ...process.env, S2AP_LIBTORCH: undefined, ...variables };
  const { status, stdout, stderr } = spawnSync(join(root, command), args, { env, encoding: "utf8", stdio: "pipe" });
  return { status, stdout, stderr };
}

function folder(name: string): string {
  return mkdtempSync(join(temporary, `${name}-`));
}

/** The `key=value` lines of scripts/find-libtorch. */
function found(variables: Variables): Map<string, string> {
  const { status, stdout, stderr } = run("scripts/find-libtorch", [], variables);
  expect(stderr).toBe("");
  expect(status).toBe(0);
  return new Map(
    stdout
      .trim()
      .split("\n")
      .map((line) => line.split("=", 2) as [string, string]),
  );
}

/** A folder that looks like a libtorch to scripts/find-libtorch. */
function pretend(base: string, lib: string): void {
  mkdirSync(join(base, "include/ATen/core/dispatch"), { recursive: true });
  mkdirSync(join(base, "include/torch/csrc/api/include/torch"), { recursive: true });
  mkdirSync(join(base, lib), { recursive: true });
  writeFileSync(join(base, "include/ATen/core/dispatch/Dispatcher.h"), "");
  writeFileSync(
    join(base, "include/torch/csrc/api/include/torch/version.h"),
    "#define TORCH_VERSION_MAJOR 2\n#define TORCH_VERSION_MINOR 7\n#define TORCH_VERSION_PATCH 1\n",
  );
  writeFileSync(join(base, lib, "libtorch_cpu.so"), "");
}

describe("finding libtorch", () => {
  test.each([
    ["an unpacked libtorch", ".", "lib"],
    ["the folder it was unpacked in", "libtorch", "lib"],
    ["Debian's files in another folder", ".", "lib/x86_64-linux-gnu"],
    ["Debian's packages unpacked elsewhere", "usr", "lib/x86_64-linux-gnu"],
    ["site-packages", "torch", "lib"],
    ["a Python environment", "lib/python3.12/site-packages/torch", "lib"],
  ])("takes %s", (_, base, lib) => {
    const dir = folder("libtorch");
    pretend(join(dir, base), lib);
    const answer = found({ S2AP_LIBTORCH: dir });
    expect(answer.get("source")).toBe("S2AP_LIBTORCH");
    expect(answer.get("lib")).toBe(join(dir, base, lib));
    expect(answer.get("version")).toBe("2.7.1");
  });

  test("says what it looked for in a wrong folder", () => {
    const dir = folder("empty");
    const { status, stdout, stderr } = run("scripts/find-libtorch", [], { S2AP_LIBTORCH: dir });
    expect(status).toBe(2);
    expect(stdout).toBe("");
    expect(stderr).toContain(
      `S2AP_LIBTORCH: expected a folder that holds libtorch (C++ headers and libraries), got "${dir}"`,
    );
    expect(stderr).toContain(join(dir, "libtorch"));
    expect(stderr).toContain("include/ATen/core/dispatch/Dispatcher.h");
    expect(stderr).toContain("lib/libtorch_cpu.so");
  });

  test("refuses headers without libraries", () => {
    const dir = folder("half");
    pretend(dir, "lib");
    rmSync(join(dir, "lib/libtorch_cpu.so"));
    expect(run("scripts/find-libtorch", [], { S2AP_LIBTORCH: dir }).status).toBe(2);
  });

  test("refuses a folder that does not exist", () => {
    const { status, stderr } = run("scripts/find-libtorch", [], { S2AP_LIBTORCH: join(temporary, "nowhere") });
    expect(status).toBe(2);
    expect(stderr).toContain("which is no folder");
  });

  test("says what to do where there is none", () => {
    const { status, stderr } = run("scripts/build-native", ["--check"], { S2AP_SYSTEM_PREFIXES: folder("bare") });
    expect(status).toBe(2);
    expect(stderr).toContain("libtorch: expected the system's, found none");
    expect(stderr).toContain("on Debian or Ubuntu run scripts/bootstrap");
    expect(stderr).toContain("S2AP_LIBTORCH");
  });
});

describe("another libtorch", () => {
  /** The files in use now, in another folder and another layout: headers linked, libraries too, but libc10 copied. */
  function elsewhere(): string {
    const from = found({ S2AP_LIBTORCH: process.env.S2AP_LIBTORCH });
    const dir = folder("elsewhere");
    mkdirSync(join(dir, "include"));
    mkdirSync(join(dir, "lib"));
    for (const name of ["ATen", "c10", "caffe2", "torch"]) {
      symlinkSync(join(from.get("include") ?? "", name), join(dir, "include", name));
    }
    const lib = from.get("lib") ?? "";
    for (const name of readdirSync(lib).filter((file) =>
      /^lib(torch|torch_cpu|torch_global_deps|c10|shm)\.so/.test(file),
    )) {
      if (name.startsWith("libc10")) cpSync(join(lib, name), join(dir, "lib", name), { dereference: true });
      else symlinkSync(join(lib, name), join(dir, "lib", name));
    }
    return dir;
  }

  test("is built against, loaded from its folder and named in build/libtorch.json", () => {
    const dir = elsewhere();
    const build = folder("build");
    const { status, stderr } = run("scripts/build-native", ["--build-dir", build], { S2AP_LIBTORCH: dir });
    expect(stderr).toBe("");
    expect(status).toBe(0);
    const record = JSON.parse(readFileSync(join(build, "libtorch.json"), "utf8")) as Record<string, string>;
    expect(record).toMatchObject({ source: "S2AP_LIBTORCH", path: dir, lib: join(dir, "lib") });
    expect(record.version).toMatch(/^\d+\.\d+\.\d+$/);

    const program = `
      const module = { exports: {} };
      process.dlopen(module, ${JSON.stringify(join(build, "Release/s2ap.node"))});
      const maps = require("fs").readFileSync("/proc/self/maps", "utf8");
      const libraries = new Set(maps.match(/\\S*\\/libc10\\.so\\S*/g));
      console.log(JSON.stringify({ version: module.exports.version(), libraries: [...libraries] }));`;
    const loaded = spawnSync(process.execPath, ["-e", program], { encoding: "utf8" });
    expect(loaded.stderr).toBe("");
    const answer = JSON.parse(loaded.stdout) as { version: string; libraries: string[] };
    expect(answer.libraries.map((path) => path.slice(0, path.lastIndexOf("/")))).toEqual([join(dir, "lib")]);
    expect(answer.version).toContain(record.version);

    expect(run("scripts/build-native", ["--check", "--build-dir", build], { S2AP_LIBTORCH: dir }).status).toBe(0);
    expect(run("scripts/build-native", ["--check", "--build-dir", build]).status).toBe(3);
  });
});

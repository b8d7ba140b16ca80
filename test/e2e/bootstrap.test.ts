import { spawnSync } from "node:child_process";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));
const temporary = mkdtempSync(join(tmpdir(), "s2ap-bootstrap-"));
chmodSync(temporary, 0o755);
afterAll(() => rmSync(temporary, { recursive: true, force: true }));

type Scripts = Readonly<Record<string, string>>;

function folder(name: string): string {
  const path = mkdtempSync(join(temporary, `${name}-`));
  chmodSync(path, 0o777); // some tests leave root's account
  return path;
}

/** A shell script, made executable. */
function program(dir: string, name: string, script: string): void {
  writeFileSync(join(dir, name), `#!/bin/sh\n${script}\n`);
  chmodSync(join(dir, name), 0o755);
}

/** A folder to stand alone in PATH: the few real programs the script needs, and shell scripts in place of the others. */
function programs(scripts: Scripts): string {
  const bin = folder("bin");
  for (const name of ["bash", "env", "dirname", "mkdir", "cat", "wc"])
    symlinkSync(join("/usr/bin", name), join(bin, name));
  for (const [name, script] of Object.entries(scripts)) program(bin, name, script);
  return bin;
}

/** Runs the script in a tree of its own that holds nothing else, so that the real one stays as it is. */
function bootstrap(scripts: Scripts, options: { S2AP_LIBTORCH?: string; asUser?: boolean } = {}) {
  const tree = folder("tree");
  mkdirSync(join(tree, "scripts"));
  for (const name of ["scripts/bootstrap", "scripts/find-libtorch"]) cpSync(join(root, name), join(tree, name));
  const { asUser, ...variables } = options;
  const nobody = asUser && process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {};
  const { status, stderr } = spawnSync(join(tree, "scripts/bootstrap"), [], {
    env: { PATH: programs(scripts), S2AP_SYSTEM_PREFIXES: temporary, ...variables },
    encoding: "utf8",
    stdio: "pipe",
    ...nobody,
  });
  return { status, stderr };
}

const node = { node: "echo v20.19.0", npm: "exit 9" };
const debian = { ...node, "dpkg-query": "echo not-installed", "apt-get": 'echo "apt-get $*"; exit 100', sleep: "" };
const packages = "cmake ninja-build g++ libtorch-dev libopenblas0-openmp";

test("has nothing to do and nothing to say the second time, in under two seconds", () => {
  const again = () =>
    spawnSync(join(root, "scripts/bootstrap"), [], { cwd: tmpdir(), encoding: "utf8", stdio: "pipe" });
  expect(again().status).toBe(0);
  const begin = performance.now();
  const { status, stdout, stderr } = again();
  expect(performance.now() - begin).toBeLessThan(2000);
  expect(stdout + stderr).toBe("");
  expect(status).toBe(0);
});

test.each(["v18.20.4", "v20.9.0", "v19.30.0"])("refuses Node %s", (version) => {
  const { status, stderr } = bootstrap({ ...node, node: `echo ${version}` });
  expect(stderr).toBe(`bootstrap: expected Node >= 20.19, got ${version}\n`);
  expect(status).toBe(2);
});

test("refuses a wrong S2AP_LIBTORCH before anything is installed", () => {
  const dir = folder("wrong");
  const { status, stderr } = bootstrap(debian, { S2AP_LIBTORCH: dir });
  expect(stderr).toContain(`S2AP_LIBTORCH: expected a folder that holds libtorch`);
  expect(stderr).toContain(`got "${dir}"`);
  expect(stderr).not.toContain("apt-get");
  expect(status).toBe(2);
});

test.each([
  ["there is no sudo", debian],
  ["sudo wants a password and nobody can type it", { ...debian, sudo: "exit 1" }],
])("prints the command to run where %s", (_, scripts) => {
  const { status, stderr } = bootstrap(scripts, { asUser: true });
  expect(stderr).toContain(`  sudo apt-get update && sudo apt-get install -y --no-install-recommends ${packages}\n`);
  expect(status).toBe(2);
});

test("installs with sudo where it asks for no password, and shows what apt said when it fails", () => {
  const { status, stderr } = bootstrap(
    { ...debian, sudo: '[ "$1" = -n ] && exit 0; echo "sudo:"; exec "$@"' },
    { asUser: true },
  );
  expect(stderr).toContain(`bootstrap: system packages ${packages} ... failed`);
  expect(stderr).toContain(
    `sudo:\napt-get -o DPkg::Lock::Timeout=600 install -y --no-install-recommends ${packages}\n`,
  );
  expect(status).toBe(1);
});

test("leaves apt's libtorch alone where S2AP_LIBTORCH names another", () => {
  const dir = folder("libtorch");
  for (const [path, name] of [
    ["include/ATen/core/dispatch", "Dispatcher.h"],
    ["lib", "libtorch_cpu.so"],
  ] as const) {
    mkdirSync(join(dir, path), { recursive: true });
    writeFileSync(join(dir, path, name), "");
  }
  const { stderr } = bootstrap(debian, { S2AP_LIBTORCH: dir, asUser: true });
  expect(stderr).toMatch(/install -y --no-install-recommends cmake ninja-build g\+\+\n/);
});

test("points to S2AP_LIBTORCH where there is no apt", () => {
  const { status, stderr } = bootstrap({ ...node, cmake: "", ninja: "", "c++": "" });
  expect(stderr).toContain("unpack libtorch (or install PyTorch) and set S2AP_LIBTORCH to its folder");
  expect(status).toBe(2);
  expect(bootstrap({ ...node, cmake: "" }).stderr).toContain("found no ninja c++");
});

test("fails when the sources do not compile, and tries again the next time", () => {
  const tree = folder("tree");
  for (const name of ["scripts", "src/dashboard", "src/report", "src/run", "node_modules/.bin"])
    mkdirSync(join(tree, name), { recursive: true });
  cpSync(join(root, "scripts/bootstrap"), join(tree, "scripts/bootstrap"));
  for (const name of ["package-lock.json", "tsconfig.json", "tsconfig.build.json", "vite.config.ts"])
    writeFileSync(join(tree, name), "{}");
  for (const name of ["report/palette.ts", "report/format.ts", "run/events.ts"])
    writeFileSync(join(tree, "src", name), "");
  const lock = spawnSync("sha256sum", { cwd: tree, input: "{}", encoding: "utf8" }).stdout;
  writeFileSync(join(tree, "node_modules/.s2ap-lock"), lock);
  program(tree, "scripts/build-native", "exit 0");
  program(tree, "node_modules/.bin/tsc", 'mkdir -p dist; echo "src/a.ts(1,1): error TS1005"; exit 2');
  const run = () => {
    const { status, stderr } = spawnSync(join(tree, "scripts/bootstrap"), [], { encoding: "utf8", stdio: "pipe" });
    return { status, stderr };
  };
  for (const _ of [1, 2]) {
    const { status, stderr } = run();
    expect(stderr).toMatch(/^bootstrap: TypeScript \.\.\. failed after \d+ s\nsrc\/a\.ts\(1,1\): error TS1005\n$/);
    expect(status).toBe(1);
  }
  writeFileSync(join(tree, "src/plain.js"), "");
  program(tree, "node_modules/.bin/tsc", "mkdir -p dist; echo > dist/gone.js; echo > dist/plain.js");
  program(tree, "node_modules/.bin/vite", "echo vite says why; exit 1");
  expect(run()).toMatchObject({
    status: 1,
    stderr: expect.stringMatching(/dashboard page \.\.\. failed.*\nvite says why/),
  });
  // Away with what was compiled from sources that are gone, not with what is JavaScript in the sources too.
  expect(existsSync(join(tree, "dist/gone.js"))).toBe(false);
  expect(existsSync(join(tree, "dist/plain.js"))).toBe(true);
  const built = "dist/dashboard/page";
  program(
    tree,
    "node_modules/.bin/vite",
    `mkdir -p ${built}/assets; echo > ${built}/index.html; echo > ${built}/assets/a.js`,
  );
  expect(run()).toMatchObject({ status: 0 });
  expect(run()).toEqual({ status: 0, stderr: "" });
  // What the page is made of changes: both are built again, and the compiler's tidying leaves the page alone.
  writeFileSync(join(tree, "src/report/palette.ts"), "// other colours");
  expect(run()).toMatchObject({ status: 0, stderr: expect.stringContaining("dashboard page ... ") });
  expect(existsSync(join(tree, built, "assets/a.js"))).toBe(true);
  writeFileSync(join(tree, "src/other.ts"), "");
  expect(run().stderr).not.toContain("dashboard page");
});

test("the s2ap program says to run it where nothing is built", () => {
  const tree = folder("tree");
  mkdirSync(join(tree, "bin"));
  writeFileSync(join(tree, "package.json"), '{ "type": "module" }');
  cpSync(join(root, "bin/s2ap.js"), join(tree, "bin/s2ap.js"));
  const { status, stderr } = spawnSync(process.execPath, [join(tree, "bin/s2ap.js"), "doctor"], { encoding: "utf8" });
  expect(stderr).toBe(
    `s2ap: expected a finished build, found no dist/cli/main.js and no build/Release/s2ap.node; run ${join(tree, "scripts/bootstrap")}\n`,
  );
  expect(status).toBe(1);
});

test("and where libtorch is gone, whatever the command", () => {
  const tree = folder("tree");
  for (const name of ["bin", "dist"]) cpSync(join(root, name), join(tree, name), { recursive: true });
  cpSync(join(root, "package.json"), join(tree, "package.json"));
  symlinkSync(join(root, "node_modules"), join(tree, "node_modules"));
  mkdirSync(join(tree, "build/Release"), { recursive: true });
  // The same addon, looking for a library of another name.
  const addon = readFileSync(join(root, "build/Release/s2ap.node"), "latin1").replaceAll(
    "libtorch_cpu",
    "libtorch_non",
  );
  writeFileSync(join(tree, "build/Release/s2ap.node"), addon, "latin1");
  for (const command of [["list"], ["run", "any.yaml"], ["eval", "any"]]) {
    const { status, stderr } = spawnSync(process.execPath, [join(tree, "bin/s2ap.js"), ...command], {
      encoding: "utf8",
    });
    expect(stderr).toMatch(
      /^s2ap: native addon: expected it to load, got: libtorch_non\.so[^\n]*\. Run scripts\/bootstrap to build it\n$/,
    );
    expect(status).toBe(1);
  }
});

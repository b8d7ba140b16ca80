import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const bin = resolve("bin/s2ap.js");
let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "s2ap-data-"));
  writeFileSync(join(folder, "slow.mjs"), SLOW);
  writeFileSync(join(folder, "no-fonts.conf"), "<fontconfig></fontconfig>");
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Images that take a fifth of a second each time they are asked for; its row says nothing of where they are from. */
const SLOW = `export default ({ registries, z }) => {
  const { create } = registries.datasets.get("synthetic");
  registries.datasets.register("slow", {
    summary: "slow to read",
    options: z.strictObject({}),
    create: async (_options, { onProgress }) => {
      const data = await create(registries.datasets.get("synthetic").options.parse({ examples: 20000, size: 4 }), {});
      const ordered = (...asked) => {
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
        return data.train.ordered(...asked);
      };
      onProgress("the slow images are here");
      return { ...data, train: { ...data.train, ordered } };
    },
  });
};`;

const env = () => ({ ...process.env, OMP_NUM_THREADS: "1", NO_COLOR: "1", S2AP_CACHE: join(folder, "cache") });

function s2ap(argv: readonly string[], more: NodeJS.ProcessEnv = {}) {
  const options = { encoding: "utf8", cwd: folder, env: { ...env(), ...more } } as const;
  const { status, stdout, stderr } = spawnSync(process.execPath, [bin, "data", ...argv], options);
  return { status, stdout, stderr };
}

describe("s2ap data", () => {
  test("lists what there is, with a plugin's", () => {
    const { status, stdout } = s2ap(["--plugin", "slow.mjs"]);
    expect(status).toBe(0);
    expect(stdout).toMatch(/^cifar10 +not here yet +CIFAR-10/m);
    expect(stdout).toMatch(/^synthetic +nothing to fetch +generated/m);
    expect(stdout).toMatch(/^slow +nothing to fetch +slow to read$/m);
  });

  test("get counts classes; the same for machines", () => {
    const argv = ["get", "synthetic", "--set", "numClasses=2", "--set", "examples=20", "--set", "selection=4"];
    const { status, stdout, stderr } = s2ap(argv);
    expect([status, stderr]).toEqual([0, ""]);
    expect(stdout).toContain("images     train 20, selection 4, test 256; 280 looked at");
    expect(stdout).toMatch(/^class 1 +\d+ +=+ +\d+ +128$/m);
    expect(JSON.parse(s2ap([...argv, "--json"]).stdout)).toMatchObject({
      splits: { train: { images: 20 } },
      warnings: [],
    });
  });

  test("check of what is missing is 3 and says what to do, without asking the network", () => {
    const { status, stdout, stderr } = s2ap(["check", "cifar10"], { PATH: "/nowhere" });
    expect([status, stdout]).toEqual([3, ""]);
    expect(stderr).toMatch(/^s2ap: cifar10: cache: expected the files, got "none"; .*by hand: cifar-10-binary.tar.gz/);
    expect(stderr).toContain(join(folder, "cache"));
    const json = s2ap(["check", "cifar10", "--json"]);
    expect([json.status, JSON.parse(json.stdout)]).toMatchObject([3, { error: { code: "data/download" } }]);
  });

  test("settings that do not fit are 2", () => {
    const { status, stderr } = s2ap(["get", "synthetic", "--set", "sise=3"]);
    expect([status, stderr]).toEqual([2, expect.stringContaining("--set sise=3: expected a known option")]);
  });

  test("show draws a PNG, and warns where there is no font for its names", async () => {
    const argv = ["show", "synthetic", "--set", "numClasses=3", "--examples", "2", "--out"];
    const { status, stdout, stderr } = s2ap([...argv, "a.png"]);
    expect([status, stderr]).toEqual([0, ""]);
    const { width, height } = await sharp(join(folder, "a.png")).metadata();
    expect(stdout).toBe(`a.png: 3 classes, ${width} x ${height} pixels\n`);
    const bare = s2ap([...argv, "b.png"], { FONTCONFIG_FILE: join(folder, "no-fonts.conf") });
    expect([bare.status, bare.stderr]).toEqual([0, expect.stringContaining("there is no font on this machine")]);
    expect(existsSync(join(folder, "b.png"))).toBe(true);
  });

  test("Ctrl-C stops the look at the images within one batch", async () => {
    const argv = [bin, "data", "get", "slow", "--plugin", "slow.mjs"];
    const child = spawn(process.execPath, argv, { cwd: folder, env: env() });
    let [out, err] = ["", ""];
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      out += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      if (!err.includes("are here") && text.includes("are here")) child.kill("SIGINT");
      err += text;
    });
    const code = await new Promise((done) => child.on("close", done));
    expect([code, out]).toEqual([130, ""]);
    expect(err).toContain("stopping; once more to leave at once");
  });
});

import { spawn, spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { encodeSafetensors } from "../../src/nn/checkpoint/safetensors.js";
import { lockFolder, readEvents, readManifest } from "../../src/run/index.js";
import { writeFileAtomic } from "../../src/util/index.js";

const bin = resolve("bin/s2ap.js");
const env = { ...process.env, OMP_NUM_THREADS: "1", NO_COLOR: "1" };

let folder = "";
let recipe = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "s2ap-cli-"));
  recipe = join(folder, "small.yaml");
  writeFileSync(recipe, SMALL);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const SMALL = `
data: { name: synthetic, batchSize: 16, examples: 64, selection: 16, testExamples: 32, numClasses: 2, size: 8 }
model: { arch: resnet18, numClasses: 2, width: 2, imageSize: 8 }
threat: { norm: linf, eps: 8/255 }
loss: { name: pgd-at, attack: { name: pgd, steps: 1 } }
optimizer: { name: sgd, lr: 0.05 }
stages: { pretrain: { epochs: 2 }, search: { epochs: 2, method: { name: hydra, keepRatio: 0.5 } }, finetune: { epochs: 1 } }
evaluation: [{ name: pgd, steps: 2 }]
`;

function s2ap(...argv: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [bin, ...argv], {
    encoding: "utf8",
    cwd: folder,
    env,
  });
  return { status, stdout, stderr };
}

function epochs(out: string): number {
  return readEvents(out).filter(({ type }) => type === "epoch").length;
}

let whole: ReturnType<typeof s2ap> | undefined;

/** The recipe run to its end into the folder `whole`, once. */
function wholeRun() {
  whole ??= s2ap("run", "small.yaml", "--out", "whole");
  return whole;
}

/** Starts a run that would take minutes and waits until it has done an epoch. */
async function startLong(out: string) {
  const argv = [bin, "run", recipe, "--out", out, "--set", "stages.pretrain.epochs=100000"];
  const child = spawn(process.execPath, argv, { cwd: folder, env });
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const ended = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((done) => {
    child.on("close", (code, signal) => done({ code, signal }));
  });
  while (!/pretrain \d+\//.test(stderr)) {
    if (child.exitCode !== null) throw new Error(`the run ended with ${child.exitCode}: ${stderr}`);
    await new Promise((wait) => setTimeout(wait, 50));
  }
  return { child, ended, stderr: () => stderr };
}

describe("s2ap run", () => {
  test("runs a recipe, prints the report's path last, and has nothing left to do the second time", () => {
    const first = wholeRun();
    expect(first.stderr).toContain("pretrain 2/2: loss");
    expect(first.status).toBe(0);
    expect(first.stdout.trimEnd().split("\n").at(-1)).toBe(join("whole", "report.html"));
    expect(first.stdout + first.stderr).not.toContain("\x1b");
    for (const file of ["report.html", "report.md", "model.safetensors", "masks.safetensors", "results.json"]) {
      expect(existsSync(join(folder, "whole", file))).toBe(true);
    }
    const events = readFileSync(join(folder, "whole", "events.jsonl"), "utf8");
    const again = s2ap("run", "small.yaml", "--out", "whole", "--json");
    expect(again.status).toBe(0);
    expect(JSON.parse(again.stdout)).toMatchObject({ status: "done", rows: [{ sparsity: expect.any(Number) }] });
    expect(readFileSync(join(folder, "whole", "events.jsonl"), "utf8")).toBe(events);
  });

  test("refuses a recipe that changed since, and shows the difference", () => {
    wholeRun();
    const { status, stderr } = s2ap(
      "run",
      "small.yaml",
      "--out",
      "whole",
      "--set",
      "seed=2",
      "--set",
      "loss.attack.steps=3",
    );
    expect(status).toBe(2);
    expect(stderr).toContain("  seed: the run has 1234, now 2\n");
    expect(stderr).toContain("  stages.pretrain.loss.attack.steps: the run has 1, now 3\n");
  });

  test.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
    ["SIGHUP", 129],
  ] as const)("%s saves the state, exits with %d, and the run can go on", async (signal, code) => {
    const out = join(folder, signal);
    const run = await startLong(out);
    const second = s2ap("run", "small.yaml", "--out", out, "--set", "stages.pretrain.epochs=100000");
    expect(second.status).toBe(2);
    expect(second.stderr).toContain(`process ${run.child.pid} writes since`);
    run.child.kill(signal);
    expect(await run.ended).toEqual({ code, signal: null });
    expect(run.stderr()).toContain(`${out} holds the state: run the same command again to go on`);
    expect(readManifest(out).status).toBe("stopped");
    if (signal !== "SIGINT") return;
    const before = epochs(out);
    const resumed = await startLong(out);
    expect(epochs(out)).toBeGreaterThan(before);
    resumed.child.kill("SIGKILL");
    await resumed.ended;
  });

  test("--max-time stops cleanly", () => {
    const out = join(folder, "limited");
    const argv = ["run", "small.yaml", "--out", out, "--set", "stages.pretrain.epochs=100000", "--max-time", "1s"];
    const { status, stdout } = s2ap(...argv, "--json");
    expect([status, JSON.parse(stdout)]).toEqual([0, { status: "stopped", out, rows: [] }]);
    expect(existsSync(join(out, "lock"))).toBe(false);
  });

  test("a second Ctrl-C leaves at once, and the folder is not locked for ever", async () => {
    const out = join(folder, "twice");
    const run = await startLong(out);
    run.child.kill("SIGINT");
    run.child.kill("SIGINT");
    const { code, signal } = await run.ended;
    // The first may have been enough if the worker was between two steps.
    expect([code, signal]).toEqual(code === null ? [null, "SIGINT"] : [130, null]);
    lockFolder(out).release();
  });
});

describe("a terminal", () => {
  const there = spawnSync("script", ["--version"]).status === 0;

  /** Output of a command line on a pseudo-terminal of 120 columns, without what decides of colours around the tests. */
  function onTerminal(variables: Readonly<Record<string, string>>, ...argv: readonly string[]): string {
    const command = `stty cols 120; ${process.execPath} ${bin} ${argv.join(" ")}`;
    const {
      CI: _ci,
      FORCE_COLOR: _force,
      NODE_DISABLE_COLORS: _node,
      NO_COLOR: _no,
      ...colourful
    } = env as NodeJS.ProcessEnv;
    const { stdout } = spawnSync("script", ["-qec", command, "/dev/null"], {
      cwd: folder,
      encoding: "utf8",
      env: { ...colourful, TERM: "xterm", ...variables },
    });
    return stdout;
  }

  test.skipIf(!there)("shows a live line: loss, robust accuracy, images a second", () => {
    const shown = onTerminal({}, "run", "small.yaml", "--out", "watched", "--only", "pretrain");
    expect(shown).toMatch(
      /\rpretrain 1\/2 {2}\[[= ]{16}\] \d+ % {2}loss [\d.]+ {2}robust [\d.]+ % {2}[\d,]+ images\/s/,
    );
    expect(shown).toMatch(/pretrain: done, 2 epochs, last loss/);
  });

  test.skipIf(!there)("is coloured, and with NO_COLOR is not", () => {
    wholeRun();
    cpSync(join(folder, "whole"), join(folder, "spoilt"), { recursive: true });
    writeFileSync(join(folder, "spoilt", "results.json"), "{");
    const warning = "warning: spoilt/results.json cannot be read: it is no JSON.";
    expect(onTerminal({}, "report", "spoilt")).toContain(`\x1b[33m${warning}\x1b[39m`);
    const plain = onTerminal({ NO_COLOR: "1" }, "report", "spoilt");
    expect(plain).toContain(warning);
    expect(plain).not.toContain("\x1b");
  });
});

describe("s2ap eval", () => {
  test("attacks a run with its own recipe's data and threat", () => {
    wholeRun();
    const { status, stdout } = s2ap(
      "eval",
      "whole",
      "--attack",
      "clean",
      "--attack",
      "{name: pgd, steps: 3}",
      "--json",
    );
    expect(status).toBe(0);
    const found = JSON.parse(stdout);
    expect(found).toMatchObject({ data: { name: expect.stringContaining("synthetic") }, seed: 1234 });
    expect(found.weights).toMatch(/^[0-9a-f]{64}$/);
    expect(found.results).toMatchObject([
      { attack: "clean", examples: 32 },
      { attack: "pgd-3", eps: "8/255", norm: "linf", examples: 32 },
    ]);
    expect(found.results[1].robustAccuracy).toBeLessThanOrEqual(found.results[0].robustAccuracy);
    const eps8 = s2ap("eval", "whole", "--attack", "pgd", "--eps", "8");
    expect([eps8.status, eps8.stderr]).toEqual([2, expect.stringContaining('8 of 255 levels is written "8/255"')]);
  });

  test("attacks other people's safetensors, described in JSON", () => {
    const ops = [{ op: "flatten" }, { op: "linear", name: "fc", in: 3 * 8 * 8, out: 2 }];
    writeFileSync(join(folder, "arch.json"), JSON.stringify({ input: [3, 8, 8], classes: 2, ops }));
    const weight = Float32Array.from({ length: 2 * 192 }, (_, i) => Math.sin(i));
    const tensors = new Map([
      ["fc.weight", { dtype: "float32", shape: [2, 192], data: new Uint8Array(weight.buffer) }],
      ["fc.bias", { dtype: "float32", shape: [2], data: new Uint8Array(8) }],
    ] as const);
    writeFileAtomic(join(folder, "other.safetensors"), encodeSafetensors({ tensors }));
    const data = "{ name: synthetic, size: 8, numClasses: 2, testExamples: 16 }";
    const argv = ["eval", "other.safetensors", "--arch", "arch.json", "--data", data, "--eps", "4/255", "--json"];
    const { status, stdout } = s2ap(...argv, "--attack", "clean", "--attack", "fgsm", "--attack", "pgd");
    expect(status).toBe(0);
    expect(JSON.parse(stdout).results).toMatchObject([
      { attack: "clean", examples: 16 },
      { attack: "fgsm", eps: "4/255" },
      { attack: "pgd-10", eps: "4/255" },
    ]);
    expect(s2ap("eval", "other.safetensors", "--data", data)).toMatchObject({
      status: 3,
      stderr: expect.stringContaining("name one with --arch FILE.json"),
    });
  });

  test("what is missing or odd is told in words", () => {
    expect(s2ap("eval", "nothing")).toMatchObject({ status: 3, stderr: expect.stringContaining("got nothing there") });
    writeFileSync(join(folder, "odd.safetensors"), "odd");
    expect(s2ap("eval", "odd.safetensors", "--data", "synthetic").status).toBe(3);
    const pgd = s2ap("eval", "odd.safetensors", "--attack", "pdg");
    expect(pgd).toMatchObject({ status: 2, stderr: expect.stringContaining("(nearest: pgd)") });
  });
});

describe("s2ap recipe", () => {
  test("check lists every error with its place, and exits with 2", () => {
    writeFileSync(join(folder, "bad.yaml"), SMALL.replace("8/255", "8").replace("keepRatio: 0.5", "keepRatio: 5"));
    const { status, stderr } = s2ap("recipe", "check", "bad.yaml");
    expect(status).toBe(2);
    expect(stderr).toMatch(/^bad\.yaml:4:28: expected threat\.eps in \[0, 1\] \(pixels are scaled/m);
    expect(stderr).toMatch(/^bad\.yaml:7:\d+: expected stages\.search\.method\.keepRatio in \(0, 1\], got 5$/m);
    expect(stderr).toMatch(/^2 problems$/m);
    expect(s2ap("recipe", "check", "none.yaml")).toMatchObject({
      status: 2,
      stderr: expect.stringContaining("none.yaml"),
    });
  });

  test("show prints a recipe that can be run", () => {
    const { status, stdout } = s2ap("recipe", "show", "small.yaml");
    expect(status).toBe(0);
    writeFileSync(join(folder, "shown.yaml"), stdout);
    expect(s2ap("recipe", "show", "shown.yaml").stdout).toBe(stdout);
    expect(JSON.parse(s2ap("recipe", "schema").stdout)).toMatchObject({ title: "s2ap recipe" });
  });
});

describe("--plugin", () => {
  const PLUGIN = `export default ({ registries, z }) => {
    registries.attacks.register("nothing", {
      summary: "changes no pixel",
      options: z.strictObject({ strength: z.number().default(1).describe("of nothing") }),
      create: (_options, { threat }) => ({ name: "nothing", threat, perturb: (_victim, x) => x }),
    });
  };`;

  test("adds names that recipes and commands know", () => {
    writeFileSync(join(folder, "plugin.mjs"), PLUGIN);
    const listed = s2ap("list", "attacks", "--plugin", "plugin.mjs", "--json");
    expect(JSON.parse(listed.stdout)).toContainEqual({
      kind: "attacks",
      name: "nothing",
      summary: "changes no pixel",
      options: [{ name: "strength", description: "of nothing" }],
    });
    const set = ["--set", "evaluation=[{name: nothing, strength: 2}]"];
    expect(s2ap("recipe", "check", "small.yaml", ...set, "--plugin", "plugin.mjs").status).toBe(0);
    expect(s2ap("recipe", "check", "small.yaml", ...set).status).toBe(2);
    const run = s2ap("run", "small.yaml", "--out", "plugged", ...set, "--plugin", "plugin.mjs");
    expect(run).toMatchObject({ status: 0, stderr: expect.stringContaining("nothing: clean") });
  });

  test.each([
    ["throws", "throw new Error('broken inside')", "broken inside"],
    ["has no default export", "export const x = 1", "a default export that is a function"],
    ["takes a name that is taken", PLUGIN.replace('"nothing"', '"pgd"'), 'expected a new attack name, got "pgd"'],
  ])("one that %s is an error", (_name, text, message) => {
    writeFileSync(join(folder, "bad.mjs"), text);
    expect(s2ap("list", "--plugin", "bad.mjs")).toMatchObject({ status: 2, stderr: expect.stringContaining(message) });
  });
});

describe("s2ap stability", () => {
  test("tells a run's epochs as it logged them, and compares it with a copy", () => {
    wholeRun();
    const one = s2ap("stability", "whole", "--json");
    expect([one.status, one.stderr]).toEqual([0, ""]);
    const logged = readEvents(join(folder, "whole")).flatMap((event) =>
      event.type === "epoch" && event.maskDistance ? [event.maskDistance.perKept] : [],
    );
    const told = JSON.parse(one.stdout) as { runs: { series: { perKept: number }[] }[] };
    expect(told.runs[0]?.series.map(({ perKept }) => perKept)).toEqual(logged);
    expect(logged.length).toBe(2);
    cpSync(join(folder, "whole"), join(folder, "copy"), { recursive: true });
    const { status, stdout } = s2ap("stability", "whole", "copy", "--images", "10");
    expect(status).toBe(0);
    expect(stdout).toMatch(/\nwhole, copy {2}50\.. % {2}50\.. % {6}0\.0000 {2}0\.0000 {5}0\.\d{4} {3}1\.0000\n/);
    expect(stdout).toMatch(/\nwhole, copy {2}1\.000 \(0\.722 to 1\.000\)/);
  });
});

describe("s2ap doctor", () => {
  test("finds libtorch and measures it", () => {
    const { status, stdout } = s2ap("doctor", "--json");
    expect(status).toBe(0);
    const findings = JSON.parse(stdout) as { what: string; state: string; found: string }[];
    expect(findings.find(({ what }) => what === "libtorch")).toMatchObject({ state: "ok" });
    expect(findings.find(({ what }) => what === "threads")?.found).toBe("1, OMP_WAIT_POLICY=PASSIVE");
    expect(findings.find(({ what }) => what === "convolutions")?.found).toMatch(/^\d+ Gflop\/s in float32/);
  });
});

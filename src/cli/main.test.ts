import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { describe, expect, test, vi } from "vitest";
import { fakeTerminal } from "../../test/support/fake-terminal.js";
import { RecipeError } from "../recipe/index.js";
import { DataError, TorchError, UsageError } from "../util/index.js";
import { findingsText, machineFindings, torchFindings } from "./commands/doctor.js";
import { failureOf, JobError } from "./failure.js";
import { main } from "./main.js";
import type { Work } from "./work.js";

/** Runs a command line against a worker that answers as told. */
async function run(argv: readonly string[], answer: Work = async () => ({})) {
  const terminal = fakeTerminal({ columns: 80 });
  const work = vi.fn(answer);
  const code = await main(argv, { terminal, work });
  return { code, out: terminal.outLines.join("\n"), err: terminal.errLines.join("\n"), calls: work.mock.calls };
}

const failing =
  (error: unknown): Work =>
  async () => {
    throw new JobError(failureOf(error));
  };

const commands = [
  "",
  "run",
  "grid",
  "compare",
  "estimate",
  "recipe",
  "recipe check",
  "recipe show",
  "recipe schema",
  "eval",
  "data",
  "data list",
  "data get",
  "data check",
  "data show",
  "inspect",
  "import",
  "export",
  "sharpness",
  "landscape",
  "report",
  "stability",
  "runs",
  "runs list",
  "runs find",
  "runs tag",
  "runs rm",
  "runs export",
  "dashboard",
  "list",
  "doctor",
];

describe("help", () => {
  test.each(commands)("s2ap %s --help", async (command) => {
    const { code, out, err } = await run([...command.split(" ").filter((word) => word !== ""), "--help"]);
    expect([code, err]).toEqual([0, ""]);
    expect(out).toContain("Examples:\n  s2ap ");
    if (!["", "recipe", "data", "runs"].includes(command)) expect(out).toContain("--json");
    const name = command === "" ? "s2ap" : command.replace(" ", "-");
    await expect(`${out}\n`).toMatchFileSnapshot(resolve(`test/golden/help/${name}.txt`));
  });

  test("a bare s2ap shows it too", async () => {
    const { code, out } = await run([]);
    expect(code).toBe(0);
    expect(out).toContain("Commands:");
  });

  test("--version is the package's", async () => {
    expect((await run(["--version"])).out).toMatch(/^\d+\.\d+\.\d+$/);
  });
});

describe("bad usage is 2 and says what is wrong", () => {
  test.each([
    [["lst"], "unknown command 'lst'\n(Did you mean list?)"],
    [["run"], "missing required argument 'recipe'"],
    [["run", "a.yaml", "--onyl", "search"], "unknown option '--onyl'\n(Did you mean --only?)"],
    [["run", "a.yaml", "--only", "prune"], "Allowed choices are pretrain, search, finetune."],
    [["run", "a.yaml", "--threads", "0"], "Expected a whole number >= 1."],
    [["eval", "m", "--seed", "x"], "Expected a whole number >= 0."],
    [["run", "a.yaml", "--max-time", "soon"], '--max-time: expected a duration such as 90s, 30m or 1h30m, got "soon"'],
    [["data", "gett", "cifar10"], 'data: expected a known command (list, get, check, show; nearest: get), got "gett"'],
    [["data", "get"], "missing required argument 'name'"],
    [["data", "show", "cifar10", "--examples", "33"], "Expected at most 32."],
    [["eval", "m", "--norm", "l3"], "Allowed choices are linf, l2, l1."],
    [["import", "m.pt", "--keep-ratio", "1.5"], "Expected a share in (0, 1]."],
    [["export", "m"], "required option '--out <file>' not specified"],
    [["export", "m", "--out", "o", "--format", "onnx"], "Allowed choices are pt, safetensors."],
  ])("%j", async (argv, message) => {
    const { code, err, calls } = await run(argv);
    expect(code).toBe(2);
    expect(err).toContain(message);
    expect(calls).toEqual([]);
  });

  test("with --json it is an object on standard output as well", async () => {
    const { code, out } = await run(["eval", "m", "--norm", "l3", "--json"]);
    const message = expect.stringMatching(/^option '--norm.*Allowed choices are linf, l2, l1\./);
    expect([code, JSON.parse(out)]).toEqual([2, { error: { code: "usage/command-line", message } }]);
    expect((await run(["eval", "--help", "--json"])).out).toContain("Usage:");
  });
});

describe("failures of the worker", () => {
  const places = [
    { place: { file: "a.yaml", line: 3, column: 7 }, text: "expected seed >= 0, got -1" },
    { place: { option: "--set x=1" }, text: 'expected a known option (seed), got "x"' },
  ];
  test.each([
    [
      "recipe",
      new RecipeError(places),
      2,
      'a.yaml:3:7: expected seed >= 0, got -1\n--set x=1: expected a known option (seed), got "x"\n2 problems',
    ],
    ["usage", new UsageError("list: no"), 2, "s2ap: list: no"],
    ["data", new DataError("x.png: truncated"), 3, "s2ap: x.png: truncated"],
    ["torch", new TorchError("mm", "sizes"), 1, "s2ap: mm: sizes"],
  ])("%s", async (_name, error, code, text) => {
    const shown = await run(["recipe", "check", "a.yaml"], failing(error));
    expect([shown.code, shown.err, shown.out]).toEqual([code, text, ""]);
    const json = await run(["recipe", "check", "a.yaml", "--json"], failing(error));
    expect(json.code).toBe(code);
    expect(JSON.parse(json.out)).toMatchObject({ error: { code: error.code, message: error.message } });
  });

  test("an error that nobody foresaw is 1 and shows its stack", async () => {
    const { code, err } = await run(["list"], failing(new RangeError("odd")));
    expect(code).toBe(1);
    expect(err).toMatch(/^s2ap: unexpected error, please report it[\s\S]*RangeError: odd\n {4}at /);
  });
});

describe("commands", () => {
  test("recipe show prints the recipe, and --json the same as data", async () => {
    const answer: Work = async () => ({ recipe: { name: "a" }, text: "name: a\n", profiles: [] });
    const text = await run(
      ["recipe", "show", "a.yaml", "--set", "seed=1", "--set", "loss.beta=2", "--plugin", "p.js"],
      answer,
    );
    expect(text.out).toBe("name: a");
    expect(text.calls[0]?.slice(0, 2)).toEqual([
      "recipe",
      { what: "show", path: "a.yaml", set: ["seed=1", "loss.beta=2"], profile: undefined },
    ]);
    expect(text.calls[0]?.[2]).toEqual({ plugins: [resolve("p.js")] });
    expect(JSON.parse((await run(["recipe", "show", "a.yaml", "--json"], answer)).out)).toEqual({ name: "a" });
  });

  test("list shows kinds once, with options where asked", async () => {
    const listed = [
      { kind: "attacks", name: "fgsm", summary: "one step", options: [] },
      { kind: "attacks", name: "pgd", summary: "many", options: [{ name: "steps", description: "default 10" }] },
    ];
    expect((await run(["list"], async () => listed)).out).toBe("attacks  fgsm  one step\n         pgd   many");
    expect((await run(["list", "attacks", "--options"], async () => listed)).out).toContain("  steps  default 10");
    expect(JSON.parse((await run(["list", "--json"], async () => listed)).out)).toEqual(listed);
  });

  test("run passes everything on, and --tiny is the profile tiny", async () => {
    const answer: Work = async () => ({ status: "stopped", out: "runs/a" });
    const { code, calls, err } = await run(
      ["run", "a.yaml", "--tiny", "--only", "search", "--from", "x", "--threads", "3"],
      answer,
    );
    expect(code).toBe(0);
    expect(calls[0]?.[1]).toEqual({ path: "a.yaml", set: [], only: "search", from: "x", profile: "tiny" });
    expect(calls[0]?.[2]).toMatchObject({ threads: 3, plugins: [] });
    expect(err).toContain("runs/a holds the state: run the same command again to go on");
    expect(JSON.parse((await run(["run", "a.yaml", "--json"], answer)).out)).toEqual({
      status: "stopped",
      out: "runs/a",
      rows: [],
    });
  });

  test("run stops with the state saved on a signal, and then exits with its code", async () => {
    const answer: Work = async (_job, _options, how) => {
      process.emit("SIGTERM");
      return { status: Atomics.load(how?.flag as Int32Array, 0) === 1 ? "stopped" : "done", out: "runs/a" };
    };
    const before = process.listenerCount("SIGTERM");
    const { code, err } = await run(["run", "a.yaml"], answer);
    expect(code).toBe(143);
    expect(err).toContain("stopping with the state saved; once more to leave at once");
    expect(process.listenerCount("SIGTERM")).toBe(before);
  });

  test("eval prints a table that names where the numbers come from", async () => {
    const answer: Work = async () => ({
      kind: "evaluation",
      status: "done",
      model: "model.safetensors",
      weights: "0123456789abcdef",
      data: { name: "cifar10" },
      seed: 7,
      results: [
        {
          attack: "clean",
          norm: null,
          eps: "",
          examples: 1000,
          robustAccuracy: 0.52,
          interval: [0.489, 0.551],
          seconds: 1,
        },
        {
          attack: "pgd",
          norm: "linf",
          eps: "8/255",
          examples: 1000,
          robustAccuracy: 0.305,
          interval: [0.277, 0.334],
          seconds: 83,
        },
      ],
    });
    const { out, calls } = await run(
      ["eval", "runs/a", "--attack", "pgd", "--attack", "fgsm", "--examples", "1000", "--threads", "1"],
      answer,
    );
    expect(out.split("\n")).toEqual([
      "attack  threat      images  accuracy     95 % interval  time",
      "clean                1,000    52.0 %  48.9 % to 55.1 %  0:01",
      "pgd     linf 8/255   1,000    30.5 %  27.7 % to 33.4 %  1:23",
      "model.safetensors (sha256 0123456789ab), cifar10, seed 7",
    ]);
    expect(calls[0]?.[1]).toEqual({ model: "runs/a", attacks: ["pgd", "fgsm"], examples: 1000 });
  });

  test("report refuses formats that it does not have, and names those that it has", async () => {
    const { code, err } = await run(["report", "runs/a", "--format", "html,pdf"]);
    expect([code, err]).toEqual([2, expect.stringContaining("Expected some of html, md, csv, json, latex, figures.")]);
  });

  test("report of a folder that is no run is 3", async () => {
    const folder = mkdtempSync(join(tmpdir(), "s2ap-report-"));
    try {
      const { code, err } = await run(["report", join(folder, "nothing")]);
      expect([code === 2 || code === 3, err]).toEqual([true, expect.stringContaining("nothing")]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe("doctor", () => {
  const facts = {
    version: "1.13.0",
    blas: { path: "/usr/lib/libblas.so.3", isReference: true },
    threads: 2,
    bfloat16: false,
    gigaflops: { float32: 81.6 },
    cache: { folder: "/c", cifar10: false },
  };

  test("warns of the slow BLAS and names the cure", () => {
    const text = findingsText(torchFindings(facts, "/usr/lib"));
    expect(text).toContain("warning  BLAS          /usr/lib/libblas.so.3");
    expect(text).toContain("apt-get install libopenblas0-openmp");
    expect(text).toContain("82 Gflop/s in float32");
    const good = torchFindings({ ...facts, blas: { path: "/openblas", isReference: false } }, "/usr/lib");
    expect(good.every(({ state }) => state === "ok")).toBe(true);
  });

  test("where libtorch cannot be loaded it says so, goes on, and exits with 1", async () => {
    const { code, out } = await run(["doctor"], failing(new DataError("no addon")));
    expect(code).toBe(1);
    expect(out).toMatch(/^failed {2,}libtorch {2,}no addon\n {2,}-> run scripts\/bootstrap$/m);
    expect(out).toContain("Node");
    expect(machineFindings().slice(0, 2)).toMatchObject([
      { what: "s2ap", found: expect.stringMatching(/^\d+\.\d+\.\d+$/) },
      { what: "Node", state: "ok" },
    ]);
  });

  test("names the tools that are missing to build with", () => {
    const found = () => machineFindings().find(({ what }) => what === "build tools");
    const { PATH } = process.env;
    try {
      process.env.PATH = "/nowhere";
      expect(found()).toMatchObject({ state: "warning", found: "no cmake, ninja, c++", cure: "run scripts/bootstrap" });
    } finally {
      process.env.PATH = PATH;
    }
    expect(found()).toMatchObject({ state: "ok" });
  });
});

describe("stability", () => {
  const result = { status: "stopped", runs: [], on: null, pairs: [] };

  test("hands on what was asked for, and writes the document", async () => {
    const folder = mkdtempSync(join(tmpdir(), "s2ap-stability-"));
    const out = join(folder, "new", "found.json");
    const argv = ["stability", "a", "b", "--images", "0", "--layer", "x", "--layer", "y", "--out", out, "--json"];
    const found = await run(argv, async () => ({ ...result, status: "done" }));
    expect(found.calls[0]?.slice(0, 2)).toEqual([
      "stability",
      { runs: ["a", "b"], images: 0, layers: ["x", "y"], records: [], seed: 0 },
    ]);
    expect(found.code).toBe(0);
    expect(JSON.parse(found.out)).toEqual(JSON.parse(readFileSync(out, "utf8")));
    rmSync(folder, { recursive: true });
  });

  test("says that it was stopped", async () => {
    const { err } = await run(["stability", "a", "b"], async () => result);
    expect(err).toContain("stopped before all networks were compared; nothing is kept of that");
  });

  test("refuses images that are no number", async () => {
    const { code, err } = await run(["stability", "a", "--images", "many"]);
    expect(code).toBe(2);
    expect(err).toContain("Expected a whole number >= 0.");
  });
});

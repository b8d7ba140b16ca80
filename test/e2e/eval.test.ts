// The command line of an evaluation as a process of its own: files in, one object out, and faults that end in words.
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { loadTensors, saveTensors } from "../../src/nn/index.js";
import { hasBfloat16, ops, type Tensor, tensor } from "../../src/torch/index.js";
import { buildDist } from "../support/child.js";
import { writeImages } from "../support/eval-process.js";

const bin = fileURLToPath(new URL("../../bin/s2ap.js", import.meta.url));
const data = fileURLToPath(new URL("../golden/data/network", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "s2ap-eval-"));
afterAll(() => rmSync(folder, { recursive: true }));
beforeAll(buildDist);

/** `s2ap eval ... --json` from another folder. */
function run(...argv: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [bin, "eval", ...argv, "--json"], {
    cwd: folder,
    encoding: "utf8",
    timeout: 110_000,
  });
  return { status, stderr, answer: JSON.parse(stdout) };
}

const arch = ["--arch", join(data, "arch.json")];
const weights = ["--weights", join(data, "weights.safetensors")];
const images = ["--images", join(data, "inputs.safetensors")];
const attacked = ["--preset", "aa-standard", "--norm", "linf", "--eps", "0.15", "--seed", "0", "--steps", "3"];
const all = [...arch, ...weights, ...images, ...attacked];

/** The committed file with some tensors changed. */
function changed(name: string, change: (tensors: Map<string, Tensor>) => void): string {
  const { tensors } = loadTensors(join(data, `${name}.safetensors`));
  change(tensors);
  const path = join(folder, `changed-${name}.safetensors`);
  saveTensors(path, tensors);
  return path;
}

const get = (tensors: Map<string, Tensor>, name: string) => tensors.get(name) as Tensor;

test("a described network is evaluated from files alone", () => {
  const { status, answer, stderr } = run(...all);
  expect([status, stderr]).toEqual([0, ""]);
  const { after, cleanAccuracy, robustAccuracy, examples, seconds } = answer;
  expect(Object.keys(after)).toEqual(["clean", "apgd-ce", "apgd-t", "fab-t", "square"]);
  expect([after.clean, after.square, examples]).toEqual([cleanAccuracy, robustAccuracy, 8]);
  expect(cleanAccuracy).toBe(0.625);
  expect(robustAccuracy).toBeLessThanOrEqual(cleanAccuracy);
  expect(seconds).toBeGreaterThan(0);
  // Changed steps are another list than the one that has the name.
  expect(answer).toMatchObject({ status: "done", preset: "custom", eps: "0.15", seed: 0 });
});

test("one attack has the same number with and without a record, on the images that it names", () => {
  const path = join(folder, "sixty.safetensors");
  writeImages(path, 60);
  const attack = ["--attack", "{name: pgd, steps: 2, examples: 50}", "--eps", "0.04"];
  const { status, answer } = run(...arch, ...weights, "--images", path, ...attack);
  expect(status).toBe(0);
  const { after, results, robustAccuracy } = answer;
  expect([after, results]).toMatchObject([{ pgd: robustAccuracy }, [{ attack: "pgd-2", examples: 50 }]]);
  const recorded = run(...arch, ...weights, "--images", path, ...attack, "--out", "one").answer;
  expect(recorded).toMatchObject({ after, results: [{ attack: "pgd-2", robustAccuracy }] });
});

test("bfloat16 that this CPU would emulate is warned of on standard error", () => {
  const argv = [...arch, ...weights, ...images, "--attack", "fgsm", "--eps", "0.15", "--precision", "bfloat16"];
  const { status, stderr } = spawnSync(process.execPath, [bin, "eval", ...argv], { cwd: folder, encoding: "utf8" });
  expect([status, stderr.includes("this CPU has no bfloat16: it is emulated")]).toEqual([0, !hasBfloat16()]);
});

test("a claimed sparsity is compared with the measured one, and the table has a row after each attack", () => {
  const claimed = (...more: readonly string[]) =>
    run(...arch, ...weights, ...images, ...more, "--eps", "0.15", "--sparsity", "0.9").answer.checks;
  const found = { code: "mask-not-applied", severity: "warning", values: { claimed: 0.9, measured: 0 } };
  expect(claimed("--attack", "fgsm")).toMatchObject([found]);
  expect(claimed("--preset", "quick", "--steps", "2")).toContainEqual(expect.objectContaining(found));
  const { stdout, stderr } = spawnSync(process.execPath, [bin, "eval", ...all, "--sparsity", "0.9"], {
    cwd: folder,
    encoding: "utf8",
  });
  const words = "The claim is 90.0 % zero weights, measured are 0.0 %: is the mask applied?";
  expect(stdout).toContain(`warning: ${words}`);
  expect(stderr).toContain(words);
  for (const attack of ["clean", "apgd-ce", "apgd-t", "fab-t", "square"]) {
    expect(stdout).toMatch(new RegExp(`^${attack} .* [\\d.]+ % +[\\d.]+ % to [\\d.]+ %`, "m"));
  }
});

describe("a record", () => {
  const record = join(folder, "record");
  const other = join(folder, "other");
  beforeAll(() => {
    expect(run(...all, "--out", record).status).toBe(0);
  });

  test("is taken as it is by the same command, and has a card", () => {
    const before = readFileSync(join(record, "result.json"), "utf8");
    const { status, answer } = run(...all, "--out", record);
    expect([status, answer.record]).toEqual([0, record]);
    expect(readFileSync(join(record, "result.json"), "utf8")).toBe(before);
    const card = JSON.parse(readFileSync(join(record, "card.json"), "utf8"));
    expect(card).toMatchObject({ format: 1, examples: 8, after: answer.after, data: { indices: [[0, 7]] } });
    expect(card.model.weights).toBe(answer.weights);
    expect(card.data.classNames[9]).toBe("class 9");
    // What it keeps of the images can be attacked by itself.
    const clean = ["--images", join(record, "clean.safetensors")];
    expect(run(...arch, ...weights, ...clean, "--attack", "clean").answer).toMatchObject({
      examples: 8,
      cleanAccuracy: 0.625,
    });
    expect(readFileSync(join(record, "card.md"), "utf8")).toContain("| apgd-ce |");
  });

  test("holds when it is asked again, and not of another network", () => {
    const verify = (...which: readonly string[]) => run(...arch, ...which, ...images, "--verify", record);
    expect(verify(...weights)).toMatchObject({
      status: 0,
      answer: { kind: "verified", holds: true, sameWeights: true },
    });
    const path = changed("weights", (tensors) => tensors.set("fc2.bias", ops.add(get(tensors, "fc2.bias"), 1)));
    expect(verify("--weights", path)).toMatchObject({ status: 3, answer: { sameWeights: false } });
  });

  test("is not gone on with by another network", () => {
    const path = changed("weights", (tensors) => tensors.set("fc2.bias", ops.add(get(tensors, "fc2.bias"), 1)));
    const { status, answer } = run(...arch, "--weights", path, ...images, ...attacked, "--out", record);
    expect([status, answer.error.code]).toEqual([2, "usage/record-changed"]);
  });

  test("is compared with another, image by image", () => {
    expect(run(...arch, ...weights, ...images, "--attack", "fgsm", "--eps", "0.15", "--out", other).status).toBe(0);
    const { status, answer } = run("--compare", record, other);
    expect([status, answer.kind, answer.examples]).toEqual([0, "comparison", 8]);
    const { both, onlyA, onlyB, neither } = answer.robust;
    expect([both + onlyA + onlyB + neither, onlyA]).toEqual([8, 0]);
    expect(answer.differences).toContainEqual(expect.stringMatching(/^attacks: custom \(apgd-ce/));
    expect(run("--compare", record).status).toBe(2);
    expect(run("--compare", record, folder).status).toBe(3);
  });

  test("is compared with one of the same images in another file, and with none of others", () => {
    const attack = ["--attack", "fgsm", "--eps", "0.15"];
    const kept = ["--images", join(record, "clean.safetensors")];
    expect(run(...arch, ...weights, ...kept, ...attack, "--out", "same").status).toBe(0);
    expect(run("--compare", record, "same")).toMatchObject({ status: 0, answer: { examples: 8 } });
    const path = changed("inputs", (tensors) => tensors.set("images", ops.flip(get(tensors, "images"), [3])));
    expect(run(...arch, ...weights, "--images", path, ...attack, "--out", "mirrored").status).toBe(0);
    const { status, answer } = run("--compare", record, "mirrored");
    expect([status, answer.error.code]).toEqual([3, "data/records-differ"]);
    expect(answer.error.message).toMatch(/which image 0 differs in; evaluate both on one --data or one --images/);
  });

  test("that was cut off is an error, not a number", () => {
    const cut = join(folder, "cut");
    cpSync(record, cut, { recursive: true });
    truncateSync(join(cut, "result.json"), 100);
    expect(run("--compare", cut, record)).toMatchObject({ status: 3, answer: { error: { code: "data/record" } } });
    truncateSync(join(cut, "adversarial.safetensors"), 200);
    expect(run(...arch, ...weights, ...images, "--verify", cut).status).toBe(3);
  });

  test("made by two processes is the same", () => {
    const two = run(...all, "--shards", "2").answer;
    const one = JSON.parse(readFileSync(join(record, "result.json"), "utf8"));
    expect(two.after).toEqual(one.after);
    expect(two).not.toHaveProperty("record");
  });
});

test.skipIf(spawnSync("script", ["--version"]).status !== 0)("two processes show one live bound", () => {
  const many = join(folder, "many.safetensors");
  writeImages(many, 300);
  const asked = ["--preset", "apgd", "--eps", "0.1", "--steps", "20", "--shards", "2"];
  const argv = ["eval", ...arch, ...weights, "--images", many, ...asked];
  const command = `stty cols 120; ${process.execPath} ${bin} ${argv.join(" ")}`;
  const { stdout } = spawnSync("script", ["-qec", command, "/dev/null"], {
    cwd: folder,
    encoding: "utf8",
    env: { ...process.env, TERM: "xterm" },
    timeout: 110_000,
  });
  const live = [
    ...stdout.matchAll(
      /\r[a-z-]+[ \w]* {2}\[[= ]{16}\] robust at most ([\d.]+) %(?:, [\d:]+ left)? \([\d.]+ % to [\d.]+ %\)/g,
    ),
  ];
  const bounds = live.map(([, percent]) => Number(percent));
  expect(bounds.length).toBeGreaterThan(1);
  // It never rises, and what is shown at last is no less than the result.
  expect(bounds).toEqual([...bounds].sort((a, b) => b - a));
  const rows = [...stdout.matchAll(/^(?:clean|apgd-\w+) .*?([\d.]+) % +[\d.]+ % to/gm)];
  expect(rows).toHaveLength(3);
  expect(bounds.at(-1)).toBeGreaterThanOrEqual(Number(rows.at(-1)?.[1]));
  expect(bounds.at(-1)).toBeLessThan(100);
});

describe("security curves", () => {
  const curve = ["--preset", "curve", "--norm", "linf", "--eps", "0.15", "--steps", "10"];
  const one = join(folder, "curve-a");
  const two = join(folder, "curve-b");

  test("of one network: distances, a step function and its picture", () => {
    const { status, answer } = run(...arch, ...weights, ...images, ...curve, "--out", one);
    expect([status, answer.preset, answer.examples, answer.cleanAccuracy]).toEqual([0, "curve", 8, 0.625]);
    const { distances, curve: found, interval } = answer.minimumNorm;
    expect(distances.filter((distance: number) => distance === 0)).toHaveLength(3);
    const far = distances.filter((distance: number | null) => distance === null || distance > 0.15).length / 8;
    expect([answer.robustAccuracy, answer.after.fmn, answer.interval]).toEqual([far, far, interval]);
    expect(found.points[0]).toMatchObject({ radius: 0, robustAccuracy: 0.625 });
    const svg = readFileSync(join(one, "curve.svg"), "utf8");
    const { name } = JSON.parse(readFileSync(join(data, "arch.json"), "utf8"));
    for (const text of ["eps 0.15", `${name}, fmn`]) expect(svg).toContain(text);
    expect(readFileSync(join(one, "curve.png")).subarray(1, 4).toString()).toBe("PNG");
    // The same command takes what is there, and another seed or number of steps is another measurement.
    expect(run(...arch, ...weights, ...images, ...curve, "--out", one).answer.minimumNorm).toEqual(answer.minimumNorm);
    const other = run(...arch, ...weights, ...images, ...curve, "--seed", "1", "--out", one);
    expect([other.status, other.answer.error.code]).toEqual([2, "usage/record-changed"]);
  });

  test("of several networks in one picture", () => {
    const path = changed("weights", (tensors) => tensors.set("fc2.bias", ops.add(get(tensors, "fc2.bias"), 0.1)));
    expect(run(...arch, "--weights", path, ...images, ...curve, "--out", two).status).toBe(0);
    const { status, answer } = run("--curves", one, two, "--out", "picture");
    expect([status, answer.kind, answer.norm]).toEqual([0, "curves", "linf"]);
    expect(answer.curves.map(({ name }: { name: string }) => name)).toEqual(["curve-a", "curve-b"]);
    const svg = readFileSync(join(folder, "picture/curve.svg"), "utf8");
    for (const text of ["curve-a, fmn (n = 8)", "curve-b, fmn (n = 8)", "eps 0.15"]) expect(svg).toContain(text);
    expect(run("--curves", one, folder, "--out", "picture").answer.error.message).toMatch(/with distances/);
    expect(run("--curves", one, two).answer.error.message).toMatch(/--out/);
  });

  test("are of no list of attacks", () => {
    const { status, answer } = run(...arch, ...weights, ...images, ...curve, "--until", "robust < 0.4");
    expect([status, answer.error.message]).toEqual([2, expect.stringMatching(/without --until/)]);
  });
});

test("a single run writes what it did", () => {
  const start = `${join(data, "det_init.safetensors")}:noise_q`;
  const one = ["--attack", "apgd", "--loss", "dlr", "--steps", "5", "--eps", "0.15", "--dtype", "float64"];
  const { status, answer } = run(...arch, ...weights, ...images, ...one, "--start", start, "--out", "trace");
  expect([status, answer.kind, answer.steps, answer.examples]).toEqual([0, "trace", 5, 4]);
  const { tensors } = loadTensors(join(folder, "trace/trace.safetensors"));
  const shapes = ["loss", "step_size", "correct", "x", "x_best", "broken"].map((name) => get(tensors, name).shape);
  expect(shapes).toEqual([[6, 4], [5, 4], [6, 4], [4, 1, 28, 28], [4, 1, 28, 28], [4]]);
  expect([get(tensors, "x").dtype, get(tensors, "loss").dtype]).toEqual(["float64", "float64"]);
  expect(get(tensors, "step_size").toNumbers()[0]).toBe(0.3);
});

describe("faults are errors in words", () => {
  const pixels = (tensors: Map<string, Tensor>) => get(tensors, "images");
  test.each<[string, string, (tensors: Map<string, Tensor>) => void, RegExp]>([
    ["floats in 0..255", "inputs", (t) => t.set("images", ops.to(pixels(t), "float32")), /divided by 255/],
    ["float labels", "inputs", (t) => t.set("labels", ops.to(get(t, "labels"), "float32")), /whole numbers.*float32/],
    ["labels out of range", "inputs", (t) => t.set("labels", ops.add(get(t, "labels"), 9)), /classes from 0 to 9/],
    [
      "NaN weights",
      "weights",
      (t) => t.set("fc2.bias", tensor(new Float32Array(10).fill(Number.NaN))),
      /NaN.*fc2.bias/,
    ],
    ["missing weights", "weights", (t) => t.delete("fc2.bias"), /missing \[fc2.bias\]/],
    [
      "weights of another shape",
      "weights",
      (t) => t.set("fc2.weight", ops.transpose(get(t, "fc2.weight"), 0, 1)),
      /fc2.weight with shape \[10,\d+\], got \[\d+,10\]/,
    ],
  ])("%s", (_, name, change, message) => {
    const path = changed(name, change);
    const files = name === "inputs" ? [...weights, "--images", path] : ["--weights", path, ...images];
    const { status, answer } = run(...arch, ...files, ...attacked);
    expect(status).toBe(3);
    expect(answer.error.message).toMatch(message);
  });

  test("another number of classes than the network has", () => {
    const path = join(folder, "arch.json");
    const described = JSON.parse(readFileSync(join(data, "arch.json"), "utf8"));
    writeFileSync(path, JSON.stringify({ ...described, classes: 11 }));
    const { status, answer } = run("--arch", path, ...weights, ...images, ...attacked);
    expect([status, answer.error.message]).toEqual([3, expect.stringMatching(/classes 11 to be.* got 10/)]);
  });

  test.each<[string, readonly string[], RegExp]>([
    ["no network", [...images, ...attacked], /run folder, or --weights/],
    ["no radius", [...arch, ...weights, ...images, "--preset", "quick"], /--eps/],
    ["an unknown preset", [...arch, ...weights, ...images, "--preset", "aa-standart", "--eps", "1"], /aa-standard/],
    ["a single run of nothing", [...arch, ...weights, ...images, "--dtype", "float64", "--eps", "1"], /one --attack/],
  ])("%s", (_, argv, message) => {
    const { status, answer } = run(...argv);
    expect(status).toBe(2);
    expect(answer.error.message).toMatch(message);
  });
});

// The command line of an evaluation as a process of its own: files in, one object out, and faults that end in words.
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { loadTensors, saveTensors } from "../../src/nn/index.js";
import { ops, type Tensor, tensor } from "../../src/torch/index.js";
import { buildDist } from "../support/child.js";

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

test("one attack is measured by itself, with the same keys", () => {
  const { status, answer } = run(...arch, ...weights, ...images, "--attack", "fgsm", "--eps", "0.15");
  expect(status).toBe(0);
  expect(answer).toMatchObject({ examples: 8, cleanAccuracy: 0.625, results: [{ attack: "fgsm" }] });
  expect(answer.after).toEqual({ clean: 0.625, fgsm: answer.robustAccuracy });
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
    expect(run("--compare", record).status).toBe(2);
    expect(run("--compare", record, folder).status).toBe(3);
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
  ])("%s", (_, name, change, message) => {
    const path = changed(name, change);
    const files = name === "inputs" ? [...weights, "--images", path] : ["--weights", path, ...images];
    const { status, answer } = run(...arch, ...files, ...attacked);
    expect(status).toBe(3);
    expect(answer.error.message).toMatch(message);
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

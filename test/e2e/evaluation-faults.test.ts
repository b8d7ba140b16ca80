// Faults under an evaluation from the command line: it ends in words and a code, never in a wrong number, and what is on
// disk stays good: the same command with the fault gone ends with the bits of a run that met none.
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { loadTensors, saveTensors } from "../../src/nn/index.js";
import { ops, type Tensor, tensor } from "../../src/torch/index.js";
import { buildDist } from "../support/child.js";
import {
  arch,
  claimOf,
  committed,
  evalArgv,
  runEval,
  startProcess,
  weights,
  withoutCosts,
  writeImages,
} from "../support/eval-process.js";

const folder = mkdtempSync(join(tmpdir(), "s2ap-faults-"));
afterAll(() => rmSync(folder, { recursive: true }));

const inputs = join(folder, "inputs.safetensors");
const images = ["--images", inputs];
const attacked = ["--preset", "aa-standard", "--norm", "linf", "--eps", "0.15", "--steps", "3", "--threads", "1"];
const argv = [...arch, ...weights, ...images, ...attacked];
const reference = join(folder, "reference");
let whole: unknown;

beforeAll(async () => {
  buildDist();
  writeImages(inputs, 140);
  const { status, answer } = await runEval([...argv, "--out", reference]);
  expect(status).toBe(0);
  whole = withoutCosts(answer);
});

/** The same command without the fault. */
async function expectWhole(record: string): Promise<void> {
  const { status, answer, stderr } = await runEval([...argv, "--out", record]);
  expect(status, `${stderr}${JSON.stringify(answer)}`).toBe(0);
  expect(withoutCosts(answer)).toEqual(whole);
  expect(claimOf(record)).toEqual(claimOf(reference));
}

/** Runs a few lines of shell; `"$@"` is the evaluation. */
async function inShell(lines: string, more: readonly string[]) {
  const command = [process.execPath, ...evalArgv([...argv, ...more])];
  const { status, stdout, stderr } = await startProcess("/bin/sh", ["-c", lines, "sh", ...command]).ended;
  return { status, stderr, error: stdout === "" ? undefined : JSON.parse(stdout).error };
}

/** A limit on the length of every file, in blocks of 512 bytes, as far as this shell has one. */
const limited = (blocks: number) => `ulimit -f ${blocks}; exec "$@"`;
const bytesOf = (record: string) =>
  readdirSync(record, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => [join(parentPath, name).slice(record.length), readFileSync(join(parentPath, name))])
    .sort();

describe("a file that may not grow", () => {
  test.each([0.2, 0.7])("inside the work, at %d of the points", async (share) => {
    const record = join(folder, `limited-${share}`);
    const size = statSync(join(reference, "shard-0/points.bin")).size;
    const { status, error } = await inShell(limited(Math.floor((share * size) / 512)), ["--out", record]);
    expect(status).toBe(3);
    expect(error.message).toMatch(/shard-0\/(points\.bin|units\.jsonl): cannot write: .*ulimit -f/);
    expect(existsSync(join(record, "result.json"))).toBe(false);
    await expectWhole(record);
  });

  test("at the end: no part of the adversarial set is left", async () => {
    const record = join(folder, "limited-end");
    const [points, adversarial] = ["shard-0/points.bin", "adversarial.safetensors"].map(
      (name) => statSync(join(reference, name)).size,
    ) as [number, number];
    const blocks = Math.floor(adversarial / 512);
    expect(blocks * 512).toBeGreaterThanOrEqual(points);
    const { status, error } = await inShell(limited(blocks), ["--out", record]);
    expect([status, error.code]).toEqual([3, "data/file-limit"]);
    expect(error.message).toContain(join(record, "adversarial.safetensors"));
    expect(readdirSync(record).sort()).toEqual(["record.json", "shard-0"]);
    await expectWhole(record);
  });

  test("beside a finished record: every file stays as it is", async () => {
    const record = join(folder, "limited-again");
    cpSync(reference, record, { recursive: true });
    const before = bytesOf(record);
    const { status, error } = await inShell(limited(100), ["--out", record]);
    expect(status).toBe(3);
    expect(error.message).toContain("adversarial.safetensors: cannot write");
    expect(bytesOf(record)).toEqual(before);
  });

  test("in one of two processes: its words are the command's", async () => {
    const record = join(folder, "limited-shards");
    const { status, error } = await inShell(limited(64), ["--out", record, "--shards", "2"]);
    expect(status).toBe(3);
    expect(error.message).toMatch(/shard-\d\/points\.bin: cannot write/);
    await expectWhole(record);
  });
});

describe("a full disk", () => {
  const mounts = spawnSync("unshare", ["-rm", "mount", "-t", "tmpfs", "none", "/mnt"]).status === 0;
  test.runIf(mounts)("inside the work", async () => {
    const [disk, record] = [join(folder, "disk"), join(folder, "full")];
    const lines = `mkdir ${disk} && mount -t tmpfs -o size=100k none ${disk} || exit 9
      "$@"; code=$?; cp -r ${disk}/record ${record}; exit $code`;
    const command = [process.execPath, ...evalArgv([...argv, "--out", join(disk, "record")])];
    const { status, stdout } = await startProcess("unshare", ["-rm", "sh", "-c", lines, "sh", ...command]).ended;
    const { error } = JSON.parse(stdout);
    expect([status, error.code]).toEqual([3, "data/disk-full"]);
    expect(error.message).toMatch(/shard-0\/(points\.bin|units\.jsonl): cannot write: the disk is full/);
    await expectWhole(record);
  });

  test.runIf(existsSync("/dev/full"))("behind standard output", async () => {
    const { status, stderr } = await inShell('exec "$@" > /dev/full', ["--out", join(folder, "unsaid")]);
    expect(stderr).toBe(
      "s2ap: standard output: cannot write: the disk is full; free some space or choose another folder\n",
    );
    expect(status).toBe(3);
    await expectWhole(join(folder, "unsaid"));
  });
});

const get = (tensors: Map<string, Tensor>, name: string) => tensors.get(name) as Tensor;

/** A copy of a file of tensors with some changed. */
function changed(source: string, name: string, change: (tensors: Map<string, Tensor>) => void): string {
  const { tensors } = loadTensors(source);
  change(tensors);
  const path = join(folder, `${name}.safetensors`);
  saveTensors(path, tensors);
  return path;
}

function cutOff(source: string, name: string): string {
  const path = join(folder, name);
  cpSync(source, path);
  truncateSync(path, Math.floor(statSync(path).size / 2));
  return path;
}

describe("a half-finished record", () => {
  const half = join(folder, "half");
  const copy = (name: string) => {
    const record = join(folder, name);
    cpSync(half, record, { recursive: true });
    return record;
  };
  beforeAll(async () => {
    // The first of two blocks.
    expect((await runEval([...argv, "--out", half, "--shard", "1/2"])).status).toBe(0);
    expect(existsSync(join(half, "result.json"))).toBe(false);
  });

  test("goes on", async () => expectWhole(copy("half-on")));

  test.each<[string, readonly string[], RegExp]>([
    ["another network", [...arch, "--weights", "CHANGED", ...images, ...attacked], /model\.weights/],
    ["other images", [...arch, ...weights, "--images", "CHANGED", ...attacked], /data\.sha256/],
    ["another radius", [...argv, "--eps", "0.16"], /eps: the record has "0.15", now "0.16"/],
    ["another seed", [...argv, "--seed", "1"], /seed: the record has 0, now 1/],
  ])("is not gone on with by %s", async (what, given, message) => {
    const path = what.endsWith("network")
      ? changed(committed("weights.safetensors"), "other-weights", (t) =>
          t.set("fc2.bias", ops.add(get(t, "fc2.bias"), 0.01)),
        )
      : changed(inputs, "other-inputs", (t) => t.set("images", ops.flip(get(t, "images"), [0])));
    const before = bytesOf(half);
    const { status, answer } = await runEval([
      ...given.map((word) => (word === "CHANGED" ? path : word)),
      ...["--out", half],
    ]);
    expect([status, answer.error?.code]).toEqual([2, "usage/record-changed"]);
    expect(answer.error.message).toMatch(message);
    expect(bytesOf(half)).toEqual(before);
  });

  test.each(["shard-0/units.jsonl", "shard-0/points.bin"])("whose %s lost its end is made good", async (file) => {
    const record = copy(`torn-${file.replace(/\W/g, "-")}`);
    truncateSync(join(record, file), statSync(join(record, file)).size - 7);
    await expectWhole(record);
  });

  test("whose description lost its end is refused", async () => {
    const record = copy("torn-description");
    truncateSync(join(record, "record.json"), 300);
    const { status, answer } = await runEval([...argv, "--out", record]);
    expect([status, answer.error?.code]).toEqual([3, "data/record"]);
    expect(answer.error.message).toContain(join(record, "record.json"));
    expect(answer.error.message).toContain("remove this one to begin anew");
  });
});

test.each(["result.json", "images.json", "adversarial.safetensors", "clean.safetensors"])(
  "a finished record whose %s lost its end is made good by its command",
  async (file) => {
    const record = join(folder, `cut-${file}`);
    cpSync(reference, record, { recursive: true });
    truncateSync(join(record, file), 150);
    await expectWhole(record);
  },
);

describe("bad files", () => {
  test.each<[string, (t: Map<string, Tensor>) => void, RegExp]>([
    ["NaN pixels", (t) => t.set("images", ops.mul(ops.to(get(t, "images"), "float32"), Number.NaN)), /images.*NaN/i],
    ["bytes as integers", (t) => t.set("images", ops.to(get(t, "images"), "int64")), /images.*int64/],
    ["fewer labels", (t) => t.set("labels", ops.slice(get(t, "labels"), { end: 100 })), /labels/],
    ["labels of bool", (t) => t.set("labels", ops.to(get(t, "labels"), "bool")), /labels.*bool/],
    [
      "other channels",
      (t) => t.set("images", ops.cat([get(t, "images"), get(t, "images")], { dim: 1 })),
      /shape \[N,1,28,28\].*\[140,2,28,28\]/,
    ],
    ["no labels", (t) => t.delete("labels"), /labels/],
  ])("%s", async (name, change, message) => {
    const path = changed(inputs, name.replaceAll(" ", "-"), change);
    const { status, answer } = await runEval([...arch, ...weights, "--images", path, ...attacked]);
    expect(answer.error?.message).toMatch(message);
    expect(status).toBe(3);
  });

  test("bytes divided by 255 in a file of floats give the same numbers", async () => {
    const path = changed(inputs, "floats", (t) => t.set("images", ops.div(ops.to(get(t, "images"), "float32"), 255)));
    const { answer } = await runEval([...arch, ...weights, "--images", path, ...attacked]);
    const { after, robustAccuracy } = whole as { after: unknown; robustAccuracy: number };
    expect([answer.after, answer.robustAccuracy]).toEqual([after, robustAccuracy]);
  });

  test.each([
    ["infinite weights", Number.POSITIVE_INFINITY],
    ["NaN weights", Number.NaN],
  ])("%s in one place", async (name, value) => {
    const path = changed(committed("weights.safetensors"), name.replaceAll(" ", "-"), (t) => {
      const values = Float32Array.from(get(t, "conv2.weight").toNumbers());
      values[7] = value;
      t.set("conv2.weight", tensor(values, get(t, "conv2.weight").shape));
    });
    const { status, answer } = await runEval([...arch, "--weights", path, ...images, ...attacked]);
    expect(status).toBe(3);
    expect(answer.error.message).toMatch(/conv2\.weight/);
  });

  test.each(["weights.safetensors", "inputs.safetensors", "arch.json"])("%s cut off", async (name) => {
    const path = cutOff(committed(name), `half-${name}`);
    const flag = { weights: "--weights", inputs: "--images", arch: "--arch" }[name.split(".")[0] as "arch"];
    const { status, answer } = await runEval([...argv, flag, path]);
    expect(answer.error?.message).toContain(path);
    expect(status).toBe(3);
  });
});

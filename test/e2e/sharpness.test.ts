// `s2ap sharpness` and `s2ap landscape` on a run of their own: what they leave, going on after a stop, and what they refuse.
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { LandscapeRecord, SharpnessRecord } from "../../src/evaluation/index.js";

const bin = resolve("bin/s2ap.js");
const env = { ...process.env, OMP_NUM_THREADS: "1", NO_COLOR: "1" };
const folder = mkdtempSync(join(tmpdir(), "s2ap-sharpness-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const SMALL = `
data: { name: synthetic, batchSize: 16, examples: 32, selection: 16, testExamples: 16, numClasses: 2, size: 8 }
model: { arch: resnet18, numClasses: 2, width: 2, imageSize: 8 }
threat: { norm: linf, eps: 8/255 }
loss: { name: trades, attack: { name: pgd, steps: 1 } }
optimizer: { name: sgd, lr: 0.05 }
stages:
  pretrain: { epochs: 1 }
  search: { epochs: 2, keepScores: [1], method: { name: harp, keepRatio: 0.5 }, gradient: { name: s2ap, warmupEpochs: 1 } }
evaluation: [{ name: clean }]
`;

function s2ap(...argv: readonly string[]) {
  const done = spawnSync(process.execPath, [bin, ...argv], { encoding: "utf8", cwd: folder, env });
  return { status: done.status, stdout: done.stdout, stderr: done.stderr };
}
const recordOf = (path: string) => JSON.parse(readFileSync(join(folder, path), "utf8")) as SharpnessRecord;
const fast = ["--no-layers", "--lanczos-steps", "4", "--images", "8"];

beforeAll(() => {
  writeFileSync(join(folder, "small.yaml"), SMALL);
  const ran = s2ap("run", "small.yaml", "--out", "run");
  expect(ran.stderr).not.toContain("error");
  expect(ran.status).toBe(0);
}, 120_000);

test("start and end by default, the record in the run folder, its path on the last line", () => {
  const { status, stdout } = s2ap("sharpness", "run", ...fast);
  expect(status).toBe(0);
  expect(stdout.split("\n")[0]).toMatch(/epoch +loss +robust +top eigenvalue +trace +worst +average +flip/);
  expect(stdout.trimEnd().split("\n").at(-1)).toBe(join("run", "sharpness.json"));
  const record = recordOf("run/sharpness.json");
  expect(record.epochs.map(({ epoch }) => epoch)).toEqual([0, 2]);
  expect(record.epochs[0]?.eigenvalues?.layers).toEqual({});

  // More epochs come to the same record, and what is there stays.
  const more = s2ap("sharpness", "run", ...fast, "--epochs", "all", "--json");
  expect(more.status).toBe(0);
  const answer = JSON.parse(more.stdout) as { status: string; record: SharpnessRecord };
  expect(answer.status).toBe("done");
  expect(answer.record.epochs.map(({ epoch }) => epoch)).toEqual([0, 1, 2]);
  expect(answer.record.epochs[0]).toEqual(record.epochs[0]);
  expect(answer.record).toEqual(recordOf("run/sharpness.json"));
}, 120_000);

test("an attack of one's own, in float64, into a file of one's own; stopped by time it is gone on with", () => {
  const argv = [
    "sharpness",
    "run",
    ...fast,
    "--attack",
    "{name: pgd, steps: 3}",
    "--dtype",
    "float64",
    "--out",
    "own.json",
  ];
  const stopped = s2ap(...argv, "--max-time", "0.001s");
  expect(stopped.status).toBe(0);
  expect(stopped.stderr).toContain("run the same command again to go on");
  expect(s2ap(...argv).status).toBe(0);
  const { settings, epochs } = recordOf("own.json");
  expect(settings).toMatchObject({ attack: "pgd-3", dtype: "float64", eps: "8/255" });
  expect(epochs.length).toBe(2);
}, 120_000);

test("a landscape is stopped by time and gone on with, and at the origin has the record's loss", () => {
  const argv = ["landscape", "run", "--images", "8", "--points", "3", "--x-range", "-0.2,0.2", "--dtype", "float64"];
  const stopped = s2ap(...argv, "--max-time", "0.001s");
  expect(stopped.status).toBe(0);
  expect(stopped.stderr).toContain("run the same command again to go on");
  const { status, stdout } = s2ap(...argv);
  expect(status).toBe(0);
  expect(stdout.trimEnd().split("\n").at(-1)).toBe(join("run", "landscape.json"));
  const { losses, settings } = JSON.parse(
    readFileSync(join(folder, "run", "landscape.json"), "utf8"),
  ) as LandscapeRecord;
  expect(settings.axes).toEqual([{ direction: "s2ap", coordinates: [-0.2, 0, 0.2] }]);
  // The same batch, mode and arithmetic, measured by the other command.
  const record = join(folder, "origin.json");
  s2ap("sharpness", "run", ...fast, "--dtype", "float64", "--only", "ties", "--epochs", "end", "--out", record);
  expect(losses[0]?.[1]).toBe((JSON.parse(readFileSync(record, "utf8")) as SharpnessRecord).epochs[0]?.objectiveLoss);
}, 120_000);

describe("refusals say what to do", () => {
  test.each([
    [
      2,
      ["run", "--epochs", "7"],
      "--epochs: expected start, end, all, or epochs that the run has kept (0, 1, 2; more with keepScores)",
    ],
    [2, ["run", "--only", "curves"], "Expected some of eigenvalues, trace, worst, average, ties, flip."],
    [2, ["run", "--attack", "autoattack"], "--attack: expected a single attack, such as pgd"],
    [3, ["."], "without run.json"],
  ])("exit code %i of %j", (code, argv, text) => {
    const { status, stderr } = s2ap("sharpness", ...argv);
    expect(stderr).toContain(text);
    expect(status).toBe(code);
  });

  test("a run that kept nothing", () => {
    s2ap("run", "small.yaml", "--out", "bare", "--only", "pretrain");
    const { status, stderr } = s2ap("sharpness", "bare");
    expect([status, existsSync(join(folder, "bare", "sharpness.json"))]).toEqual([3, false]);
    expect(stderr).toContain("expected the scores of some epochs");
  }, 60_000);
});

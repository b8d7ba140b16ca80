// `s2ap inspect` as a process: on a real run's folder, on a stage's result, and on a file that is refused.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const folder = mkdtempSync(join(tmpdir(), "s2ap-inspect-"));
afterAll(() => rmSync(folder, { recursive: true }));

function s2ap(...argv: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [resolve("bin/s2ap.js"), ...argv], {
    encoding: "utf8",
    cwd: folder,
    env: { ...process.env, OMP_NUM_THREADS: "1", NO_COLOR: "1" },
  });
  return { status, stdout, stderr };
}

const RECIPE = `
data: { name: synthetic, batchSize: 16, examples: 64, selection: 16, testExamples: 32, numClasses: 2, size: 8 }
model: { arch: resnet18, numClasses: 2, width: 2, imageSize: 8 }
threat: { norm: linf, eps: 8/255 }
loss: { name: pgd-at, attack: { name: pgd, steps: 1 } }
optimizer: { name: sgd, lr: 0.05 }
stages: { pretrain: { epochs: 1 }, search: { epochs: 1, method: { name: hydra, keepRatio: 0.5 } }, finetune: { epochs: 1 } }
evaluation: [{ name: clean }]
`;

describe("a run", () => {
  const run = "out";
  beforeAll(() => {
    writeFileSync(join(folder, "small.yaml"), RECIPE);
    expect(s2ap("run", "small.yaml", "--out", run)).toMatchObject({ status: 0 });
  }, 120_000);

  test("its folder: the network, what it is of, and masks that agree with its zeros", () => {
    const { status, stdout } = s2ap("inspect", run, "--json");
    expect(status).toBe(0);
    const found = JSON.parse(stdout);
    expect(found).toMatchObject({
      layout: "s2ap",
      network: { arch: "resnet18", fits: true, from: "file" },
      facts: { run: "small", status: "done" },
      masks: { source: "stored", masks: 21 },
    });
    expect(found.sparsity).toBeCloseTo(0.5, 2);
    expect(found.maskedSparsity).toBe(found.sparsity);
  }, 60_000);

  test("the result of its search: a dense network with masks", () => {
    const { status, stdout } = s2ap("inspect", join(run, "checkpoints", "search.safetensors"));
    expect(status).toBe(0);
    expect(stdout).toContain("s2ap: the groups of a stage of s2ap run");
    expect(stdout).toContain("resnet18 (width 2, numClasses 2), by names and shapes: every tensor is there and fits");
    expect(stdout).toContain("masks of 21 layers");
  }, 60_000);
});

test("a whole pickled module is refused with the cure and exit code 3", () => {
  const { status, stdout, stderr } = s2ap("inspect", resolve("test/golden/data/pt/module-zip.pt"));
  expect([status, stdout]).toEqual([3, ""]);
  expect(stderr).toContain("save the network's state_dict() instead");
}, 60_000);

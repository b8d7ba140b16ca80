// Other people's checkpoints through the command line: imported, evaluated, finetuned, exported, and loaded by plain PyTorch.
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { job as exportJob } from "../../src/cli/jobs/export.js";
import { job as importJob } from "../../src/cli/jobs/import.js";
import type { Model } from "../../src/models/index.js";
import { disposeParams, readMetadata, saveTensors } from "../../src/nn/index.js";
import { loadMasks, loadModel } from "../../src/recipe/index.js";
import { masksOfZeros } from "../../src/recipe/stages.js";
import { tensor } from "../../src/torch/index.js";
import { buildDist } from "../support/child.js";
import { expectClose } from "../support/close.js";
import { bits, freeModel } from "../support/tiny.js";

const bin = fileURLToPath(new URL("../../bin/s2ap.js", import.meta.url));
const source = fileURLToPath(new URL("../golden/data/checkpoints", import.meta.url));
const expected = JSON.parse(readFileSync(join(source, "expected.json"), "utf8")) as Readonly<
  Record<string, { readonly arch: string; readonly logits: readonly number[]; readonly sparsity: number }>
>;
const folder = mkdtempSync(join(tmpdir(), "s2ap-import-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
beforeAll(() => {
  buildDist();
  for (const name of Object.keys(expected)) {
    writeFileSync(join(folder, name), gunzipSync(readFileSync(join(source, `${name}.gz`))));
  }
  saveTensors(
    join(folder, "images.safetensors"),
    new Map([
      [
        "images",
        tensor(
          Uint8Array.from({ length: 8 * 3 * 32 * 32 }, (_, i) => (i * 31) % 251),
          [8, 3, 32, 32],
        ),
      ],
      ["labels", tensor(BigInt64Array.from({ length: 8 }, (_, i) => BigInt(i % 5)))],
    ]),
  );
});

const context = { shouldStop: () => false, report: () => {} };

function s2ap(...argv: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [bin, ...argv], {
    ...{ cwd: folder, encoding: "utf8", timeout: 110_000 },
    env: { ...process.env, OMP_NUM_THREADS: "1" },
  });
  return { status, stdout, stderr };
}

test("a HYDRA checkpoint is imported, evaluated with no option but its images", () => {
  const { status, stdout, stderr } = s2ap("import", "hydra-resnet18.pth.tar", "--keep-ratio", "0.4");
  expect([status, stderr]).toEqual([0, ""]);
  expect(stdout).toContain("hydra-resnet18.pth.tar: hydra (popup_scores), zip\n");
  expect(stdout).toContain("says       epoch 100, arch resnet18, best_prec1 51.25\n");
  expect(stdout).toContain(
    "resnet18 (numClasses 5, width 2, imageSize 32); 122 tensors, every tensor is there and fits\n",
  );
  expect(stdout).toContain("from its scores at keep ratio 0.4; 59.9 % of the prunable weights are zero\n");
  expect(stdout).toMatch(/next +s2ap eval runs\/hydra-resnet18\n$/);
  expect(readdirSync(join(folder, "runs/hydra-resnet18")).sort()).toEqual(["masks.safetensors", "model.safetensors"]);
  const written = readMetadata(join(folder, "runs/hydra-resnet18/model.safetensors"));
  expect(JSON.parse(written.imported ?? "")).toMatchObject({
    file: "hydra-resnet18.pth.tar",
    layout: "hydra",
    keepRatio: 0.4,
  });

  const evaluated = s2ap("eval", "runs/hydra-resnet18", "--images", "images.safetensors", "--json");
  expect([evaluated.status, evaluated.stderr]).toEqual([0, ""]);
  expect(JSON.parse(evaluated.stdout)).toMatchObject({ examples: 8, status: "done" });
  expect(JSON.parse(evaluated.stdout).checks).toBeUndefined();

  const claim = s2ap("eval", "runs/hydra-resnet18", "--images", "images.safetensors", "--sparsity", "0.8");
  expect(claim.stderr).toContain("measured are 59.9 %: is the mask applied?");
});

const recipe = `
name: tuned
seed: 1
data: { name: synthetic, numClasses: 5, size: 32, examples: 32, selection: 16, testExamples: 16, batchSize: 32 }
model: { arch: resnet18, numClasses: 5, width: 2 }
threat: { norm: linf, eps: 8/255 }
loss: { name: pgd-at, attack: { name: pgd, steps: 1, stepSize: 2/255 } }
optimizer: { name: sgd, lr: 0.05 }
stages: { search: { epochs: 1, method: { name: hydra, keepRatio: 0.4 } }, finetune: { epochs: 1 } }
evaluation: [{ name: clean }]
`;

test("finetuning from an import trains its weights and keeps its masks", async () => {
  writeFileSync(join(folder, "tuned.yaml"), recipe);
  await importJob(
    { file: join(folder, "hydra-resnet18.pth.tar"), set: [], keepRatio: 0.4, out: join(folder, "start") },
    context,
  );
  const { status, stderr } = s2ap("run", "tuned.yaml", "--only", "finetune", "--from", "start", "--out", "tuned");
  expect([status, stderr]).toEqual([0, expect.not.stringContaining("rror")]);
  const [start, tuned] = ["start", "tuned"].map((run) => loadModel(join(folder, run, "model.safetensors"))) as [
    Model,
    Model,
  ];
  const masks = loadMasks(join(folder, "start/masks.safetensors"));
  const kept = masksOfZeros(tuned);
  expect(bits(kept)).toEqual(bits(masks));
  expect(bits(tuned.params)).not.toEqual(bits(start.params));
  disposeParams(masks, kept);
  for (const model of [start, tuned]) freeModel(model);
});

test("what is there is not overwritten, and errors say the cure", () => {
  const into = ["--keep-ratio", "0.4", "--out", "kept.safetensors"];
  expect(s2ap("import", "rst-resnet18.pth", ...into).status).toBe(0);
  const before = readFileSync(join(folder, "kept.safetensors"));
  const again = s2ap("import", "rst-resnet18.pth", ...into);
  expect(again.status).toBe(2);
  expect(again.stderr).toBe(
    "s2ap: import: expected nothing at kept.safetensors and kept.masks.safetensors, got a file: choose another place with --out, or overwrite with --force\n",
  );
  expect(readFileSync(join(folder, "kept.safetensors"))).toEqual(before);
  expect(s2ap("import", "rst-resnet18.pth", ...into, "--force").status).toBe(0);
  const unsaid = s2ap("import", "rst-resnet18.pth", "--out", "new");
  expect([unsaid.status, unsaid.stderr]).toEqual([2, expect.stringContaining("--keep-ratio 0.1")]);
  const wrong = s2ap("import", "rst-resnet18.pth", "--arch", "vgg16_bn", "--out", "new", "--json");
  expect(wrong.status).toBe(3);
  const { error } = JSON.parse(wrong.stdout);
  expect(error.code).toBe("data/architecture");
  expect(error.message).toContain("those of resnet18 (width 2, numClasses 5)");
  expect(error.problems[0].missing.length).toBeGreaterThan(60);
  expect(existsSync(join(folder, "new"))).toBe(false);
});

const python = "/usr/bin/python3";
const hasTorch = existsSync(python) && spawnSync(python, ["-c", "import torch, numpy"]).status === 0;

describe.each([
  ["harp-resnet18.pth.tar", undefined],
  ["hydra-vgg16_bn.pth.tar", 0.5],
  ["hydra-wrn_28_4-legacy.pth.tar", 0.3],
  ["awp-preactresnet18.pth", undefined],
])("%s", (name, keepRatio) => {
  test("plain PyTorch loads what is exported of it strictly, with the same logits", async ({ skip }) => {
    const at = (ending: string) => join(folder, `${name}${ending}`);
    const files = [at(".ours.safetensors"), at(".exported.pt"), at(".exported.safetensors")] as const;
    const [model, ...exported] = files;
    await importJob({ file: at(""), set: [], keepRatio, out: model }, context);
    for (const out of exported) await exportJob({ model, out }, context);
    skip(!hasTorch, "PyTorch and NumPy for /usr/bin/python3 (python3-torch, python3-numpy) are not installed");
    const argv = ["-W", "ignore", "-B", join(source, "load.py"), expected[name]?.arch ?? "", ...files];
    const logits = JSON.parse(execFileSync(python, argv, { encoding: "utf8" })) as number[][];
    for (const [i, file] of files.entries()) {
      expectClose(file, logits[i] ?? [], expected[name]?.logits ?? [], 1e-5, { relativeTo: "largest" });
    }
  });
});

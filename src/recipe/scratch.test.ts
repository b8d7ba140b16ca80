// A recipe without pretraining: a search in random weights, and both ways to finetune what it finds.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { param } from "../nn/index.js";
import { loadGroups } from "../train/checkpoint.js";
import { parseRecipe } from "./load.js";
import { registries } from "./registries.js";
import { runRecipe } from "./run.js";

const base = mkdtempSync(join(tmpdir(), "s2ap-scratch-"));
afterAll(() => rmSync(base, { recursive: true, force: true }));

const text = (weights: string, method = "rst") => `
name: scratch
data: { name: synthetic, batchSize: 16, examples: 32, selection: 16, testExamples: 16, numClasses: 2, size: 8 }
model: { arch: resnet18, numClasses: 2, width: 4, imageSize: 8 }
threat: { norm: linf, eps: 8/255 }
loss: { name: pgd-at, attack: { name: pgd, steps: 1 } }
optimizer: { name: sgd, lr: 0.01 }
stages:
  search:
    epochs: 2
    method: { name: ${method}, keepRatio: 0.5, structure: filters }
    gradient: { name: s2ap, gamma: 0.1, warmupEpochs: 1 }
  finetune: { epochs: 1, weights: ${weights} }
evaluation: [{ name: clean }]
`;
const parse = (...of: Parameters<typeof text>) => parseRecipe(text(...of), "scratch.yaml", { registries });
const result = (run: string, stage: string) =>
  loadGroups(join(base, run, "checkpoints", `${stage}.safetensors`)).groups;

beforeAll(async () => {
  for (const weights of ["inherit", "redraw"]) await runRecipe(parse(weights), { out: join(base, weights) });
}, 100_000);

describe("a search in random weights", () => {
  const layer = "layer2.0.conv1.weight";
  const magnitudes = (params: ReadonlyMap<string, import("../torch/index.js").Tensor>) =>
    new Set(
      param(params, layer)
        .toNumbers()
        .map((w) => Math.abs(w)),
    );

  test("keeps them as they were drawn, with batch norm fixed at 1 and 0", () => {
    const params = result("inherit", "search").get("params") ?? new Map();
    expect([...magnitudes(params)]).toEqual([Math.fround(Math.sqrt(2 / 36))]);
    expect(new Set(param(params, "bn1.weight").toNumbers())).toEqual(new Set([1]));
    expect(new Set(param(params, "bn1.bias").toNumbers())).toEqual(new Set([0]));
    expect(new Set(param(params, "linear.bias").toNumbers())).toEqual(new Set([0]));
  });

  test("is finetuned from the drawn weights or from others, under the same mask", () => {
    const [inherited, redrawn] = ["inherit", "redraw"].map((run) => ({
      searched: param(result(run, "search").get("params") ?? new Map(), layer).toNumbers(),
      mask: param(result(run, "search").get("masks") ?? new Map(), layer).toNumbers(),
      trained: param(result(run, "finetune").get("params") ?? new Map(), layer).toNumbers(),
    })) as [Weights, Weights];
    expect(redrawn.searched).toEqual(inherited.searched);
    expect(redrawn.mask).toEqual(inherited.mask);
    const kept = inherited.mask.flatMap((m, i) => (m === 1 ? [i] : []));
    expect(kept).toHaveLength(inherited.mask.length / 2);
    const signs = ({ trained }: Weights) => kept.map((i) => Math.sign(trained[i] as number));
    const agree = (a: number[], b: number[]) => a.filter((s, i) => s === b[i]).length / a.length;
    // Weights of magnitude 0.24 keep their signs over two steps of rate 0.01.
    expect(
      agree(
        signs(inherited),
        kept.map((i) => Math.sign(inherited.searched[i] as number)),
      ),
    ).toBeGreaterThan(0.95);
    const still = agree(
      signs(redrawn),
      kept.map((i) => Math.sign(redrawn.searched[i] as number)),
    );
    expect(Math.abs(still - 0.5)).toBeLessThan(0.2);
    for (const { mask, trained } of [inherited, redrawn]) {
      expect(trained.every((w, i) => mask[i] === 1 || w === 0)).toBe(true);
    }
  });

  test("cannot redraw what the method did not draw", () => {
    expect(() => parse("redraw", "hydra")).toThrow(
      'expected stages.finetune.weights to be inherit, as hydra prunes the network\'s own weights, got "redraw"',
    );
  });
});

interface Weights {
  readonly searched: number[];
  readonly mask: number[];
  readonly trained: number[];
}

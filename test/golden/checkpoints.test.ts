// Checkpoints that plain PyTorch wrote in the layouts of the papers' code, against the logits of the networks they mean.
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type ImportResult, job } from "../../src/cli/jobs/import.js";
import type { Model } from "../../src/models/index.js";
import { disposeParams, readPt } from "../../src/nn/index.js";
import { loadMasks, loadModel } from "../../src/recipe/index.js";
import { masksOfZeros } from "../../src/recipe/stages.js";
import { liveTensors, noGrad, scope, tensor } from "../../src/torch/index.js";
import { expectClose } from "../support/close.js";
import { bits, freeModel } from "../support/tiny.js";

interface Expected {
  readonly layout: string;
  readonly arch: string;
  /** Of those whose file does not tell it. */
  readonly keepRatio?: number;
  readonly logits: readonly number[];
  /** Of each prunable weight. */
  readonly zeros: Readonly<Record<string, number>>;
  readonly sparsity: number;
}

const source = fileURLToPath(new URL("data/checkpoints", import.meta.url));
const cases = JSON.parse(readFileSync(join(source, "expected.json"), "utf8")) as Readonly<Record<string, Expected>>;
const folder = mkdtempSync(join(tmpdir(), "s2ap-checkpoints-"));
beforeAll(() => {
  for (const name of Object.keys(cases)) {
    writeFileSync(join(folder, name), gunzipSync(readFileSync(join(source, `${name}.gz`))));
  }
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

type Asked = Partial<Parameters<typeof job>[0]>;
const context = { shouldStop: () => false, report: () => {} };
const importFile = (name: string, options: Asked = {}) =>
  job({ file: join(folder, name), set: [], out: join(folder, "out", name), ...options }, context) as ImportResult;

function logits(model: Model) {
  const x = tensor(
    Float32Array.from({ length: 4 * 3 * 32 * 32 }, (_, i) => 0.5 + 0.5 * Math.sin(0.9 * i + 0.2 + 0.003 * i * i)),
    [4, 3, 32, 32],
  );
  return model.forward(model, x, { batchNorm: "running" });
}

function expectLogits(what: string, path: string, wanted: readonly number[]): void {
  const model = loadModel(path);
  noGrad(() => scope(() => expectClose(what, logits(model), wanted, 1e-5, { relativeTo: "largest" })));
  freeModel(model);
}

/** HYDRA's and RST's files do not say what was kept; HARP's rates tell it. */
const asked = ({ layout, keepRatio }: Expected): Asked => (layout === "harp" ? {} : { keepRatio });

/** How many things were left out for each reason. */
function reasons({ dropped }: ImportResult): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { why } of dropped) counts[why] = (counts[why] ?? 0) + 1;
  return counts;
}

const counter = "a count that batch norm with a fixed momentum does not need";
const training = "the state of a training, which is not gone on with";

test.each([
  ["hydra-resnet18.pth.tar", 143, { [counter]: 20, [training]: 1 }],
  ["hydra-vgg16_bn.pth.tar", 100, { [counter]: 13, [training]: 1 }],
  [
    "hydra-wrn_28_4-legacy.pth.tar",
    242,
    { [counter]: 25, [training]: 1, "a copy of the first stage that HYDRA's WRN has and does not use": 58 },
  ],
  ["harp-resnet18.pth.tar", 164, { [counter]: 20, [training]: 1 }],
  ["harp-vgg16_bn-legacy.pth.tar", 116, { [counter]: 13, [training]: 1 }],
  // Optimizer and schedule; `result` and how the masks came about.
  [
    "flyingbird-preactresnet18.tar",
    109,
    {
      ...{ [counter]: 17, [training]: 2, "not part of the network": 1 },
      "how its masks came about; the masks themselves are taken": 1,
    },
  ],
  ["plain-resnet18.pt", 122, { [counter]: 20 }],
] as const)("%s has the entries of its program, and what is left out has a reason", (name, entries, wanted) => {
  const { value } = readPt(join(folder, name));
  const state = value instanceof Map ? (value.get("state_dict") ?? value) : undefined;
  expect(state instanceof Map && state.size).toBe(entries);
  const keepRatio = cases[name]?.layout === "hydra" ? 0.5 : undefined;
  const found = importFile(name, { keepRatio, out: join(folder, "dropped", name) });
  expect(reasons(found)).toEqual(wanted);
  expect(found.dropped.every(({ name: left }) => left !== "")).toBe(true);
});

test("every file has a case, and every case a file", () => {
  const files = readdirSync(source).filter((name) => name.endsWith(".gz"));
  expect(files.sort()).toEqual(
    Object.keys(cases)
      .map((name) => `${name}.gz`)
      .sort(),
  );
});

describe.each(Object.entries(cases))("%s", (name, wanted) => {
  test("is the network that PyTorch has", () => {
    const before = liveTensors();
    const found = importFile(name, asked(wanted));
    expect(found).toMatchObject({ layout: wanted.layout, random: [], model: { arch: wanted.arch, numClasses: 5 } });
    expect(found.container).toBe(name.includes("-legacy") ? "legacy" : "zip");
    if (wanted.keepRatio !== undefined) expect(found.masks.keepRatio).toBe(wanted.keepRatio);
    expect(found.sparsity).toBeCloseTo(wanted.sparsity, 12);
    const model = loadModel(found.out.model);
    const zeros = Object.entries(found.layers).map(([layer, share]) => {
      return [layer, Math.round(share * (model.params.get(layer)?.numel ?? 0))];
    });
    const { "fc.weight": head, ...others } = wanted.zeros;
    const ours =
      head === undefined ? others : { ...others, [wanted.layout === "rst" ? "linear.weight" : "fc.weight"]: head };
    expect(Object.fromEntries(zeros)).toEqual(ours);
    if (found.out.masks === undefined) expect(wanted.sparsity).toBe(0);
    else {
      const [masks, ofZeros] = [loadMasks(found.out.masks), masksOfZeros(model)];
      expect(bits(masks)).toEqual(bits(ofZeros));
      disposeParams(masks, ofZeros);
    }
    freeModel(model);
    expectLogits(name, found.out.model, wanted.logits);
    // The constants of a normalisation live as long as its network's function: here of three networks.
    expect(liveTensors() - before).toBe(found.model.normalize === undefined ? 0 : 2 * 3);
  });
});

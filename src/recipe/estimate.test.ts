import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { readEvents } from "../run/index.js";
import { liveTensors } from "../torch/index.js";
import { buildData } from "./build.js";
import { attackLine, estimateRecipe, stageLine } from "./estimate.js";
import { prober } from "./estimate-probe.js";
import { parseRecipe } from "./load.js";
import { registries } from "./registries.js";
import { stageCosts } from "./row.js";
import { runRecipe } from "./run.js";

const base = mkdtempSync(join(tmpdir(), "s2ap-estimate-"));
afterAll(() => rmSync(base, { recursive: true, force: true }));

/** A step of PGD-2 training, and of S2AP after its warm-up, as the quickstart's runs logged them on two quiet cores. */
const plain = { passes: { forward: 3, backward: 3 }, seconds: 0.174 };
const s2ap = { passes: { forward: 4, backward: 4 }, seconds: 0.268 };

describe("the arithmetic", () => {
  // Expected passes are those of the quickstart's events: 157 batches an epoch.
  test("of a stage follows the warm-up", () => {
    const work = { epochs: 3, batches: 157, measureSeconds: 4, measuredMore: 1 };
    const host = stageLine("search", { warmup: 0, during: plain, after: plain, peakMemory: 5 }, work);
    expect(host).toMatchObject({ what: "search", forward: 1413, backward: 1413, peakMemory: 5 });
    const wrapped = stageLine("search", { warmup: 1, during: plain, after: s2ap, peakMemory: 5 }, work);
    expect([wrapped.forward, wrapped.backward]).toEqual([1727, 1727]);
    expect(wrapped.seconds).toBeCloseTo(157 * (0.174 + 2 * 0.268) + 4 * 4);
  });

  test("of an attack counts every batch, and the time of the half that stands", () => {
    const clean = { passes: { forward: 1, backward: 0 }, seconds: 0.03 };
    const attack = { passes: { forward: 21, backward: 20 }, seconds: 1.7 };
    const line = attackLine("pgd-20", { images: 64, clean, attack, peakMemory: 7 }, 1000, 64);
    expect(line).toMatchObject({ what: "pgd-20", forward: 352, backward: 320, peakMemory: 7 });
    expect(line.seconds).toBeCloseTo((1000 / 64) * (0.03 + 0.85));
  });
});

const recipeOf = (gradient: string, loss = "name: pgd-at, attack: { name: pgd, steps: 2 }") =>
  parseRecipe(
    `
name: little
data: { name: synthetic, batchSize: 16, examples: 72, selection: 16, testExamples: 40, numClasses: 2, size: 8 }
model: { arch: resnet18, numClasses: 2, width: 4, imageSize: 8 }
threat: { norm: linf, eps: 1/255 }
loss: { ${loss} }
optimizer: { name: sgd, lr: 0.01 }
stages:
  pretrain: { epochs: 2 }
  search: { epochs: 4, method: { name: hydra, keepRatio: 0.5 }, gradient: { ${gradient} } }
  finetune: { epochs: 3, weightGradient: { name: awp, warmup: 1 } }
evaluation: [{ name: clean }, { name: pgd, steps: 3, examples: 24 }]
`,
    "little.yaml",
    { registries },
  );

test("what two runs do alike costs both the same, over all rounds", async () => {
  const [plain, s2ap] = [recipeOf("name: plain"), recipeOf("name: s2ap, gamma: 0.05")];
  const splits = await buildData(plain);
  onTestFinished(() => void vi.restoreAllMocks());
  // A clock on which everything takes longer than all before it, so that another time is another median.
  let [now, step] = [0, 0];
  vi.spyOn(performance, "now").mockImplementation(() => {
    step += 1;
    now += step;
    return now;
  });
  using probes = prober({ splits, precision: "float32" });
  const both = async () => [await probes.stage(plain, "search"), await probes.stage(s2ap, "search")] as const;
  const [alone] = await both();
  const [host, wrapped] = await both();
  expect(wrapped.warmup).toBe(1);
  expect(wrapped.during).toEqual(host.after);
  expect(wrapped.after.seconds).not.toBe(host.after.seconds);
  // Other times of the same work came to it since.
  expect(host.after.seconds).not.toBe(alone.after.seconds);
  // A stage that is longer does the same work in each batch.
  const longer = {
    ...plain,
    stages: { ...plain.stages, search: { ...plain.stages.search, batches: 9 } },
  } as typeof plain;
  expect(await probes.stage(longer, "search")).toEqual(await probes.stage(plain, "search"));
  probes.again();
  const [later, last] = await both();
  expect(last.after.seconds).not.toBe(wrapped.after.seconds);
  expect(later.after.passes).toEqual(host.after.passes);
}, 60_000);

describe("passes are exactly those of the run", () => {
  test.each([
    ["name: s2ap, gamma: 0.05", undefined],
    ["name: sam, rho: 0.05, warmupEpochs: 2", "name: trades, beta: 3, attack: { name: pgd, steps: 2 }"],
    ["name: plain", "name: free-at, replays: 2"],
  ])(
    "%s, %s",
    async (gradient, loss) => {
      const recipe = recipeOf(gradient, loss);
      const before = liveTensors();
      const { runs } = await estimateRecipe(recipe, { countOnly: true });
      // The images and labels of the two halves of the data set.
      expect(liveTensors()).toBeLessThanOrEqual(before + 4);
      const out = join(base, gradient.replace(/\W+/g, "-"));
      await runRecipe(recipe, { out });
      const events = readEvents(out);
      const attacked = events.flatMap((event) => (event.type === "evaluation" ? [event.passes] : []));
      const real = [...stageCosts(events), ...attacked].map(({ forward, backward }) => [forward, backward]);
      expect(runs.map(({ name }) => name)).toEqual(["little"]);
      expect(runs[0]?.lines.map(({ forward, backward }) => [forward, backward])).toEqual(real);
      expect(runs[0]?.lines.map(({ what }) => what)).toEqual(["pretrain", "search", "finetune", "clean", "pgd-3"]);
    },
    300_000,
  );
});

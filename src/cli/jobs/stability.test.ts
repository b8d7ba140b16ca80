import { cpSync, mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { robustnessOf } from "../../../test/support/robustness.js";
import { settledTensors } from "../../../test/support/settled.js";
import { maskDistance } from "../../pruning/index.js";
import { parseRecipe } from "../../recipe/load.js";
import { loadMasks } from "../../recipe/model-file.js";
import { registries } from "../../recipe/registries.js";
import { runRecipe } from "../../recipe/run.js";
import { readEvents } from "../../run/index.js";
import { liveTensors, scope } from "../../torch/index.js";
import { loadKeptMasks } from "../../train/index.js";
import { stabilityText } from "../commands/stability-text.js";
import type { Report } from "../jobs.js";
import { job, type StabilityOptions } from "./stability.js";

const base = mkdtempSync(join(tmpdir(), "s2ap-stability-"));
afterAll(() => rmSync(base, { recursive: true, force: true }));
const path = (...parts: readonly string[]) => join(base, ...parts);

const TEXT = `
name: small
data: { name: synthetic, batchSize: 16, examples: 32, selection: 16, testExamples: 24, numClasses: 2, size: 8 }
model: { arch: resnet18, numClasses: 2, width: 2, imageSize: 8 }
threat: { norm: linf, eps: 8/255 }
loss: { name: pgd-at, attack: { name: pgd, steps: 1 } }
optimizer: { name: sgd, lr: 0.05 }
stages:
  pretrain: { epochs: 1 }
  search: { epochs: 2, method: { name: hydra, keepRatio: 0.3 }, gradient: { name: s2ap, gamma: 0.1, warmupEpochs: 1 } }
  finetune: { epochs: 1 }
evaluation: [{ name: clean }]
`;

async function train(name: string, set: readonly string[] = []): Promise<void> {
  const recipe = parseRecipe(TEXT, "small.yaml", { registries, set });
  await runRecipe(recipe, { out: path("runs", name) });
}

beforeAll(async () => {
  await train("one", ["seed=1"]);
  await train("two", ["seed=2"]);
  await train("wide", ["model.width=3", "threat.eps=4/255"]);
  await train("other", ["data.size=10", "model.imageSize=10"]);
}, 200_000);

/** Images and labels of the training and the test set, which a worker keeps to its end. */
const DATA = 4;

interface Told {
  readonly reports: Report[];
  readonly polls?: number;
}

async function stability(runs: readonly string[], more: Partial<StabilityOptions> = {}, told: Told = { reports: [] }) {
  let polls = told.polls ?? Number.POSITIVE_INFINITY;
  const options = { runs: runs.map((run) => path("runs", run)), images: 20, layers: [], records: [], seed: 0, ...more };
  return job(options, { shouldStop: () => polls-- <= 0, report: (report) => told.reports.push(report) });
}

const warnings = ({ reports }: Told) => reports.flatMap((told) => (told.kind === "warning" ? [told.text] : []));

describe("two runs", () => {
  test("are compared by masks and on images, and again with the same numbers", async () => {
    const before = await settledTensors();
    const told: Told = { reports: [] };
    const found = await stability(["one", "two"], { layers: ["conv1"] }, told);
    expect(liveTensors() - before).toBe(DATA);
    const [pair, ...more] = found.pairs;
    expect([more.length, pair?.a, pair?.b, found.status]).toEqual([0, "one", "two", "done"]);
    expect(found.runs.map(({ seed }) => seed)).toEqual([1, 2]);
    expect(found.on).toEqual({ data: "synthetic test", examples: 20, attack: "pgd-10", norm: "linf", eps: "8/255" });
    expect(pair?.functional?.robustSets).not.toBeNull();
    expect(Object.keys(pair?.functional?.features ?? {})).toEqual(["before the last layer", "conv1"]);
    scope(() => {
      const [one, two] = ["one", "two"].map((run) => loadMasks(path("runs", run, "masks.safetensors")));
      if (!one || !two) throw new Error("both runs have masks");
      const { hamming, perKept } = maskDistance(one, two);
      expect([pair?.masks?.total.hamming, pair?.masks?.total.perKept]).toEqual([hamming, perKept]);
      for (const masks of [one, two]) for (const mask of masks.values()) mask.dispose();
    });
    expect(told.reports.some((report) => report.kind === "evaluation" && report.run === "one")).toBe(true);
    expect(await stability(["one", "two"], { layers: ["conv1"] })).toEqual(found);
  });

  test("have the series that they logged", async () => {
    const { runs, pairs, on } = await stability(["one"]);
    expect([pairs, on]).toEqual([[], null]);
    const logged = readEvents(path("runs", "one")).flatMap((event) =>
      event.type === "epoch" && event.stage === "search" ? [event] : [],
    );
    const series = runs[0]?.series ?? [];
    expect(series.map(({ perKept }) => perKept)).toEqual(logged.map(({ maskDistance }) => maskDistance?.perKept));
    expect(series.map(({ swapFraction }) => swapFraction === null)).toEqual([true, false]);
    expect(series.at(-1)?.scoreGap?.least).toBeGreaterThan(0);
  });

  test("have what follows from the masks of their epochs", async () => {
    const { runs } = await stability(["one", "two"], { images: 0 });
    for (const { name, series, masks } of runs) {
      if (masks === null) throw new Error("a search leaves its masks");
      expect(masks.epochs).toEqual([0, 1, 2]);
      for (const [i, { total, layers }] of masks.steps.entries()) {
        expect(total.hamming).toBe(series[i]?.hamming);
        expect(total.jaccard).toBe(masks.jaccard[i]?.[i + 1]);
        const logged = Object.entries(series[i]?.layers ?? {}).map(([layer, { hamming }]) => [layer, hamming]);
        expect(Object.entries(layers).map(([layer, { hamming }]) => [layer, hamming])).toEqual(logged);
      }
      expect(masks.total.changes).toBeGreaterThan(0);
      expect(masks.total.displaced).toBe(masks.hamming[0]?.[2]);
      const [last] = loadKeptMasks(path("runs", name), 2).values();
      expect(last?.shape).toEqual([2, 3, 3, 3]);
    }
  });

  test("of a folder without masks of epochs, and with a damaged one, have the rest", async () => {
    const old = path("old");
    cpSync(path("runs", "one"), old, { recursive: true });
    rmSync(path("old", "masks"), { recursive: true });
    const { runs } = await stability(["../old"]);
    expect(runs[0]?.masks).toBeNull();
    const text = stabilityText(await stability(["../old"]));
    const line =
      "old: its folder has no masks of its epochs (keepMasks), so how often each weight changed sides is not known";
    expect(text.split("\n").at(-1)).toBe(line);
    expect(text).toContain("old: masks by search epoch, each to the one before");

    cpSync(path("runs", "one", "masks"), path("old", "masks"), { recursive: true });
    truncateSync(path("old", "masks", "epoch-0001.safetensors"), 600);
    const told: Told = { reports: [] };
    expect((await stability(["../old"], {}, told)).runs[0]?.masks).toBeNull();
    expect(warnings(told)).toEqual([
      expect.stringMatching(/epoch-0001.*; old is told without the masks of its epochs$/),
    ]);
    rmSync(old, { recursive: true });
  });

  test("without images: masks and logs alone", async () => {
    const { on, pairs } = await stability(["one", "two"], { images: 0 });
    expect(on).toBeNull();
    expect(pairs[0]?.functional).toBeNull();
    expect(pairs[0]?.masks?.total.hamming).toBeGreaterThan(0);
  });

  test("of other shapes and threats are told of, and compared by what they do", async () => {
    const told: Told = { reports: [] };
    const { pairs } = await stability(["one", "wide"], {}, told);
    expect(pairs[0]?.masks).toBeNull();
    expect(pairs[0]?.functional?.agreement.value).toBeGreaterThanOrEqual(0);
    expect(warnings(told)).toEqual([
      "one, wide: masks: expected two masks of the same network, got conv1.weight [2,3,3,3] in A and [3,3,3,3] in B",
      "wide was trained for linf 4/255; all are attacked at linf 8/255, as one",
    ]);
  });

  test("stop when asked, with the masks compared", async () => {
    const before = await settledTensors();
    const { status, pairs, on } = await stability(["one", "two"], {}, { reports: [], polls: 13 });
    expect([status, on, pairs[0]?.functional]).toEqual(["stopped", null, null]);
    expect(pairs[0]?.masks).not.toBeNull();
    expect(liveTensors() - before).toBe(DATA);
  });

  test("take robust sets from records", async () => {
    const record = (name: string, broken: readonly boolean[]) => {
      const found = robustnessOf(
        broken.map((is, index) => ({ index, label: 1, clean: 1, brokenBy: is ? "apgd-ce" : null })),
      );
      mkdirSync(path(name));
      writeFileSync(path(name, "result.json"), JSON.stringify(found));
      return path(name);
    };
    const records = [record("record-1", [false, false, true, true]), record("record-2", [false, true, false, true])];
    const { pairs } = await stability(["one", "two"], { records });
    expect(pairs[0]?.functional?.robustSets?.jaccard?.value).toBeCloseTo(1 / 3, 12);
    const one = stability(["one", "two"], { records: records.slice(0, 1) });
    await expect(one).rejects.toThrow(/--record: expected one for each run, in the order one, two, got ".*record-1"/);
  });
});

test("a folder of runs stands for them all", async () => {
  const { runs, pairs } = await stability([""], { images: 0 });
  expect(runs.map(({ name }) => name)).toEqual(["one", "other", "two", "wide"]);
  expect(pairs.length).toBe(6);
});

test("what cannot be compared is refused, with the cure", async () => {
  mkdirSync(path("empty"), { recursive: true });
  await expect(stability(["nothing"])).rejects.toThrow(/nothing: expected a run folder, got nothing there/);
  await expect(stability(["../empty"])).rejects.toThrow(/expected a run folder, or a folder of run folders, got one/);
  await expect(stability(["one", "one"])).rejects.toThrow(/expected different runs, got .*one twice/);
  await expect(stability(["one", "other"])).rejects.toThrow(
    /expected runs on the same images, got .*one and .*other, which are on other data; .* --images 0/,
  );
  await expect(stability(["one", "two"], { layers: ["conv9"] })).rejects.toThrow(
    /expected a known layer \(conv1, .*"conv9"/,
  );
});

test("the text has a table for each question", async () => {
  const text = stabilityText(await stability(["one", "two"]));
  expect(text).toMatch(
    /^masks {5}kept A {2}kept B {2}distance h {4}h\/2k {2}by chance {2}Jaccard\none, two {2}30\.. % /,
  );
  expect(text).toContain("\nlayer                       weights  kept A");
  expect(text).toContain("\non 20 test images of synthetic test, pgd-10 at linf 8/255, with 95 % intervals:\n");
  expect(text).toMatch(/\none, two {2}\d\.\d{3} \(\d\.\d{3} to \d\.\d{3}\)/);
  expect(text).toMatch(/\ntwo: masks by search epoch, each to the one before\nepoch +kept/);
  expect(text).toContain("\ntwo: how often weights changed sides, over 3 masks, after 0, 1, 2 epochs\nlayer ");
  expect(text).toMatch(/\nall layers +[\d,]+( +\d+\.\d\d %){4} +[12] +0\.\d{4} +0\.\d{4}\n/);
  expect(text).toMatch(/\nJaccard after epochs +0 +1 +2\n0 +1\.000 +0\.\d{3} +0\.\d{3}\n/);
  const alone = stabilityText(await stability(["one"]));
  expect(alone).toMatch(/\nlayer in the last epoch +kept +distance h +gap\nconv1\.weight +\d+\.\d % +0\.\d{4} /);
  const several = stabilityText(await stability([""], { images: 0 }));
  expect(several).toMatch(/\none, wide +- +- +- +- +- +-\n/);
  expect(several).not.toContain("epoch");
});

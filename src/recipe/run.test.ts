import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { type Attack, linf, pgd, type Threat } from "../attacks/index.js";
import { readEvents, readManifest, type Stage } from "../run/index.js";
import { entry } from "../util/index.js";
import { parseRecipe } from "./load.js";
import { registries } from "./registries.js";
import { type RunRecipeOptions, type RunUpdate, runRecipe } from "./run.js";

const base = mkdtempSync(join(tmpdir(), "s2ap-recipe-"));
afterAll(() => rmSync(base, { recursive: true, force: true }));

const TEXT = `
name: small
data: { name: synthetic, batchSize: 16, examples: 32, selection: 16, testExamples: 16, numClasses: 2, size: 8 }
model: { arch: resnet18, numClasses: 2, width: 2, imageSize: 8 }
threat: { norm: linf, eps: 8/255 }
loss: { name: pgd-at, attack: { name: pgd, steps: 1 } }
optimizer: { name: sgd, lr: 0.05 }
stages: { pretrain: { epochs: 1 }, search: { epochs: 1, method: { name: hydra, keepRatio: 0.5 } }, finetune: { epochs: 1 } }
evaluation: [{ name: pgd, steps: 2 }]
`;
const VARIANTS = "variants: { first: {}, second: { stages: { search: { method: { keepRatio: 0.2 } } } } }\n";

const path = (...parts: readonly string[]) => join(base, ...parts);

async function run(
  name: string,
  options: Omit<RunRecipeOptions, "out"> = {},
  { text = TEXT, set = [] }: { readonly text?: string; readonly set?: readonly string[] } = {},
) {
  const updates: RunUpdate[] = [];
  const recipe = parseRecipe(text, "small.yaml", { registries, set });
  const onUpdate = (update: RunUpdate) => updates.push(update);
  const outcome = await runRecipe(recipe, { out: path(name), onUpdate, ...options });
  return { ...outcome, warnings: updates.flatMap((update) => (update.kind === "warning" ? [update.text] : [])) };
}

/** The stages that a folder's log has the end of. */
const stagesDone = (...name: readonly string[]) =>
  readEvents(path(...name)).flatMap((event) => (event.type === "stage" && event.status === "done" ? event.stage : []));
const text = (...name: readonly string[]) => readFileSync(path(...name), "utf8");

beforeAll(async () => {
  await run("whole");
  await run("experiment", {}, { text: TEXT + VARIANTS });
}, 100_000);

describe("one stage at a time", () => {
  test("gives what all at once give", async () => {
    for (const only of ["pretrain", "search", "finetune"] as const) {
      const { rows } = await run("piecewise", { only });
      expect(rows).toHaveLength(only === "finetune" ? 1 : 0);
      expect(readManifest(path("piecewise")).status).toBe(only === "finetune" ? "done" : "stopped");
    }
    expect(stagesDone("piecewise")).toEqual(["pretrain", "search", "finetune"]);
    for (const file of ["model.safetensors", "masks.safetensors", "images.json"]) {
      expect(text("piecewise", file)).toBe(text("whole", file));
    }
  });

  test.each<[Stage, string]>([
    ["search", "search: expected the result of pretrain in"],
    ["finetune", "finetune: expected the result of pretrain and search in"],
  ])("%s without what comes before it is refused", async (only, message) => {
    await expect(run(`lonely-${only}`, { only })).rejects.toThrow(message);
  });

  test("of an experiment, does that stage in each variant and nothing else", async () => {
    const experiment = { text: TEXT + VARIANTS };
    await expect(run("parts", { only: "search" }, experiment)).rejects.toThrow(
      "--only search: expected the pretrained",
    );
    await run("parts", { only: "pretrain" }, experiment);
    expect(existsSync(path("parts", "first"))).toBe(false);
    await expect(run("parts", { only: "finetune" }, experiment)).rejects.toThrow("the result of search in");
    await run("parts", { only: "search" }, experiment);
    expect([stagesDone("parts", "dense"), stagesDone("parts", "first")]).toEqual([["pretrain"], ["search"]]);
    const { rows } = await run("parts", { only: "finetune" }, experiment);
    expect(rows.map(({ name }) => name)).toEqual(["dense", "first", "second"]);
    expect(text("parts", "second", "model.safetensors")).toBe(text("experiment", "second", "model.safetensors"));
  });

  test("of what is finished, changes nothing", async () => {
    const results = text("experiment", "results.json");
    const { rows } = await run("experiment", { only: "search" }, { text: TEXT + VARIANTS });
    expect(rows).toHaveLength(3);
    expect(text("experiment", "results.json")).toBe(results);
    expect(readManifest(path("experiment", "dense")).status).toBe("done");
  });
});

describe("a network to begin with", () => {
  test.each([
    ["a run folder", "experiment/dense"],
    ["its model", "experiment/dense/model.safetensors"],
    ["the result of a stage", "whole/checkpoints/pretrain.safetensors"],
  ])("may be %s, and gives the masks that its own run gave", async (what, from) => {
    const { rows } = await run(what, { from: path(from) });
    expect(stagesDone(what)).toEqual(["search", "finetune"]);
    expect(text(what, "masks.safetensors")).toBe(text("whole", "masks.safetensors"));
    expect(rows[0]?.robustAccuracy).toBe((await run("whole")).rows[0]?.robustAccuracy);
  });

  test("may be a run folder that has no model yet: its last finished stage", async () => {
    await run("begun", { only: "pretrain" });
    await run("from-begun", { from: path("begun") });
    expect(text("from-begun", "masks.safetensors")).toBe(text("whole", "masks.safetensors"));
  });

  test("that is sparse is finetuned by itself: its zeros are the mask", async () => {
    const { rows } = await run("again", { from: path("whole"), only: "finetune" });
    expect(rows[0]?.sparsity).toBeCloseTo(0.5, 2);
    expect(text("again", "masks.safetensors")).toBe(text("whole", "masks.safetensors"));
  });

  test("of an experiment takes the place of pretraining, and another one is refused", async () => {
    const experiment = { text: TEXT + VARIANTS };
    const { rows } = await run("given", { from: path("experiment", "dense") }, experiment);
    expect(rows.map(({ robustAccuracy }) => robustAccuracy)).toEqual(
      (await run("experiment", {}, experiment)).rows.map(({ robustAccuracy }) => robustAccuracy),
    );
    await expect(run("given", { from: path("whole") }, experiment)).rejects.toMatchObject({
      code: "usage/recipe-changed",
    });
  });

  test("must be there, be finished, and be the recipe's", async () => {
    await expect(run("a", { from: path("nowhere") })).rejects.toMatchObject({ code: "data/missing" });
    await expect(run("b", { from: base })).rejects.toThrow("--from: expected a run folder with a finished stage, got");
    await expect(run("c", { from: path("whole") }, { set: ["model.width=3"] })).rejects.toThrow(
      "expected the recipe's model (width 3), got another one (width 2)",
    );
  });
});

test("a run by itself draws its attacked images before and after pruning", () => {
  const images = JSON.parse(text("whole", "images.json"));
  expect(Object.keys(images.examples[0].predictions)).toEqual(["before pruning", "small"]);
  expect(images).toMatchObject({ against: "before pruning", eps: "8/255" });
  expect(text("whole", "report.html")).toContain("data:image/png;base64,");
});

test("a run that goes on under other circumstances says so", async () => {
  await run("moved", { only: "pretrain" });
  const manifest = readManifest(path("moved"));
  expect(manifest.machine.threads).toBeGreaterThan(0);
  const before = { ...manifest, versions: { ...manifest.versions, torch: "0.9.0" } };
  writeFileSync(path("moved", "run.json"), JSON.stringify(before));
  const { warnings } = await run("moved");
  expect(warnings).toEqual([
    expect.stringMatching(
      /moved: goes on otherwise than it began \(torch 0\.9\.0, now \d+\.\d+\.\d+.*\), so its last bits/,
    ),
  ]);
});

describe("before anything is trained", () => {
  test("every stage must fit in memory", async () => {
    // Of 700,000 weights a search holds nineteen copies, pretraining eight.
    const set = ["model.width=16", "data.batchSize=2"];
    await expect(run("narrow", { availableMemory: 40e6 }, { set })).rejects.toMatchObject({
      code: "usage/memory",
      message: expect.stringMatching(/^search: expected \d+ MB of free memory for batchSize 2, got 40 MB/),
    });
    expect(existsSync(path("narrow", "run.json"))).toBe(false);
  });

  test.each([
    ["imageSize", 16, "model: expected images of [3,16,16], as its options say, got those of synthetic, [3,8,8]"],
    ["numClasses", 2, "model: expected numClasses >= 3, as synthetic has, got 2"],
  ])("the model must suit the data: %s", async (option, value, message) => {
    const set = [`model.${option}=${value}`, "data.numClasses=3"];
    await expect(run("odd", {}, { set })).rejects.toThrow(message);
  });
});

test("what is finished is given again, with a report that is written anew", async () => {
  cpSync(path("whole"), path("copy"), { recursive: true });
  rmSync(path("copy", "report.html"));
  const { rows } = await run("copy");
  expect(rows).toHaveLength(1);
  expect(existsSync(path("copy", "report.html"))).toBe(true);
  writeFileSync(path("copy", "results.json"), "{");
  await expect(run("copy")).rejects.toMatchObject({ code: "data/results" });
  rmSync(path("copy", "results.json"));
  expect((await run("copy")).rows[0]).toMatchObject({ ...rows[0], seconds: expect.any(Number) });
});

test("what an evaluation warns of is in the log", async () => {
  const { perturb } = pgd(linf({ eps: 1 }), { steps: 10 });
  const far = entry({
    summary: "leaves the ball",
    options: z.strictObject({}),
    create: (_, { threat }: { threat: Threat }): Attack => ({ name: "far", threat, perturb }),
  });
  registries.attacks.register("far", far);
  // A network of two steps says the same of everything, and nothing would break it.
  const learned = ["loss={name: natural}", "stages.finetune.epochs=6", "model.width=8"];
  await run("warned", {}, { set: [...learned, "evaluation=[{name: far}]"] });
  const warnings = readEvents(path("warned")).filter(({ type }) => type === "warning");
  expect(warnings).toMatchObject([{ code: "left-the-ball", message: expect.stringMatching(/^far: /) }]);
});

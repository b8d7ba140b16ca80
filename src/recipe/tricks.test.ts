// All switches of training at once, in a recipe: its stages, what they report, and going on after stops to the same bits.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type EpochDone, readEvents, withoutTimes } from "../run/index.js";
import { loadGroups } from "../train/checkpoint.js";
import { parseRecipe } from "./load.js";
import { registries } from "./registries.js";
import { runRecipe } from "./run.js";
import type { ResolvedRecipe } from "./schema.js";

const base = mkdtempSync(join(tmpdir(), "s2ap-tricks-"));
afterAll(() => rmSync(base, { recursive: true, force: true }));

const extra = fileURLToPath(new URL("../../test/golden/data/extra-deflated.npz", import.meta.url));
const text = `
name: tricks
data:
  { name: synthetic, batchSize: 16, examples: 32, selection: 16, testExamples: 16, numClasses: 4, size: 8,
    cutout: 3, mixup: 0.5, extra: { path: ${JSON.stringify(extra)}, ratio: 0.5 } }
model: { arch: resnet18, numClasses: 4, width: 4, imageSize: 8 }
threat: { norm: linf, eps: 8/255 }
loss: { name: trades, beta: 3, attack: { name: pgd, steps: 2 } }
optimizer: { name: sgd, lr: 0.02, momentum: 0.9, weightDecay: 1e-3 }
stages:
  pretrain: { epochs: 2, weightGradient: { name: awp, gamma: 0.02, warmup: 1 }, ema: { decay: 0.9 } }
  search: { epochs: 2, method: { name: hydra, keepRatio: 0.3 }, gradient: { name: s2ap, warmupEpochs: 1 } }
  finetune:
    epochs: 2
    weightGradient: { name: awp, gamma: 0.01 }
    ema: { decay: 0.95 }
    distill: { weight: 0.5, temperature: 2 }
evaluation: [{ name: clean }]
`;
const parse = (...set: string[]) => parseRecipe(text, "tricks.yaml", { registries, set });
/** The recipe without a line or entry of it. */
function parseWithout(part: string | RegExp): ResolvedRecipe {
  const rest = text.replace(part, "");
  expect(rest).not.toBe(text);
  return parseRecipe(rest, "tricks.yaml", { registries });
}

function result(run: string) {
  const events = readEvents(join(base, run)).map(withoutTimes);
  const stages = ["pretrain", "search", "finetune"].map((stage) => {
    const { groups } = loadGroups(join(base, run, "checkpoints", `${stage}.safetensors`));
    return [...groups].map(([group, params]) => [group, Array.from(params, ([name, t]) => [name, t.toArray()])]);
  });
  return { events, stages };
}
const epochsOf = (run: string) => readEvents(join(base, run)).filter(({ type }) => type === "epoch") as EpochDone[];

async function stoppedAfter(recipe: ResolvedRecipe, run: string, polls: number): Promise<void> {
  let asked = 0;
  const stopped = runRecipe(recipe, { out: join(base, run), shouldStop: () => ++asked > polls });
  await expect(stopped).rejects.toMatchObject({ code: "stopped" });
}

describe("a recipe with every switch", () => {
  const messages: string[] = [];
  beforeAll(async () => {
    const onUpdate = (update: { readonly kind: string }) => {
      if (update.kind === "message") messages.push((update as { readonly text?: string }).text ?? "");
    };
    await runRecipe(parse(), { out: join(base, "whole"), onUpdate });
  }, 200_000);

  test("tells of the extra images", () => {
    expect(messages.join("\n")).toContain("extra: 6 images of [3,8,8]");
    expect(messages.join("\n")).toContain("8 of the 16 images of each batch; 2 batches an epoch");
  });

  test("reports the cost of a perturbed step and the gap it climbed", () => {
    const [first, second, , , third] = epochsOf("whole");
    expect([first?.forwardCost, first?.backwardCost, first?.sharpnessGap]).toEqual([1, 1, undefined]);
    // TRADES with PGD-2: 1 clean + 2 attack + 2 training forwards, and 2 more at w + v.
    expect(second?.forwardCost).toBeCloseTo(7 / 5, 10);
    expect(second?.sharpnessGap).toBeGreaterThan(0);
    // With the teacher's pass, made before either: 8 of 6; 2 + 1 backward passes, and 1 more.
    expect(third?.forwardCost).toBeCloseTo(8 / 6, 10);
    expect(third?.backwardCost).toBeCloseTo(4 / 3, 10);
  });

  test("stopped in each stage goes on to the same bits and the same log", async () => {
    for (const polls of [5, 7, 9, 11, 40]) await stoppedAfter(parse(), "stopped", polls);
    await runRecipe(parse(), { out: join(base, "stopped") });
    expect(result("stopped")).toEqual(result("whole"));
  }, 200_000);

  test("differs from the same recipe without any one of them", async () => {
    const whole = result("whole").stages.at(-1);
    const without = [/, extra: \{.*?\}/, /cutout: 3, /, /mixup: 0.5, /];
    without.push(/ {4}weightGradient: .*\n/, / {4}ema: .*\n/, / {4}distill: .*\n/);
    for (const [i, part] of without.entries()) {
      await runRecipe(parseWithout(part), { out: join(base, `without-${i}`) });
      expect(result(`without-${i}`).stages.at(-1), String(part)).not.toEqual(whole);
    }
  }, 400_000);
});

describe("what is refused before any work", () => {
  test("mixed labels with a loss of one stage that needs whole ones", async () => {
    const run = runRecipe(parse("stages.finetune.loss={name: mart, attack: {name: fgsm}}"), {
      out: join(base, "mart"),
    });
    await expect(run).rejects.toThrow("finetune: expected a loss that takes mixed labels, as mixup makes them, got");
  });

  test("a teacher that there is not", async () => {
    const run = runRecipe(parseWithout(/ {2}pretrain: .*\n/), { out: join(base, "none") });
    await expect(run).rejects.toMatchObject({ code: "usage/no-teacher" });
  });

  test("a warm-up as long as its stage, with its place", () => {
    expect(() => parse("stages.pretrain.weightGradient.warmup=2")).toThrow(
      "expected warmup to end before the stage of 2 epochs does, got 2",
    );
  });

  test("an option of another gradient, with the nearest", () => {
    expect(() => parse("stages.finetune.weightGradient.gama=1")).toThrow("nearest: gamma");
  });
});

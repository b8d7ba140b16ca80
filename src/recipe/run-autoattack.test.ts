import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { parseRecipe } from "./load.js";
import { registries } from "./registries.js";
import { runRecipe } from "./run.js";

const base = mkdtempSync(join(tmpdir(), "s2ap-recipe-aa-"));
afterAll(() => rmSync(base, { recursive: true, force: true }));

const TEXT = `
name: small
data: { name: synthetic, batchSize: 16, examples: 32, selection: 16, testExamples: 16, numClasses: 2, size: 8 }
model: { arch: resnet18, numClasses: 2, width: 2, imageSize: 8 }
threat: { norm: linf, eps: 8/255 }
loss: { name: pgd-at, attack: { name: pgd, steps: 1 } }
optimizer: { name: sgd, lr: 0.05 }
stages: { pretrain: { epochs: 1 } }
evaluation: [{ name: clean }, { name: autoattack, examples: 12 }]
`;

/** Runs the recipe; `stopAt`: stops before this step of AutoAttack, its checks included. Tells how many it asked about. */
async function run(name: string, stopAt = Number.POSITIVE_INFINITY) {
  const recipe = parseRecipe(TEXT, "small.yaml", { registries, set: [] });
  let [attacking, steps] = [false, 0];
  const outcome = await runRecipe(recipe, {
    out: join(base, name),
    onUpdate: (update) => (attacking ||= update.kind === "evaluation" && update.attack === "autoattack"),
    shouldStop: () => attacking && ++steps >= stopAt,
  }).catch((error: { code?: string }) => error.code);
  return { outcome, steps };
}

const record = (name: string, ...file: string[]) => join(base, name, "evaluation", "2-autoattack", ...file);

/** Everything but the time it took. */
function result(name: string): unknown {
  const text = readFileSync(record(name, "result.json"), "utf8");
  return JSON.parse(text, (key, value: unknown) => (key === "seconds" ? undefined : value));
}

test("a run that was stopped inside AutoAttack goes on there, to the same bits", async () => {
  const whole = await run("whole");
  const stopped = await run("stopped", 60);
  expect(stopped.outcome).toBe("stopped");
  expect(existsSync(record("stopped", "shard-0", "snapshot.safetensors"))).toBe(true);
  expect(existsSync(record("stopped", "result.json"))).toBe(false);
  const resumed = await run("stopped");
  expect(resumed.outcome).toMatchObject({ rows: [{ attack: "aa-standard", examples: 12 }] });
  // Neither the checks nor the steps before the stop are made again.
  expect(resumed.steps).toBeLessThanOrEqual(whole.steps - 55);
  expect(result("stopped")).toEqual(result("whole"));
  const bytes = (name: string) => readFileSync(record(name, "adversarial.safetensors"));
  expect(bytes("stopped").equals(bytes("whole"))).toBe(true);
}, 300_000);

// Evaluations in this process, as the worker does them, on the committed network.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { committed, writeImages } from "../../../test/support/eval-process.js";
import { answerText } from "../commands/eval-text.js";
import type { Report } from "../jobs.js";
import { job } from "./eval.js";
import type { EvalOptions, EvalResult } from "./eval-options.js";

const folder = mkdtempSync(join(tmpdir(), "s2ap-eval-job-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const images = join(folder, "images.safetensors");
const network = { weights: committed("weights.safetensors"), arch: committed("arch.json"), images };
// A whole block of 128 and a part.
beforeAll(() => writeImages(images, 150));

/** Does the job; asked to stop as soon as `until` says so of what was told. */
async function run(options: Partial<EvalOptions>, until: (told: Report) => boolean = () => false) {
  let stop = false;
  const report = (told: Report) => {
    stop ||= until(told);
  };
  const given = { attacks: [], eps: "0.15", seed: 0, steps: 3, ...network, ...options };
  return (await job(given, { shouldStop: () => stop, report })) as EvalResult;
}

const at = (attack: string) => (told: Report) => told.kind === "evaluation" && told.attack.startsWith(attack);

describe("what was stopped", () => {
  test("says what is known of a list, and goes on when it is repeated", async () => {
    const list = { preset: "apgd", out: join(folder, "list") };
    const first = await run(list, at("clean"));
    // Of attacks that have not begun it says nothing.
    expect([first.status, first.examples, first.after, first.attacks]).toEqual([
      ...["stopped", 128, { clean: first.cleanAccuracy }, []],
    ]);
    const stopped = await run(list, at("apgd-t"));
    expect(stopped).toMatchObject({ status: "stopped", examples: 150, record: list.out });
    expect(Object.keys(stopped.after ?? {}).slice(0, 2)).toEqual(["clean", "apgd-ce"]);
    const done = await run(list);
    expect([done.status, done.cleanAccuracy]).toEqual(["done", stopped.cleanAccuracy]);
    expect(done.robustAccuracy).toBeLessThanOrEqual(stopped.robustAccuracy as number);
    const text = answerText(stopped);
    expect(text).toMatch(/^stopped: robust accuracy is at most [\d.]+ % on 150 images\nrepeat the command to go on$/m);
    expect(answerText(done)).not.toMatch(/stopped|repeat/);
  });

  test("says so where nothing is known, and keeps no promise without a record", async () => {
    const stopped = await run({ preset: "apgd" }, at("clean"));
    const early = (await job(
      { attacks: [], eps: "0.15", ...network, preset: "apgd" },
      { shouldStop: () => true, report: () => {} },
    )) as EvalResult;
    expect(early).toMatchObject({ status: "stopped", results: [] });
    expect(answerText(early)).toMatch(/^stopped: nothing is known yet$/m);
    expect(answerText(stopped)).not.toContain("repeat");
  });

  test("says what is known of distances", async () => {
    const curve = { preset: "curve", out: join(folder, "curve") };
    const stopped = await run(curve, at("fmn"));
    expect(stopped).toMatchObject({ status: "stopped", examples: 128, minimumNorm: { examples: 128 } });
    expect(stopped.minimumNorm?.indices).toHaveLength(128);
    expect(answerText(stopped)).toMatch(/at most [\d.]+ % on 128 images\nrepeat the command to go on$/m);
    expect(await run(curve)).toMatchObject({ status: "done", examples: 150 });
  });
});

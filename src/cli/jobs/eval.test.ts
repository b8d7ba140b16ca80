// Evaluations in this process, as the worker does them, on the committed network.
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { committed, writeImages } from "../../../test/support/eval-process.js";
import { loadTensors, saveTensors } from "../../nn/index.js";
import { ops, type Tensor } from "../../torch/index.js";
import { packageVersion } from "../../util/index.js";
import { answerText } from "../commands/eval-text.js";
import type { Report } from "../jobs.js";
import { job } from "./eval.js";
import type { EvalOptions, EvalResult, VerifyResult } from "./eval-options.js";

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

test("versions are those of the card", async () => {
  const out = join(folder, "versions");
  const { versions } = await run({ preset: "quick", examples: 8, out });
  expect(versions).toMatchObject({ s2ap: packageVersion() });
  expect(versions).toEqual(JSON.parse(readFileSync(join(out, "card.json"), "utf8")).versions);
});

test("a single run without a start begins where the attack's options say", async () => {
  const first = async (attack: string, name: string) => {
    const out = join(folder, name);
    const steps = attack === "fgsm" ? undefined : 1;
    const asked = { attacks: [attack], steps, examples: 8, dtype: "float32" as const, out };
    await run(asked);
    return loadTensors(join(out, "trace.safetensors")).tensors.get("loss")?.toNumbers().slice(0, 8);
  };
  const atImage = await first("{name: pgd, randomStart: false}", "at-image");
  expect(await first("fgsm", "fgsm")).toEqual(atImage);
  expect(await first("pgd", "anywhere")).not.toEqual(atImage);
});

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

describe("a record of distances", () => {
  const whole = join(folder, "distances");
  const copy = (name: string) => {
    cpSync(whole, join(folder, name), { recursive: true });
    return join(folder, name);
  };
  const verify = async (record: string, options: Partial<EvalOptions> = {}) =>
    (await run({ preset: undefined, verify: record, ...options })) as unknown as VerifyResult;
  let found: EvalResult;
  beforeAll(async () => {
    found = await run({ preset: "curve", steps: 10, out: whole });
  });
  const nearest = (record: string, first = 0) => join(record, "nearest", `${first}.safetensors`);

  test("keeps the points, which hold when they are asked again", async () => {
    expect(readdirSync(join(whole, "nearest")).sort()).toEqual(["0.safetensors", "128.safetensors"]);
    const distances = found.minimumNorm?.distances ?? [];
    const { tensors } = loadTensors(nearest(whole));
    const saved = tensors.get("indices")?.toNumbers();
    expect(saved).toEqual([...Array(128).keys()].filter((i) => (distances[i] ?? 0) > 0));
    expect(tensors.get("images")?.dtype).toBe("float32");
    const [labels, predictions] = ["labels", "predictions"].map((name) => tensors.get(name)?.toNumbers() ?? []);
    expect(predictions?.every((seen, i) => seen !== labels?.[i])).toBe(true);
    const claimed = distances.filter((distance) => distance !== null).length;
    expect(await verify(whole)).toMatchObject({
      ...{ holds: true, sameWeights: true, claimed, confirmed: claimed, failures: [], examples: 150 },
      ...{ recorded: found.robustAccuracy, robustAccuracy: found.robustAccuracy },
    });
  });

  test("does not hold with other points, without them, or with other distances", async () => {
    const [moved, without, nearer] = [copy("moved"), copy("without"), copy("nearer")];
    const { tensors } = loadTensors(nearest(moved));
    const points = tensors.get("images") as Tensor;
    saveTensors(nearest(moved), new Map([...tensors, ["images", ops.mul(points, 0.5)]]));
    const count = points.shape[0] as number;
    const other = await verify(moved);
    expect([other.holds, other.failures.length]).toEqual([false, count]);
    rmSync(nearest(without));
    expect((await verify(without)).failures).toHaveLength(count);
    expect((await verify(without)).failures[0]?.reason).toBe("there is no point at its distance");
    const file = JSON.parse(readFileSync(join(nearer, "distances.json"), "utf8"));
    const at = file.distances.findIndex((distance: number | null) => distance !== null && distance > 0);
    file.distances[at] /= 2;
    writeFileSync(join(nearer, "distances.json"), JSON.stringify(file));
    expect(await verify(nearer)).toMatchObject({
      ...{ holds: false, failures: [{ index: at, reason: "its nearest point is at another distance" }] },
    });
  });

  test("that was stopped, or that an earlier version began, goes on", async () => {
    const half = copy("half");
    const file = JSON.parse(readFileSync(join(half, "distances.json"), "utf8"));
    writeFileSync(join(half, "distances.json"), JSON.stringify({ ...file, distances: file.distances.slice(0, 128) }));
    rmSync(nearest(half, 128));
    const again = await run({ preset: "curve", steps: 10, out: half });
    expect(again.minimumNorm?.distances).toEqual(found.minimumNorm?.distances);
    expect((await verify(half)).holds).toBe(true);
    rmSync(join(half, "nearest"), { recursive: true });
    await expect(verify(half)).rejects.toThrow(/expected the points of its distances in nearest\/, got "none"/);
  });

  test.each(["fab", "{name: fab-t, targets: 2}"])("is measured by %s where that is asked for", async (attack) => {
    const { minimumNorm, cleanAccuracy, after } = await run({ preset: "curve", attacks: [attack], examples: 8 });
    const [name = ""] = /fab(-t)?/.exec(attack) ?? [];
    expect(minimumNorm).toMatchObject({ attack: name, examples: 8, options: { steps: 3 } });
    expect([minimumNorm?.cleanAccuracy, Object.keys(after ?? {})]).toEqual([cleanAccuracy, ["clean", name]]);
    expect(minimumNorm?.distances.some((distance) => distance !== null && distance > 0)).toBe(true);
  });

  test.each([[["pgd"]], [["apgd-ce"]], [["fmn", "fab"]]])("is not measured by %j", async (attacks) => {
    await expect(run({ preset: "curve", attacks })).rejects.toThrow(
      `--preset curve with at most one --attack, of fmn, fab, fab-t, got "${attacks.join(", ")}"`,
    );
  });

  test("has no batch size", async () => {
    await expect(run({ preset: "curve", batchSize: 16 })).rejects.toThrow("--preset curve without --batch-size");
  });

  test("is of no list of attacks, and says so", async () => {
    await expect(run({ compare: [whole, whole] })).rejects.toThrow(
      /expected the record of a list of attacks, got "one of distances only"; --curves draws these/,
    );
  });
});

// The preset ap-benchmark as processes of its own, on a linear network whose distances are known.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { loadTensors, saveTensors } from "../../src/nn/index.js";
import { ops, type Tensor, tensor } from "../../src/torch/index.js";
import { buildDist } from "../support/child.js";
import { committed, network, runEval } from "../support/eval-process.js";

const folder = mkdtempSync(join(tmpdir(), "s2ap-benchmark-"));
const record = join(folder, "record");
afterAll(() => rmSync(folder, { recursive: true }));
beforeAll(buildDist);

const run = (...argv: readonly string[]) => runEval(argv);

/** Eight images of four bands; class k is the brightness of band k. The last three have a wrong label. */
const bands = Array.from({ length: 8 }, (_, i) => [100, 90, 80, 70].map((v, k) => (k === i % 4 ? 110 + 4 * i : v)));
const files = ["arch.json", "weights.safetensors", "images.safetensors"].map((name) => join(folder, `bands-${name}`));
const argv = ["--arch", "--weights", "--images"].flatMap((flag, i) => [flag, files[i] as string]);

beforeAll(() => {
  const steps = [{ op: "flatten" }, { op: "linear", name: "fc", in: 64, out: 4, bias: false }];
  writeFileSync(files[0] as string, JSON.stringify({ name: "bands", input: [1, 8, 8], classes: 4, ops: steps }));
  const weight = Float32Array.from({ length: 4 * 64 }, (_, at) =>
    Number(Math.floor((at % 64) / 16) === Math.floor(at / 64)),
  );
  saveTensors(files[1] as string, new Map([["fc.weight", tensor(weight, [4, 64])]]));
  const pixels = Uint8Array.from(
    { length: 8 * 64 },
    (_, at) => bands[Math.floor(at / 64)]?.[Math.floor((at % 64) / 16)] ?? 0,
  );
  const repeated = (t: Tensor) => ops.cat(Array.from({ length: 272 }, () => t));
  const labels = BigInt64Array.from({ length: 8 }, (_, i) => BigInt((i < 5 ? i : i + 1) % 4));
  saveTensors(
    files[2] as string,
    new Map([
      ["images", repeated(tensor(pixels, [8, 1, 8, 8]))],
      ["labels", repeated(tensor(labels))],
    ]),
  );
});

test("has distances on its own images beside AutoAttack, and a claim", async () => {
  const { status, answer } = await run(...argv, "--preset", "ap-benchmark", "--examples", "2", "--out", record);
  expect([status, answer.preset, answer.eps, answer.examples]).toEqual([0, "ap-benchmark", "0.031", 2]);
  const { indices, eps, attack, options, cleanAccuracy, distances, curve } = answer.minimumNorm;
  expect([indices[0], indices.at(-1), indices.length]).toEqual([2048, 2175, 128]);
  expect([attack, eps, cleanAccuracy]).toEqual(["fmn", "8/255", 0.625]);
  expect(options).toMatchObject({ steps: 200, loss: "dlr", optimizer: { name: "sgd" }, scheduler: { final: 0 } });
  // Both bands move: the nearest boundary is half of the difference away.
  for (const [i, band] of bands.slice(0, 5).entries()) {
    const [first, second] = [...band].sort((a, b) => b - a) as [number, number];
    const least = (first - second) / 510;
    expect(distances[i]).toBeGreaterThanOrEqual(least - 1e-6);
    expect(distances[i]).toBeLessThan(1.1 * least);
  }
  // The eight images come again and again, and distances depend on nothing but the image.
  expect(distances.slice(8, 16)).toEqual(distances.slice(0, 8));
  expect(curve.points.length).toBeGreaterThan(2);
  const card = JSON.parse(readFileSync(join(record, "card.json"), "utf8"));
  expect(card.minimumNorm).toEqual(answer.minimumNorm);
  expect(readFileSync(join(record, "card.md"), "utf8")).toContain("## Minimum norms");
  const claim = readFileSync(join(record, "claim.md"), "utf8");
  expect(claim).toBe(answer.claim);
  expect(claim).toContain("its options the best of 32 trials");
  const percent = (100 * answer.minimumNorm.robustAccuracy).toFixed(2);
  expect(claim).toContain(`_Robust Accuracy (HO-FMN):_ ${percent}`);
  expect(readFileSync(join(record, "curve.svg"), "utf8")).toContain("eps 8/255");
  // Its points are of both parts.
  expect((await run(...argv, "--verify", record)).answer).toMatchObject({ holds: true, failures: [] });
  // Its own file of images has those of the list alone.
  const kept = ["--images", join(record, "clean.safetensors")];
  const partly = await run(...argv.slice(0, 4), ...kept, "--verify", record);
  expect([partly.status, partly.answer.error.message]).toEqual([3, expect.stringContaining("all 128 images, got 0")]);
  const at = tensor(BigInt64Array.from([0, 1, ...indices].reverse(), BigInt));
  const rows = [...loadTensors(files[2] as string).tensors].map(
    ([name, t]) => [name, ops.indexSelect(t, 0, at)] as const,
  );
  const { sha256 } = JSON.parse(readFileSync(join(record, "record.json"), "utf8")).data;
  saveTensors(kept[1] as string, new Map([...rows, ["indices", at]]), { data: sha256 });
  expect((await run(...argv.slice(0, 4), ...kept, "--verify", record)).answer).toMatchObject({
    holds: true,
    images: "kept",
  });
  const nearest = join(record, "nearest/0.safetensors");
  const { tensors } = loadTensors(nearest);
  saveTensors(nearest, new Map([...tensors, ["images", ops.mul(tensors.get("images") as Tensor, 0.5)]]));
  const refuted = await run(...argv, "--verify", record);
  expect([refuted.status, refuted.answer.holds, refuted.answer.failures[0].index]).toEqual([3, false, 2048]);
});

test("searches for the options, and goes on from the trials that it has", async () => {
  const path = join(record, "distances.json");
  const file = JSON.parse(readFileSync(path, "utf8"));
  const { trials, used, key } = file;
  expect(key.options.search).toEqual({ images: { first: 0, count: 64 }, trials: 32, steps: 100 });
  const medians = trials.map(({ median }: { median: number | null }) => median ?? Number.POSITIVE_INFINITY);
  const best = trials[medians.indexOf(Math.min(...medians))];
  expect([medians.length, used.optimizer]).toEqual([32, best.options.optimizer]);
  const { used: _, ...unused } = file;
  writeFileSync(path, JSON.stringify({ ...unused, trials: trials.slice(0, 30), distances: [] }));
  const { answer } = await run(...argv, "--preset", "ap-benchmark", "--examples", "2", "--out", record);
  const again = JSON.parse(readFileSync(path, "utf8"));
  expect([again.trials, again.used, again.distances]).toEqual([trials, used, file.distances]);
  // Two trials and the run itself, beside what was spent before.
  expect(answer.minimumNorm.passes.backward).toBe(file.passes.backward + 2 * 100 + 200);
});

test("says what is left out where the set has not these images", async () => {
  const { status, answer } = await run(
    ...network,
    "--images",
    committed("inputs.safetensors"),
    "--preset",
    "ap-benchmark",
    "--steps",
    "2",
  );
  expect([status, answer.minimumNorm, answer.claim]).toEqual([0, undefined, undefined]);
  const codes = answer.checks.map(({ code }: { code: string }) => code);
  expect(codes).toContain("minimum-norm-left-out");
});

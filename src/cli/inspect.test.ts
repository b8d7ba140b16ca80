import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { fakeTerminal } from "../../test/support/fake-terminal.js";
import { f32, ramp } from "../../test/support/foreign.js";
import { settledTensors } from "../../test/support/settled.js";
import { resnet18 } from "../models/index.js";
import { disposeParams, encodePt, encodeSafetensors, type RawTensor } from "../nn/index.js";
import { saveMasks, saveModel } from "../recipe/index.js";
import { liveTensors, ops, scope } from "../torch/index.js";
import { failureOf, JobError } from "./failure.js";
import { type InspectOptions, job } from "./jobs/inspect.js";
import { main } from "./main.js";
import type { Work } from "./work.js";

const folder = mkdtempSync(join(tmpdir(), "s2ap-inspect-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** The job in this thread. */
const work: Work = async (name, options) => {
  expect(name).toBe("inspect");
  try {
    return await job(options as InspectOptions, { shouldStop: () => false, report: () => undefined });
  } catch (error) {
    throw new JobError(failureOf(error));
  }
};

/** Runs `s2ap inspect`; nothing stays alive. */
async function inspect(...argv: readonly string[]) {
  const before = await settledTensors();
  const terminal = fakeTerminal();
  const code = await main(["inspect", ...argv], { terminal, work });
  expect(liveTensors()).toBe(before);
  const shown = (lines: readonly string[]) => lines.join("\n").replaceAll(folder, "FOLDER");
  return { code, out: shown(terminal.outLines), err: shown(terminal.errLines) };
}

function write(name: string, chunks: readonly Uint8Array[]): string {
  const path = join(folder, name);
  writeFileSync(path, Buffer.concat(chunks));
  return path;
}

/** A small network's state_dict, of which every number is a formula. */
function network(): Map<string, RawTensor> {
  const model = resnet18({ width: 2, numClasses: 5 });
  const state = new Map(
    Array.from([...model.params, ...model.buffers], ([name, { shape }]) => [name, ramp(shape)] as const),
  );
  disposeParams(model.params, model.buffers);
  return state;
}

const withPrefix = (prefix: string, state: ReadonlyMap<string, RawTensor>) =>
  new Map(Array.from(state, ([name, tensor]) => [prefix + name, tensor]));

/** HARP's, its rates such that they keep 10 %. */
function harp(): Map<string, RawTensor> {
  const state = new Map<string, RawTensor>();
  for (const [name, tensor] of network()) {
    state.set(name, tensor);
    if (!name.endsWith("weight") || tensor.shape.length < 2) continue;
    state.set(name.replace(/weight$/, "popup_scores"), ramp(tensor.shape, 104_729));
    const z = (0.1 - 0.01) / (1 - 0.01);
    state.set(name.replace(/weight$/, "k_score"), f32([Math.log(z / (1 - z))], []));
  }
  for (const name of [...state.keys()].filter((n) => n.endsWith("running_var"))) {
    state.set(name.replace("running_var", "num_batches_tracked"), f32([7], []));
  }
  return state;
}

const golden = (name: string) => resolve(`test/golden/inspect/${name}.txt`);

describe("in words", () => {
  test("scores and rates, with K inferred", async () => {
    const { code, out, err } = await inspect(write("harp.pth.tar", encodePt(withPrefix("module.", harp()))));
    expect([code, err]).toEqual([0, ""]);
    await expect(`${out}\n`).toMatchFileSnapshot(golden("harp"));
  });

  test("scores alone, which need a keep ratio; the masks of one that is given", async () => {
    const scores = new Map([...harp()].filter(([name]) => !name.endsWith("k_score")));
    const path = write("hydra.pt", encodePt(scores));
    expect((await inspect(path)).out).toContain(
      "scores of 21 layers; needed: the share that was kept, as --keep-ratio 0.1",
    );
    const { out } = await inspect(path, "--keep-ratio", "0.05");
    expect(out).toContain("at keep ratio 0.05; with them 94.9 % of the prunable weights are zero");
  });

  test("tensors of no network that s2ap knows", async () => {
    const state = new Map([
      ["encoder.weight", ramp([4, 3])],
      ["encoder.bias", f32([0, 1, 2, 3], [4])],
    ]);
    const { code, out } = await inspect(write("other.safetensors", encodeSafetensors({ tensors: state })));
    expect(code).toBe(0);
    await expect(`${out}\n`).toMatchFileSnapshot(golden("other"));
  });

  test("a normalisation in the file", async () => {
    const state = new Map([
      ...network(),
      ["normalize.mean", f32([0.4914, 0.4822, 0.4465], [3, 1, 1])],
      ["normalize.std", f32([0.2471, 0.2435, 0.2616], [3, 1, 1])],
    ] as [string, RawTensor][]);
    const { out } = await inspect(write("bird.tar", encodePt(state)));
    expect(out).toContain("(x - [0.4914, 0.4822, 0.4465]) / [0.2471, 0.2435, 0.2616], in the file");
    expect(out).toContain("resnet18 (width 2, numClasses 5), by names and shapes: every tensor is there and fits");
  });

  test("a run's folder, with its masks", async () => {
    const run = join(folder, "run");
    mkdirSync(run);
    const model = resnet18({ width: 2, numClasses: 5, normalize: { mean: [0.5, 0.5, 0.5], std: [1, 1, 1] } });
    saveModel(join(run, "model.safetensors"), model, { sparsity: "0.5" });
    const weight = model.params.get("linear.weight");
    scope(() =>
      saveMasks(join(run, "masks.safetensors"), new Map([["linear.weight", ops.zerosLike(weight as never)]])),
    );
    disposeParams(model.params, model.buffers);
    const { code, out } = await inspect(run);
    expect(code).toBe(0);
    await expect(`${out.replace(/[\d.]+ kB/, "SIZE")}\n`).toMatchFileSnapshot(golden("run"));
  });
});

describe("for machines", () => {
  test("the same as data", async () => {
    const { out } = await inspect(write("harp.pt", encodePt(harp())), "--json");
    const found = JSON.parse(out);
    expect(found).toMatchObject({
      layout: "harp",
      container: "zip",
      network: { arch: "resnet18", options: { width: 2, numClasses: 5 }, fits: true, from: "names" },
      normalisation: { source: "none" },
      parameters: 11_335,
      tensors: 102,
      sparsity: 0,
      masks: { source: "rates", keepRatio: 0.1, scores: 21, rates: 21, masks: 0 },
    });
    expect(found.layers).toHaveLength(21);
    expect(found.layers[0]).toMatchObject({ name: "conv1.weight", shape: [2, 3, 3, 3], weights: 54, zeros: 0 });
    expect(found.maskedSparsity).toBeCloseTo(0.9, 2);
    expect(found.dropped).toHaveLength(20);
  });
});

describe("hostile files", () => {
  const evil = "\x1b]0;owned\x07\x1b[2Jlayer\u202E\r";
  const CONTROL = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u;

  test("names and facts cannot reach the terminal as control characters", async () => {
    const tensors = new Map([
      [`${evil}.weight`, ramp([2, 3])],
      [`${evil}.num_batches_tracked`, f32([1], [])],
    ]);
    const path = write("evil.safetensors", encodeSafetensors({ tensors, metadata: { [evil]: evil } }));
    for (const argv of [[path], [path, "--json"]]) {
      const { code, out } = await inspect(...argv);
      expect(code).toBe(0);
      expect(out.replaceAll("\n", "")).not.toMatch(CONTROL);
    }
    expect((await inspect(path)).out).toContain("\\x1b]0;owned\\x07\\x1b[2Jlayer\\u{202e}\\x0d.weight");
  });

  test("nor can errors about them", async () => {
    const tensors = new Map([
      ["fc.weight", ramp([2, 3])],
      [`${evil}.popup_scores`, ramp([2, 3])],
    ] as const);
    const { code, err } = await inspect(write("evil.pt", encodePt(new Map(tensors))));
    expect(code).toBe(3);
    expect(err).toContain("expected scores of");
    expect(err).not.toMatch(CONTROL);
    const hostile = "\x80\x02c\x1b[2Jos\nsystem\n.";
    const { storedZip } = await import("../util/zip-write.js");
    const global = await inspect(write("global.pt", storedZip([["a/data.pkl", Buffer.from(hostile, "latin1")]])));
    expect(global.code).toBe(3);
    expect(global.err).toContain("\\x1b[2Jos.system");
    expect(global.err).not.toMatch(CONTROL);
  });
});

describe("what is refused, and the cure", () => {
  const pt = resolve("test/golden/data/pt");
  test.each<[string, string | Buffer, string]>([
    ["page.pth", "<!DOCTYPE html><html>", "a web page saved under this name"],
    ["lfs.pt", "version https://git-lfs.github.com/spec/v1\n", "git lfs pull"],
    ["empty.pt", "", "an empty file"],
    ["text.pt", "hello", "5 bytes of something else"],
    ["short.pt", Buffer.concat(encodePt(network())).subarray(0, 3000), "expected"],
    ["short.safetensors", Buffer.from("100000000000000000000000", "hex"), "expected"],
  ])("%s", async (name, bytes, reason) => {
    const { code, out, err } = await inspect(write(name, [Buffer.from(bytes)]));
    expect([code, out]).toEqual([3, ""]);
    expect(err).toContain(`FOLDER/${name}`);
    expect(err).toContain(reason);
  });

  test.each([
    ["module-zip.pt", "a whole pickled module"],
    ["script.pt", "a TorchScript archive"],
    ["hostile-legacy.pt", "which is not on the list of what is only data"],
    ["complex-zip.pt", "tensors of this kind are not read"],
    ["values-zip.pt", "a dict of tensors"],
  ])("%s", async (name, reason) => {
    const { code, err } = await inspect(join(pt, name));
    expect(code).toBe(3);
    expect(err).toContain(reason);
    const told = JSON.parse((await inspect(join(pt, name), "--json")).out);
    expect(told.error.message).toContain(reason);
  });

  test("a folder without a network, and nothing at all", async () => {
    const empty = join(folder, "empty");
    mkdirSync(empty);
    expect(await inspect(empty)).toMatchObject({
      code: 3,
      err: "s2ap: FOLDER/empty: expected a run with a finished stage, or a folder with model.safetensors, got neither",
    });
    expect((await inspect(join(folder, "gone.pt"))).code).toBe(3);
  });
});

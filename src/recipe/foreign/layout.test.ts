import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { bytesOf, f32, numbersOf, opened, ramp } from "../../../test/support/foreign.js";
import { encodePt, encodeSafetensors, type PtValue, type RawTensor } from "../../nn/index.js";
import { DataError } from "../../util/index.js";
import { readForeign, recogniseCheckpoint } from "./layout.js";

const folder = mkdtempSync(join(tmpdir(), "s2ap-layout-"));
afterAll(() => rmSync(folder, { recursive: true }));

const dense = () => ({
  "conv1.weight": ramp([4, 3, 3, 3]),
  "bn1.weight": f32([1, 1, 1, 1], [4]),
  "bn1.running_mean": f32([0, 0, 0, 0], [4]),
  "linear.weight": ramp([2, 4]),
  "linear.bias": f32([1, 2], [2]),
});

const map = (values: Readonly<Record<string, PtValue>>) => new Map<PtValue, PtValue>(Object.entries(values));
const scored = (leaf: string) => ({ [`conv1.${leaf}`]: ramp([4, 3, 3, 3]), [`linear.${leaf}`]: ramp([2, 4]) });
const k = (value: number) => f32([value], []);
const prefixed = (prefix: string, values: Readonly<Record<string, RawTensor>>) =>
  Object.fromEntries(Object.entries(values).map(([name, tensor]) => [prefix + name, tensor]));
const read = (value: PtValue) => recogniseCheckpoint(opened(value));
const why = (checkpoint: ReturnType<typeof read>) => Object.fromEntries(checkpoint.dropped.map((d) => [d.name, d.why]));
const halved = () => ({ ...dense(), "linear.weight": f32([0, 0, 0, 0, 1, 2, 3, -0], [2, 4]) });

describe("a layout is known by what only its program writes", () => {
  const trained = { epoch: 3, arch: "resnet18", best_prec1: k(81.5), optimizer: map({ state: map({}) }) };
  test.each<[string, string, PtValue]>([
    ["hydra", "popup_scores", map({ ...trained, state_dict: map({ ...dense(), ...scored("popup_scores") }) })],
    [
      "harp",
      "popup_scores and k_score",
      map({
        ...trained,
        state_dict: map({ ...dense(), ...scored("popup_scores"), "conv1.k_score": k(-2), "linear.k_score": k(-1) }),
      }),
    ],
    ["harp", "k_score without popup_scores: an export of HARP", map({ ...dense(), "conv1.k_score": k(-2) })],
    [
      "rst",
      "scores beside weights",
      map({ ...trained, state_dict: map(prefixed("module.", { ...dense(), ...scored("scores") })) }),
    ],
    ["mad", "mask_weight", map({ net: map({ ...dense(), ...scored("mask_weight") }), acc: 80, epoch: 1 })],
    [
      "flyingbird",
      "mask_info",
      map({ state_dict: map(dense()), mask_info: map({ masks: map({ "conv1.weight_0": ramp([4, 3, 3, 3]) }) }) }),
    ],
    ["flyingbird", "best_sa and best_ra", map({ state_dict: map(dense()), best_sa: 80, best_ra: 50 })],
    ["awp", "state_dict and test_...", map({ state_dict: map(prefixed("module.", dense())), test_robust_acc: 55.4 })],
    ["benchmark", "state_dict with 4.3 % zeros", map({ ...trained, state_dict: map(halved()) })],
    ["benchmark", "net with 4.3 % zeros", map({ net: map(halved()) })],
    ["twinrep", "a bare state_dict with 4.3 % zeros, as TwinRep, R-ADMM and PwoA leave", map(halved())],
    ["plain", "a bare state_dict", map(dense())],
    ["plain", "state_dict", map({ ...trained, state_dict: map(dense()) })],
  ])("%s: %s", (layout, because, value) => {
    const found = read(value);
    expect([found.layout, found.because]).toEqual([layout, because]);
    expect([...found.state.keys()]).toEqual(Object.keys(dense()));
  });
});

describe("what is taken apart", () => {
  test("scores and rates by the name of their weight", () => {
    const found = read(
      map({ ...dense(), ...scored("popup_scores"), "conv1.k_score": k(-2), "linear.k_score": f32([0.5], [1]) }),
    );
    expect([...found.scores.keys()]).toEqual(["conv1.weight", "linear.weight"]);
    expect([...found.rates]).toEqual([
      ["conv1.weight", -2],
      ["linear.weight", 0.5],
    ]);
  });

  test.each([["module."], ["module.module."], ["_orig_mod."], ["module.basic_model."], ["basic_model."]])(
    "%s is stripped from names",
    (prefix) => {
      const found = read(map(prefixed(prefix, dense())));
      expect([...found.state.keys()]).toEqual(Object.keys(dense()));
      expect(found.prefix).toBe(prefix);
      expect(found.warnings.some((text) => text.includes("normalises"))).toBe(prefix.includes("basic_model"));
    },
  );

  test("tensors of the wrapper stay under their names", () => {
    const found = read(map({ ...prefixed("module.basic_model.", dense()), "module.mean": f32([0, 0, 0], [3]) }));
    expect([...found.state.keys()]).toEqual([...Object.keys(dense()), "mean"]);
  });

  test("a name that comes twice is refused", () => {
    const twice = map({ "basic_model.conv1.weight": ramp([2, 2]), "conv1.weight": ramp([2, 2]) });
    expect(() => read(twice)).toThrow('expected each name once, got "conv1.weight" with and without a prefix');
  });

  test("names of which only some begin with module. are kept, and told", () => {
    const found = read(map({ ...dense(), "module.fc.weight": ramp([2, 2]) }));
    expect(found.state.has("module.fc.weight")).toBe(true);
    expect(found.warnings).toEqual(["1 of 6 names begin with module. and the others do not"]);
  });

  test("a weight under torch.nn.utils.prune has its own name again", () => {
    const { "linear.weight": weight, ...rest } = dense();
    const found = read(map({ ...rest, "linear.weight_orig": weight, "linear.weight_mask": ramp([2, 4]) }));
    expect([...found.masks.keys()]).toEqual(["linear.weight"]);
    expect(found.state.get("linear.weight")).toBe(weight);
  });

  test("MAD's masks go through softplus into weights and biases", () => {
    const one = Math.log(Math.E - 1);
    const found = read(
      map({
        net: map({
          "fc.weight": f32([2, 4, 0, -6], [2, 2]),
          "fc.bias": f32([1, 2], [2]),
          "fc.mask_weight": f32([one, 0, one, Math.log(Math.exp(1e-4) - 1)], [2, 2]),
          "fc.mask_bias": f32([one, 1], [2]),
        }),
      }),
    );
    const near = (values: readonly number[]) => values.map((value) => expect.closeTo(value, 6));
    expect(numbersOf(found.state.get("fc.weight"))).toEqual(near([2, 4 * Math.log(2), 0, -6e-4]));
    expect(numbersOf(found.state.get("fc.bias"))).toEqual(near([1, 2 * Math.log(1 + Math.E)]));
    // One weight is zero, and one is held at the floor.
    expect([...(found.masks.get("fc.weight")?.data ?? [])]).toEqual([1, 1, 0, 0]);
    expect(found.masks.has("fc.bias")).toBe(false);
    expect(why(found)).toEqual({
      "fc.mask_weight": "multiplied into what it masks",
      "fc.mask_bias": "multiplied into what it masks",
    });
  });

  test("facts are what a file says of itself in one value", () => {
    const { facts, dropped } = read(
      map({
        state_dict: map(dense()),
        epoch: 3,
        best_prec1: k(81.5),
        curr_acc1: "Not evaluated",
        big: 2n ** 70n,
        done: true,
        args: map({ lr: 0.1, gpu: null, layers: [1, 2] }),
        long: "x".repeat(500),
      }),
    );
    expect(facts).toEqual({
      epoch: 3,
      best_prec1: 81.5,
      curr_acc1: "Not evaluated",
      big: String(2n ** 70n),
      done: "true",
      "args.lr": 0.1,
      long: `${"x".repeat(200)}...`,
    });
    expect(dropped).toEqual([]);
  });
});

describe("what is left out is said, with the reason", () => {
  test("each reason", () => {
    const found = read(
      map({
        state_dict: map({
          ...dense(),
          "bn1.num_batches_tracked": f32([7], []),
          "sub_block1.layer.0.conv1.weight": ramp([2, 2]),
          "sub_block1.layer.0.conv1.popup_scores": ramp([2, 2]),
          note: "text",
        }),
        optimizer: map({ state: map({}) }),
        scheduler: map({}),
        result: [1, 2],
        ema: map({ w: ramp([2, 2]) }),
        comment: null,
        mask_info: map({ masks: map({ "gone.weight_3": ramp([2, 2]) }) }),
      }),
    );
    expect(why(found)).toEqual({
      "bn1.num_batches_tracked": "a count that batch norm with a fixed momentum does not need",
      "sub_block1.layer.0.conv1.weight": "a copy of the first stage that HYDRA's WRN has and does not use",
      "sub_block1.layer.0.conv1.popup_scores": "a copy of the first stage that HYDRA's WRN has and does not use",
      note: "no tensor",
      optimizer: "the state of a training, which is not gone on with",
      scheduler: "the state of a training, which is not gone on with",
      result: "not part of the network",
      ema: "tensors that are not the network's",
      comment: "says nothing",
      mask_info: "not part of the network",
      "mask_info.masks.gone.weight_3": "a mask of no weight in the file",
    });
    expect(found.layout).toBe("plain");
  });

  test("facts beyond sixty", () => {
    const many = Object.fromEntries(Array.from({ length: 70 }, (_, i) => [`f${i}`, i]));
    const { facts, dropped } = read(map({ state_dict: map(dense()), ...many }));
    expect(Object.keys(facts)).toHaveLength(60);
    expect(dropped).toHaveLength(10);
    expect(dropped[0]).toEqual({ name: "f60", why: "one fact of too many" });
  });
});

describe("what fits no layout is refused", () => {
  const what =
    "f.pt: expected a dict of tensors, or one that has them under state_dict, net, model_state_dict, model, network";
  test.each<[string, PtValue]>([
    ["a list of 2", [1, 2]],
    ["one tensor [2, 2]", ramp([2, 2])],
    ["a dict of 1 other values", map({ epoch: 3 })],
    ["a dict of nothing", map({})],
    ["None", null],
  ])("%s", (got, value) => {
    expect(() => read(value)).toThrow(`${what}, got ${got}`);
  });

  test.each<[string, PtValue, string]>([
    [
      "scores of another shape",
      map({ ...dense(), "linear.popup_scores": ramp([4, 2]) }),
      'scores of "linear.weight" [2,4]',
    ],
    [
      "scores of no weight",
      map({ ...dense(), "gone.popup_scores": ramp([4, 2]) }),
      'scores of "gone.weight" [no such weight]',
    ],
    [
      "several rates",
      map({ ...dense(), ...scored("popup_scores"), "linear.k_score": ramp([2]) }),
      'one number in k_score of "linear.weight"',
    ],
    [
      "a soft mask of no weight",
      map({ net: map({ ...dense(), "gone.mask_weight": ramp([2]) }) }),
      'a mask shaped like "gone.weight", which is not there',
    ],
  ])("%s", (_, value, text) => {
    expect(() => read(value)).toThrow(DataError);
    expect(() => read(value)).toThrow(text);
  });
});

describe("files", () => {
  const tensors = new Map(Object.entries(halved()));
  const write = (name: string, chunks: Uint8Array[]) => {
    const path = join(folder, name);
    writeFileSync(path, Buffer.concat(chunks));
    return path;
  };

  test("our own .pt writer's are zip", () => {
    const found = readForeign(write("a.tar", encodePt(tensors)));
    expect([found.container, found.layout]).toEqual(["zip", "twinrep"]);
    expect(bytesOf(found.state.get("linear.weight"))).toEqual(bytesOf(tensors.get("linear.weight")));
  });

  test("safetensors are known by their bytes, whatever their name", () => {
    for (const name of ["a.safetensors", "b.pth"]) {
      const found = readForeign(write(name, encodeSafetensors({ tensors, metadata: { author: "n. n." } })));
      expect([found.container, found.layout, found.facts]).toEqual(["safetensors", "twinrep", { author: "n. n." }]);
    }
  });

  test("ours say what they are", () => {
    const spec = JSON.stringify({ arch: "resnet18", width: 8 });
    const found = readForeign(
      write("c.safetensors", encodeSafetensors({ tensors, metadata: { spec, sparsity: "0.5" } })),
    );
    expect([found.layout, found.facts]).toEqual(["s2ap", { arch: "resnet18", sparsity: "0.5" }]);
    expect(found.state.size).toBe(5);
  });

  test("a stage's result is a network with its masks", () => {
    const stage = new Map([
      ["params/fc.weight", ramp([2, 2])],
      ["buffers/bn.running_mean", ramp([2])],
      ["masks/fc.weight", ramp([2, 2])],
      ["optimizer/fc.weight", ramp([2, 2])],
    ]);
    const found = readForeign(write("d.safetensors", encodeSafetensors({ tensors: stage, metadata: { meta: "{}" } })));
    expect([...found.state.keys()]).toEqual(["fc.weight", "bn.running_mean"]);
    expect([...found.masks.keys()]).toEqual(["fc.weight"]);
    expect(found.dropped).toEqual([{ name: "optimizer/...", why: "the state of a stage" }]);
  });
});

import { describe, expect, test } from "vitest";
import { ramp } from "../../../test/support/foreign.js";
import { bits, freeModel } from "../../../test/support/tiny.js";
import { models } from "../../models/index.js";
import { disposeParams, type RawTensor } from "../../nn/index.js";
import { liveTensors, toBytes } from "../../torch/index.js";
import { DataError, UsageError } from "../../util/index.js";
import { type Adopted, type AdoptOptions, adoptCheckpoint } from "./adopt.js";
import type { ForeignCheckpoint } from "./checkpoint.js";
import { MismatchError } from "./mismatch.js";
import { parseNormalisation } from "./normalize.js";

type State = Map<string, RawTensor>;

/** A small network of seed 3, so that nothing of it is what a new one has. */
function stateOf(arch = "resnet18", options: object = { width: 2, numClasses: 4 }): State {
  const { options: schema, create } = models.get(arch);
  const model = create(schema.parse(options) as never, { seed: 3 });
  const state: State = new Map();
  for (const [name, tensor] of [...model.params, ...model.buffers]) {
    state.set(name, { dtype: tensor.dtype, shape: tensor.shape, data: toBytes(tensor) });
  }
  freeModel(model);
  return state;
}

function checkpoint(state: State, more: Partial<ForeignCheckpoint> = {}): ForeignCheckpoint {
  const nothing = { scores: new Map(), rates: new Map(), masks: new Map(), facts: {}, dropped: [], warnings: [] };
  return { where: "f.pt", layout: "plain", because: "test", container: "zip", prefix: "", state, ...nothing, ...more };
}

function adopted<T>(given: ForeignCheckpoint, options: AdoptOptions, use: (found: Adopted) => T): T {
  const found = adoptCheckpoint(given, options);
  try {
    return use(found);
  } finally {
    freeModel(found.model);
    disposeParams(found.masks ?? new Map());
  }
}

function refusal(given: ForeignCheckpoint, options: AdoptOptions = {}): MismatchError {
  const before = liveTensors();
  try {
    adopted(given, options, () => {});
  } catch (error) {
    expect(liveTensors()).toBe(before);
    if (error instanceof MismatchError) return error;
    throw error;
  }
  throw new Error("expected a MismatchError");
}

test("a dense network is taken bit for bit, and has no masks", () => {
  const state = stateOf();
  adopted(checkpoint(state), {}, ({ model, masks, mask, random, warnings, sparsity }) => {
    expect(model.spec).toMatchObject({ arch: "resnet18", width: 2, numClasses: 4, imageSize: 32 });
    expect([masks, mask.source, random, warnings, sparsity.total]).toEqual([undefined, "none", [], [], 0]);
    const written = [...model.params, ...model.buffers].map(([name, tensor]) => [name, [...toBytes(tensor)]]);
    expect(Object.fromEntries(written)).toEqual(
      Object.fromEntries(Array.from(state, ([name, { data }]) => [name, [...data]])),
    );
  });
});

test("masks are multiplied in, and cover every prunable layer", () => {
  const state = stateOf();
  const name = "layer1.0.conv1.weight";
  const scores = new Map([[name, ramp(state.get(name)?.shape ?? [])]]);
  adopted(checkpoint(state, { layout: "hydra", scores }), { keepRatio: 0.25 }, ({ model, masks, sparsity }) => {
    expect([...(masks ?? [])].map(([layer]) => layer)).toEqual(model.prunable);
    expect(sparsity.layers[name]).toBe(0.75);
    expect(sparsity.layers["conv1.weight"]).toBe(0);
    const zeros = Array.from(model.params.get(name)?.toNumbers() ?? [], (value) => Number(value !== 0));
    expect(masks?.get(name)?.toNumbers()).toEqual(zeros);
  });
});

describe("what does not fit is refused, and listed", () => {
  test("without an architecture, with the nearest", () => {
    const state = stateOf();
    state.delete("bn1.weight");
    state.set("odd\u001b[2J", ramp([3]));
    state.set("linear.bias", ramp([5]));
    const error = refusal(checkpoint(state));
    expect(error).toBeInstanceOf(DataError);
    expect(error.message).toBe(
      [
        "f.pt: expected the tensors of a network that s2ap knows, got others, nearest to those of resnet18 (width 2, numClasses 4):",
        "  missing:      bn1.weight",
        '  unexpected:   "odd\\u001b[2J"',
        "  other shape:  linear.bias [5], not [4]",
        "Name another network with --arch (see s2ap list models) and its options with --set,",
        "or take only what fits with --partial. --json lists every name.",
      ].join("\n"),
    );
    expect(error.problems).toMatchObject([{ arch: "resnet18", missing: ["bn1.weight"] }]);
  });

  test("with the wrong one, and the right one named", () => {
    const { message, problems } = refusal(checkpoint(stateOf()), { arch: "preactresnet18" });
    expect(message).toMatch(/^f\.pt: expected the tensors of preactresnet18 \(width 2, numClasses 4\), got others:\n/);
    expect(message).toMatch(/ missing: {6}bn\.weight, bn\.bias, bn\.running_mean, bn\.running_var\n/);
    expect(message).toMatch(/ and \d+ more\n/);
    expect(message).toContain("\nby names and shapes they are those of resnet18 (width 2, numClasses 4)\n");
    expect(problems[0]?.unexpected.length).toBeGreaterThan(8);
  });

  test("with options that they do not have", () => {
    const { message } = refusal(checkpoint(stateOf()), { set: { numClasses: 7 } });
    expect(message).toContain("other shape:  linear.weight [4, 16], not [7, 16], linear.bias [4], not [7]");
    expect(() => adoptCheckpoint(checkpoint(stateOf()), { set: { wdith: 2 } })).toThrow(UsageError);
    expect(() => adoptCheckpoint(checkpoint(stateOf()), { arch: "resnet81" })).toThrow(/nearest: resnet18/);
  });

  test("names that no network has", () => {
    const state: State = new Map([["encoder.w", ramp([2, 2])]]);
    for (const partial of [false, true]) {
      expect(() => adoptCheckpoint(checkpoint(state), { partial })).toThrow(
        "f.pt: expected the tensors of a network that s2ap knows (see s2ap list models), got names that none of them has: encoder.w",
      );
    }
    expect(() => adoptCheckpoint(checkpoint(state), { arch: "resnet18", partial: true })).toThrow(MismatchError);
  });

  test("a network of ours, which needs no import", () => {
    const ours = checkpoint(stateOf(), { layout: "s2ap", facts: { arch: "resnet18" } });
    expect(() => adoptCheckpoint(ours)).toThrow(/use it as it is/);
  });
});

describe("in part", () => {
  test("what fits is taken, the rest stays random and is said", () => {
    const state = stateOf();
    const whole = stateOf();
    state.delete("layer1.0.conv1.weight");
    state.delete("bn1.running_mean");
    state.set("linear.weight", ramp([4, 17]));
    state.set("extra", ramp([1, 2]));
    const fresh = models.get("resnet18").create({ width: 2, numClasses: 4, imageSize: 32 } as never, { seed: 0 });
    adopted(checkpoint(state), { partial: true }, ({ model, random, warnings }) => {
      expect(random).toEqual(["layer1.0.conv1.weight", "linear.weight", "bn1.running_mean"]);
      expect(warnings).toEqual([
        "PARTIAL: 3 of 122 tensors stay RANDOM: layer1.0.conv1.weight, linear.weight, bn1.running_mean; 2 of the file's are left out",
      ]);
      for (const [name, tensor] of [...model.params, ...model.buffers]) {
        const initial = fresh.params.get(name) ?? fresh.buffers.get(name);
        const wanted = random.includes(name) ? initial?.toNumbers() : undefined;
        if (wanted) expect([name, tensor.toNumbers()]).toEqual([name, wanted]);
        else expect([name, [...toBytes(tensor)]]).toEqual([name, [...(whole.get(name)?.data ?? [])]]);
      }
    });
    freeModel(fresh);
  });

  test("random weights are not pruned", () => {
    const state = stateOf();
    const name = "linear.weight";
    const scores = new Map([[name, ramp(state.get(name)?.shape ?? [])]]);
    const options = { keepRatio: 0.5, partial: true, set: { numClasses: 6 } };
    adopted(checkpoint(state, { layout: "hydra", scores }), options, ({ random, sparsity }) => {
      expect([random, sparsity.layers[name]]).toEqual([["linear.weight", "linear.bias"], 0]);
    });
  });
});

describe("normalisation", () => {
  const normalised = () => {
    const state = stateOf("preactresnet18");
    const f32 = (values: number[]): RawTensor => ({
      ...{ dtype: "float32", shape: [1, 3, 1, 1] },
      data: new Uint8Array(Float32Array.from(values).buffer),
    });
    return new Map([
      ["normalize.mean", f32([0.4914, 0.4822, 0.4465])],
      ["normalize.std", f32([0.247, 0.2435, 0.2616])],
      ...state,
    ]);
  };

  test("is the file's", () => {
    adopted(checkpoint(normalised(), { layout: "flyingbird" }), {}, ({ model, warnings, notes }) => {
      expect(model.spec.normalize).toEqual({ mean: [0.4914, 0.4822, 0.4465], std: [0.247, 0.2435, 0.2616] });
      expect(warnings).toEqual([]);
      expect(notes).toEqual(["normalize.mean and normalize.std become the model's option normalize"]);
    });
  });

  test("or the caller's, who is told where they differ", () => {
    const normalize = parseNormalisation("svhn");
    adopted(checkpoint(normalised()), { normalize }, ({ model, warnings }) => {
      expect(model.spec.normalize).toEqual({ mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] });
      expect(warnings).toEqual([
        "the file has a normalisation of its own, and --normalize names another: that one is taken",
      ]);
    });
    adopted(checkpoint(normalised()), { normalize: "none" }, ({ model, warnings }) => {
      expect([model.spec.normalize, warnings.length]).toEqual([undefined, 1]);
    });
  });

  test("where programs keep it to themselves, a warning asks for it", () => {
    const [asked] = [/import it with --normalize cifar10 /];
    adopted(checkpoint(stateOf("preactresnet18"), { layout: "awp" }), {}, ({ warnings }) => {
      expect(warnings).toEqual([expect.stringMatching(asked)]);
    });
    for (const normalize of ["none", parseNormalisation("cifar10")] as const) {
      adopted(checkpoint(stateOf("preactresnet18"), { layout: "awp" }), { normalize }, ({ warnings }) => {
        expect(warnings).toEqual([]);
      });
    }
  });

  test("is given by name or in numbers", () => {
    expect(parseNormalisation("none")).toBeUndefined();
    expect(parseNormalisation("0.5,0.4/0.2,0.1")).toEqual({ mean: [0.5, 0.4], std: [0.2, 0.1] });
    for (const bad of ["cifar", "0.5", "0.5,0.5/0.2", "0.5/0", "a/b", "1/2/3", ""]) {
      expect(() => parseNormalisation(bad), bad).toThrow(UsageError);
    }
  });
});

test("16 and 64 bits become float32", () => {
  const state = stateOf();
  const bias = state.get("linear.bias") as RawTensor;
  const values = [...new Float32Array(bias.data.slice().buffer)];
  state.set("linear.bias", { ...bias, dtype: "float64", data: new Uint8Array(Float64Array.from(values).buffer) });
  adopted(checkpoint(state), {}, ({ model }) => {
    expect(bits(new Map([["b", model.params.get("linear.bias")] as never]))).toEqual([
      ["b", Float32Array.from(values)],
    ]);
  });
});

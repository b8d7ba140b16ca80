// The networks of the reference folders: logits, losses, input gradients, and the same networks pruned by magnitude.
import { describe, expect, test } from "vitest";
import { type AttackObjective, crossEntropy, dlr, dlrTargeted, inputGradient } from "../../src/attacks/index.js";
import { mapParams, type Params, pick } from "../../src/nn/index.js";
import { applyMasks, magnitude } from "../../src/pruning/index.js";
import { noGrad, ops, scope, type Tensor } from "../../src/torch/index.js";
import { expectClose, expectEachClose, expectSame } from "../support/close.js";
import { keepRatioFor, packBits } from "../support/oracle-masks.js";
import { oracleNetwork, rankOf } from "../support/oracle-network.js";
import { first, forEachOracle, get, type OracleFolder } from "../support/oracles.js";

/** Tolerances on logits and on gradients relative to their largest entry, by the bits of the reference. */
const tolerances = { float64: { logits: 1e-10, gradient: 1e-9 }, float32: { logits: 1e-4, gradient: 1e-4 } } as const;
type Precision = keyof typeof tolerances;
const suffix = (precision: Precision) => (precision === "float64" ? "f64" : "f32");

/** Loss by the name it has in the files, without `_f64` or `_f32`; undefined where we do not know it. */
function objectiveOf(name: string, targets: ReadonlyMap<string, Tensor>): AttackObjective | undefined {
  const rank = /^dlr_targeted_(rank\d+)$/.exec(name)?.[1];
  if (rank) return dlrTargeted(get(targets, `target_${rank}`));
  return { ce: crossEntropy, dlr }[name];
}

/**
 * By how much the loss of each row may differ when each logit may by `most`: the losses are differences of logits, or
 * such differences divided by one that is not below that of ranks 1 and 3.
 */
function lossTolerances(name: string, logits: Tensor, values: Tensor, most: number): number[] {
  if (name === "ce") return values.toNumbers().map(() => 2 * most);
  const ofRank = (rank: number) => ops.gather(logits, 1, ops.unsqueeze(rankOf(logits, rank), 1));
  const gaps = scope(() => ops.sub(ofRank(1), ofRank(3))).toNumbers();
  return values.toNumbers().map((value, i) => (most * (2 + 2 * Math.abs(value))) / (gaps[i] as number));
}

function forward(folder: OracleFolder, precision: Precision): void {
  const wanted = folder.tensors("forward.safetensors");
  const { x, y, logits } = oracleNetwork(folder, precision);
  const got = logits(x);
  const most = tolerances[precision].logits;
  expectClose(`${folder.name}: logits ${precision}`, got, get(wanted, `logits_${suffix(precision)}`), most);
  if (precision === "float64") expectSame("predicted class", ops.argmax(got, { dim: 1 }), get(wanted, "pred"));
  for (const [key, classes] of wanted) {
    const rank = precision === "float64" ? /^target_rank(\d+)$/.exec(key)?.[1] : undefined;
    if (rank) expectSame(key, rankOf(got, Number(rank)), classes);
  }
  for (const [key, values] of wanted) {
    const name = new RegExp(`^(ce|dlr.*)_${suffix(precision)}$`).exec(key)?.[1];
    const objective = name && objectiveOf(name, wanted);
    if (!name || !objective) continue;
    const tolerance = lossTolerances(name, got, values, most);
    expectEachClose(`${folder.name}: ${key}`, objective(got, y), values, tolerance);
  }
}

function gradients(folder: OracleFolder): void {
  const clean = folder.tensors("forward.safetensors");
  const wanted = folder.tensors("input_grads.safetensors");
  for (const [key, gradient] of wanted) {
    const precision: Precision = key.endsWith("_f32") ? "float32" : "float64";
    const images = gradient.shape[0] as number;
    const { victim, x, y } = oracleNetwork(folder, precision, { images });
    const objective = objectiveOf(
      key.replace(/_f(32|64)$/, ""),
      new Map(Array.from(clean, ([name, t]) => [name, first(t, images)])),
    );
    if (!objective) throw new Error(`${folder.name}: expected a loss that s2ap has, got '${key}'`);
    const got = scope(() => inputGradient(victim, x, y, objective).gradient);
    const most = tolerances[precision].gradient;
    expectClose(`${folder.name}: input gradient ${key}`, got, gradient, most, { relativeTo: "largest" });
  }
}

interface Pruned {
  readonly sparsity: number;
  readonly layers: Readonly<Record<string, { readonly numel: number; readonly zeroed: number }>>;
}

/** The files that describe a pruned network: a sparsity and its layers, with tensors beside them. */
function prunedFiles(folder: OracleFolder): string[] {
  return folder.files.filter((file) => {
    const stem = file.replace(/\.json$/, "");
    if (stem === file || !folder.has(`${stem}.safetensors`)) return false;
    const content = folder.json(file) as Partial<Pruned>;
    return typeof content.sparsity === "number" && content.layers !== undefined;
  });
}

function pruned(folder: OracleFolder, file: string): void {
  const { sparsity, layers } = folder.json(file) as Pruned;
  const wanted = folder.tensors(file.replace(/\.json$/, ".safetensors"));
  const keepRatio = keepRatioFor(sparsity, layers);
  const { model } = oracleNetwork(folder, "float32");
  expect([...model.prunable].sort()).toEqual(Object.keys(layers).sort());
  const method = magnitude({ keepRatio });
  const masks = noGrad(() => method.masks({ scores: pick(model.params, model.prunable) }));
  for (const name of model.prunable) {
    expectSame(`${folder.name}: packed mask of ${name}`, packBits(get(masks, name)), get(wanted, name));
  }
  for (const precision of ["float64", "float32"] as const) {
    const dense = oracleNetwork(folder, precision).model.params;
    const params = noGrad(() => applyMasks(dense, inPrecision(masks, precision)));
    const { x, logits } = oracleNetwork(folder, precision, { params });
    const most = tolerances[precision].logits;
    expectClose(`${folder.name}: ${file} ${precision}`, logits(x), get(wanted, `logits_${suffix(precision)}`), most);
  }
}

const inPrecision = (tensors: Params, dtype: Precision) => mapParams(tensors, (tensor) => ops.to(tensor, dtype));

forEachOracle("model", (folder) => {
  test.each(["float64", "float32"] as const)("logits and losses in %s", (precision) => forward(folder, precision));
  if (folder.has("input_grads.safetensors")) test("input gradients", () => gradients(folder));
  else test.skip("input gradients: no input_grads.safetensors");
  const files = prunedFiles(folder);
  if (files.length === 0) test.skip("pruned networks: no JSON with a sparsity and layers");
  else
    describe("pruned by magnitude", () => void test.each(files)("%s: masks exactly, logits", (f) => pruned(folder, f)));
});

// Values of single formulas: losses and their gradients with respect to the logits, with ties and extreme scales.
import { expect, test } from "vitest";
import { planeDisplacement } from "../../src/attacks/fab-projection.js";
import { type AttackObjective, crossEntropy, dlr, dlrTargeted, margin } from "../../src/attacks/index.js";
import { grad, ops, scope, type Tensor } from "../../src/torch/index.js";
import { expectClose, expectEachClose } from "../support/close.js";
import { forEachOracle, get, type OracleFolder, unitFiles } from "../support/oracles.js";

const TOLERANCE = 1e-9;
/** Rows whose logits tie, where a maximum has no one gradient. */
const TIED = [3, 4, 5];

/** What the folder has numbers of and s2ap has nothing to compare with; the test list names them. */
const unknown: Readonly<Record<string, string>> = {
  l1proj: "the projection onto the L1 ball belongs to L1-APGD",
  eta: "the windows belong to Square",
  square_p: "the schedule belongs to Square",
  square_p_rescaled: "the schedule belongs to Square",
  apgd_checkpoints: "the checks belong to APGD",
  oscillation: "the step-halving test belongs to APGD",
};

/** Groups that are compared. */
const compared = ["losses", "fabproj"];

type Tensors = ReadonlyMap<string, Tensor>;

/** 1e-9, relative where numbers are large. */
const tolerances = (wanted: readonly number[]) => wanted.map((value) => TOLERANCE * Math.max(1, Math.abs(value)));

function values(what: string, objective: AttackObjective, logits: Tensor, y: Tensor, wanted: readonly number[]): void {
  expectEachClose(what, scope(() => objective(logits, y)).toNumbers(), wanted, tolerances(wanted));
}

function gradient(what: string, objective: AttackObjective, logits: Tensor, y: Tensor, wanted: Tensor): void {
  const leaf = ops.detach(logits).setRequiresGrad(true);
  const [found] = scope(() => grad(ops.sum(objective(leaf, y)), [leaf])) as [Tensor];
  const classes = logits.shape[1] as number;
  const untied = (_: number, i: number) => !TIED.includes(Math.floor(i / classes));
  const theirs = wanted.toNumbers();
  // A gradient is as large as its row's largest entry: what cancels inside a row is not more exact than that.
  const scale = theirs.map((_, i) => {
    const row = theirs.slice(Math.floor(i / classes) * classes, (Math.floor(i / classes) + 1) * classes);
    return TOLERANCE * row.reduce((most, value) => Math.max(most, Math.abs(value)), 1);
  });
  expectEachClose(what, found.toNumbers().filter(untied), theirs.filter(untied), scale.filter(untied));
}

function losses(folder: OracleFolder, tensors: Tensors, classes: string): void {
  const at = (name: string) => get(tensors, `losses.${classes}.${name}`);
  const [logits, y] = [at("logits"), at("labels")];
  const name = (what: string) => `${folder.name}: ${what} of ${classes}`;
  values(name("ce"), crossEntropy, logits, y, at("ce").toNumbers());
  values(name("dlr"), dlr, logits, y, at("dlr").toNumbers());
  gradient(name("dlr_grad"), dlr, logits, y, at("dlr_grad"));
  // Theirs is the label minus the best other class; ours is above zero when misclassified.
  const wanted = at("margin").toNumbers();
  values(
    name("margin"),
    margin,
    logits,
    y,
    wanted.map((value) => -value),
  );
  if (!tensors.has(`losses.${classes}.target`)) {
    expect((logits.shape[1] as number) < 4, "classes without a targeted DLR").toBe(true);
    expect(() => scope(() => dlrTargeted(y)(logits, y))).toThrow("dlr-targeted: expected at least 4 classes, got 3");
    return;
  }
  const targeted = dlrTargeted(at("target"));
  values(name("dlr_targeted"), targeted, logits, y, at("dlr_targeted").toNumbers());
  gradient(name("dlr_targeted_grad"), targeted, logits, y, at("dlr_targeted_grad"));
}

/** The displacements from t to planes <w,v> = b. */
function planes(folder: OracleFolder, tensors: Tensors, norm: "linf" | "l2" | "l1"): void {
  const at = (name: string) => get(tensors, `fabproj.${name}`);
  const found = scope(() => {
    const gap = ops.sub(ops.sumDim(ops.mul(at("w"), at("t")), [1]), at("b"));
    return planeDisplacement(norm, at("t"), at("w"), gap);
  });
  expectClose(`${folder.name}: fabproj.${norm}`, found, at(norm), TOLERANCE);
}

/** Names of all groups of numbers in the folder, from tensors and JSON. */
function groups(folder: OracleFolder, tensors: Tensors): string[] {
  const stems = unitFiles(folder).map((file) => file.replace(/safetensors$/, "json"));
  const documents = stems.filter((file) => folder.has(file)).map((file) => Object.keys(folder.json(file) as object));
  return [...new Set([...tensors.keys(), ...documents.flat()].map((key) => key.split(".")[0] as string))].sort();
}

forEachOracle("units", (folder) => {
  const tensors = new Map(unitFiles(folder).flatMap((file) => [...folder.tensors(file)]));
  const sizes = [...tensors.keys()].flatMap((key) => /^losses\.(K\d+)\.logits$/.exec(key)?.[1] ?? []);
  test.each(sizes)("losses of %s classes", (classes) => losses(folder, tensors, classes));
  const planeNorms = (["linf", "l2", "l1"] as const).filter((norm) => tensors.has(`fabproj.${norm}`));
  test.each(planeNorms)("displacements to a plane in %s", (norm) => planes(folder, tensors, norm));
  for (const group of groups(folder, tensors).filter((name) => !compared.includes(name))) {
    test.skip(`${group}: ${unknown[group] ?? "nothing that s2ap has"}`);
  }
});

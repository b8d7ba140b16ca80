// Values of single formulas: losses and their gradients with respect to the logits, with ties and extreme scales.
import { expect, test } from "vitest";
import { oscillates } from "../../src/attacks/apgd-schedule.js";
import { planeDisplacement } from "../../src/attacks/fab-projection.js";
import {
  type AttackObjective,
  checkpoints,
  crossEntropy,
  dlr,
  dlrTargeted,
  l1Project,
  margin,
} from "../../src/attacks/index.js";
import { eta, rescaledStep, squareFraction } from "../../src/attacks/square-windows.js";
import { grad, ops, scope, type Tensor } from "../../src/torch/index.js";
import { expectClose, expectEachClose, expectSame } from "../support/close.js";
import { forEachOracle, get, type OracleFolder, unitFiles } from "../support/oracles.js";

const TOLERANCE = 1e-9;
/** Rows whose logits tie, where a maximum has no one gradient. */
const TIED = [3, 4, 5];

/** What the folder has numbers of and s2ap has nothing to compare with; the test list names them. */
const unknown: Readonly<Record<string, string>> = {};

/** Groups that are compared. */
const compared = [
  "losses",
  "fabproj",
  "eta",
  "square_p",
  "square_p_rescaled",
  "l1proj",
  "apgd_checkpoints",
  "oscillation",
];

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

/** Three classes have no reference for the targeted DLR, but a definition of ours: z(1) - z(3) below. */
function fewClasses(logits: Tensor, y: Tensor): void {
  const target = scope(() => ops.argmax(ops.scatter_(ops.neg(logits), 1, ops.unsqueeze(y, 1), -Infinity), { dim: 1 }));
  const [numbers, to] = [logits.toNumbers(), target.toNumbers()];
  const wanted = y.toNumbers().map((label, i) => {
    const z = numbers.slice(3 * i, 3 * i + 3);
    const gap = (z[to[i] as number] as number) - (z[label] as number);
    return gap / (Math.max(...z) - Math.min(...z) + 1e-12);
  });
  values("dlr_targeted of three classes", dlrTargeted(target), logits, y, wanted);
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
    fewClasses(logits, y);
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

function windows(folder: OracleFolder, tensors: Tensors): void {
  for (const [key, wanted] of tensors) {
    const [, norm, side] = /^eta\.(L1|L2)\.s(\d+)$/.exec(key) ?? [];
    if (norm === undefined) continue;
    const found = scope(() => eta(norm === "L2" ? "l2" : "l1", Number(side)));
    expectClose(`${folder.name}: ${key}`, found, wanted, TOLERANCE);
  }
}

/** Square's schedule: fractions by query, perhaps stretched over fewer queries. */
interface Schedule {
  readonly p_init: number;
  readonly n_queries?: number;
  readonly it: readonly number[];
  readonly p: readonly number[];
}

function schedule(folder: OracleFolder, name: string): void {
  const { p_init: pInit, n_queries: queries, it, p } = document(folder, name) as Schedule;
  const found = it.map((step) => squareFraction(pInit, queries === undefined ? step : rescaledStep(step, queries)));
  expectClose(`${folder.name}: ${name}`, found, p, TOLERANCE);
}

function ballAndBox(folder: OracleFolder, tensors: Tensors, name: string): void {
  const at = (field: string) => get(tensors, `l1proj.${name}.${field}`);
  const [x, delta] = [at("x"), at("delta")];
  const { eps } = document(folder, `l1proj.${name}`) as { readonly eps: number };
  const found = scope(() => l1Project(x, ops.add(x, delta), eps));
  const wanted = scope(() => ops.add(ops.add(x, delta), at("correction")));
  expectClose(`${folder.name}: l1proj.${name}`, found, wanted, TOLERANCE);
}

function windowsOfApgd(folder: OracleFolder): void {
  const windows = document(folder, "apgd_checkpoints") as Readonly<
    Record<string, { readonly at_iteration_zero_based: readonly number[]; readonly windows: readonly number[] }>
  >;
  for (const [steps, wanted] of Object.entries(windows)) {
    const found = checkpoints(Number(steps));
    expect(
      found.map(({ step }) => step),
      `checkpoints of ${steps} steps`,
    ).toEqual(wanted.at_iteration_zero_based);
    expect(
      found.map(({ window }) => window),
      `windows of ${steps} steps`,
    ).toEqual(wanted.windows);
  }
}

interface Oscillation {
  readonly j: number;
  readonly k: number;
  readonly flag: readonly number[];
}

function oscillation(folder: OracleFolder, tensors: Tensors): void {
  const losses = get(tensors, "oscillation.loss_steps");
  const rows = losses.shape[0] as number;
  // Before the first row comes the last one, here.
  const row = (at: number) => ops.select(losses, 0, (at + rows) % rows);
  for (const { j, k, flag } of document(folder, "oscillation") as readonly Oscillation[]) {
    const rose = Array.from({ length: k }, (_, c) => ops.to(ops.gt(row(j - c), row(j - c - 1)), "float64"));
    const found = oscillates(ops.sumDim(ops.stack(rose), [0]), k);
    expectSame(`${folder.name}: oscillation at ${j} over ${k}`, found, flag);
  }
}

/** A group of numbers that is in a JSON file. */
function document(folder: OracleFolder, name: string): unknown {
  const files = unitFiles(folder).map((file) => file.replace(/safetensors$/, "json"));
  const found = files.filter((file) => folder.has(file)).map((file) => folder.json(file) as Record<string, unknown>);
  return found.find((content) => name in content)?.[name];
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
  const known = groups(folder, tensors);
  test.skipIf(!known.includes("eta"))("windows of Square", () => windows(folder, tensors));
  for (const name of known.filter((group) => group.startsWith("square_p"))) {
    test(name, () => schedule(folder, name));
  }
  const projections = [...tensors.keys()].flatMap((key) => /^l1proj\.(\w+)\.x$/.exec(key)?.[1] ?? []);
  test.each(projections)("the projection onto the L1 ball and the box, %s", (name) =>
    ballAndBox(folder, tensors, name),
  );
  test.skipIf(!known.includes("apgd_checkpoints"))("checkpoints of APGD", () => windowsOfApgd(folder));
  test.skipIf(!known.includes("oscillation"))("oscillation", () => scope(() => oscillation(folder, tensors)));
  for (const group of known.filter((name) => !compared.includes(name))) {
    test.skip(`${group}: ${unknown[group] ?? "nothing that s2ap has"}`);
  }
});

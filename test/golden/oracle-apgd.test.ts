// APGD of the reference folders from given starts: in float64 the losses, step sizes and flags of every step and where
// the run ends; in float32 the flags and the best losses.
import { expect, test } from "vitest";
import {
  type ApgdLoss,
  apgdSearch,
  l1,
  l2,
  linf,
  runSearch,
  type SearchState,
  type Threat,
} from "../../src/attacks/index.js";
import { ops, scope, type Tensor } from "../../src/torch/index.js";
import { rng } from "../../src/util/index.js";
import { expectClose, expectSame } from "../support/close.js";
import { oracleNetwork } from "../support/oracle-network.js";
import { first, forEachOracle, get, most, type OracleFolder } from "../support/oracles.js";

const PIXEL = 1e-6;
/** In L1 an image counts when changing all weights by 1e-12 relative moved its best point by less than this. */
const SENSITIVE = 1e-8;

interface Run {
  readonly key: string;
  readonly norm: "Linf" | "L2" | "L1";
  readonly loss: ApgdLoss;
  readonly steps: number;
}

/** What the reference says of a run besides its tensors. */
interface Report {
  readonly eps: string;
  readonly sens_x_best: readonly number[];
}

type Tensors = ReadonlyMap<string, Tensor>;
type Rows = number[][];

function runsIn(wanted: Tensors): Run[] {
  return [...wanted.keys()].flatMap((name) => {
    const [, key, norm, loss, steps] = /^((Linf|L2|L1)_(ce|dlr|dlr-targeted)_(\d+))\.loss_steps$/.exec(name) ?? [];
    if (key === undefined) return [];
    return [{ key, norm: norm as Run["norm"], loss: loss as ApgdLoss, steps: Number(steps) }];
  });
}

/** noise_q / 127 times eps, in L2 over its own norm; in L1 as given. */
function startOf(folder: OracleFolder, { norm }: Run, { eps }: Threat, x: Tensor): Tensor {
  return scope(() => {
    const starts = folder.tensors("det_init.safetensors");
    const images = x.shape[0] as number;
    if (norm === "L1") return ops.to(first(get(starts, "x_init_L1"), images), x.dtype);
    const t = ops.div(ops.to(first(get(starts, "noise_q"), images), x.dtype), 127);
    const length = norm === "Linf" ? 1 : ops.vectorNorm(t, { ord: 2, dim: [1, 2, 3], keepdim: true });
    return ops.clamp(ops.add(x, ops.div(ops.mul(t, { float: eps }), length)), { min: 0, max: 1 });
  });
}

/** How a run went: rows of numbers by step, and the state at its end. */
interface Trace {
  readonly losses: Rows;
  readonly stepSizes: Rows;
  readonly correct: Rows;
  readonly moved: Rows;
  readonly end: SearchState;
}

const field = (state: SearchState, name: string) => get(new Map(Object.entries(state)), name);

const STOP = new Error("enough steps");

/** The run, or its first steps: asked for fewer, it would take other steps. */
function follow(
  folder: OracleFolder,
  run: Run,
  eps: string,
  dtype: "float32" | "float64",
  most: { readonly images: number; readonly steps: number },
): Trace {
  const { victim, x, y } = oracleNetwork(folder, dtype, { images: most.images });
  const threat = { Linf: linf, L2: l2, L1: l1 }[run.norm]({ eps });
  const target = first(get(folder.tensors("forward.safetensors"), "target_rank2"), most.images);
  const indices = Int32Array.from({ length: x.shape[0] as number }, (_, i) => i);
  const context = { x, y, victim, indices, target, start: startOf(folder, run, threat, x), rng: rng(0) };
  const trace = { losses: [] as Rows, stepSizes: [] as Rows, correct: [] as Rows, moved: [] as Rows };
  let end: SearchState | undefined;
  const onStep = ({ step, state }: { readonly step: number; readonly state: SearchState }) => {
    trace.losses.push(field(state, "loss").toNumbers());
    trace.stepSizes.push(field(state, "stepSize").toNumbers());
    trace.correct.push(field(state, "correct").toNumbers());
    if (state.moved) trace.moved.push(state.moved.toNumbers());
    end = state;
    if (step >= most.steps && step < run.steps) throw STOP;
  };
  try {
    const search = apgdSearch(threat, { steps: run.steps, loss: run.loss });
    runSearch(search, threat, context, { leave: false, onStep });
  } catch (error) {
    if (error !== STOP) throw error;
  }
  return { ...trace, end: end as SearchState };
}

/** Numbers by row, of an image or of a step. */
function rows(tensor: Tensor): Rows {
  const numbers = tensor.toNumbers();
  const length = numbers.length / (tensor.shape[0] as number);
  return Array.from({ length: tensor.shape[0] as number }, (_, i) => numbers.slice(i * length, (i + 1) * length));
}

function inFloat64(folder: OracleFolder, run: Run, report: Report, wanted: Tensors): void {
  const of = (field: string) => get(wanted, `${run.key}.${field}`);
  const images = Math.min(most.images, of("loss_best").shape[0] as number);
  const steps = Math.min(most.steps, run.steps);
  const trace = follow(folder, run, report.eps, "float64", { images, steps });
  const all = Array.from({ length: images }, (_, i) => i);
  const kept = run.norm === "L1" ? all.filter((i) => (report.sens_x_best[i] as number) < SENSITIVE) : all;
  expect(kept.length, "images that rounding does not move").toBeGreaterThan(images / 2);
  const only = <T>(perImage: readonly T[]) => kept.map((i) => perImage[i] as T);
  const name = (what: string) => `${folder.name}: ${run.key} ${what}`;
  const byStep = (field: string, count: number) => rows(of(field)).slice(0, count).flatMap(only);

  const tolerance = run.loss === "dlr-targeted" ? 1e-7 : 1e-8;
  expectClose(name("losses"), trace.losses.flatMap(only), byStep("loss_steps", steps + 1), tolerance);
  expectSame(name("flags"), trace.correct.flatMap(only), byStep("correct_steps", steps + 1));
  const taken = (values: Rows) => values.slice(0, steps).flatMap(only);
  expectSame(name("step sizes"), taken(trace.stepSizes), byStep("step_size", steps));
  if (run.norm === "L1") expectSame(name("sparsity"), taken(trace.moved), byStep("topk", steps));
  if (steps < run.steps) return;
  const { end } = trace;
  expectSame(name("flags at the end"), only(field(end, "standing").toNumbers()), only(of("correct_final").toNumbers()));
  expectClose(
    name("best loss"),
    only(field(end, "lossBest").toNumbers()),
    only(of("loss_best").toNumbers()),
    tolerance,
  );
  for (const [ours, theirs] of [
    ["xBest", "x_best"],
    ["found", "x_best_adv"],
  ] as const) {
    expectClose(name(theirs), only(rows(field(end, ours))).flat(), only(rows(of(theirs))).flat(), PIXEL);
  }
}

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

/** All steps, since what is compared is where they lead. */
function inFloat32(folder: OracleFolder, run: Run, report: Report, wanted: Tensors): void {
  const of = (field: string) => get(wanted, `${run.key}.${field}`);
  const images = Math.min(most.images, of("loss_best").shape[0] as number);
  const { end } = follow(folder, run, report.eps, "float32", { images, steps: run.steps });
  const [ours, theirs] = [field(end, "standing").toNumbers(), of("correct_final").toNumbers()];
  const others = ours.filter((flag, i) => flag !== theirs[i]).length;
  if (process.env.S2AP_VERBOSE) console.log(`${folder.name}: ${run.key} in float32: ${others} other flags`);
  expect(others, `${run.key}: images with another flag`).toBeLessThanOrEqual(1);
  // Ratios of logits are huge where images are wrong already.
  if (run.loss !== "ce") return;
  const best = mean(of("loss_best").toNumbers().slice(0, images));
  const what = `${folder.name}: ${run.key} mean best loss in float32`;
  const tolerance = run.norm === "L1" ? 0.02 : 1e-3;
  expectClose(what, mean(field(end, "lossBest").toNumbers()) / best, 1, tolerance);
}

forEachOracle("model", (folder) => {
  if (!folder.has("det_apgd.safetensors", "det_apgd.json", "det_init.safetensors")) {
    test.skip("APGD: no det_apgd or det_init");
    return;
  }
  const wanted = folder.tensors("det_apgd.safetensors");
  const reports = folder.json("det_apgd.json") as Readonly<Record<string, Report>>;
  const runs = runsIn(wanted);
  test("has runs", () => expect(runs.length).toBeGreaterThan(0));
  for (const run of runs) {
    const report = reports[run.key];
    if (report === undefined) {
      test.skip(`${run.key}: nothing in det_apgd.json`);
      continue;
    }
    test(`${run.key} in float64`, () => scope(() => inFloat64(folder, run, report, wanted)));
    test(`${run.key} in float32`, () => scope(() => inFloat32(folder, run, report, wanted)));
  }
});

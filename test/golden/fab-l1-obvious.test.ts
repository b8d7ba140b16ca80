// FAB-T in L1 has no reference numbers. Here it is once more, an image and a pixel at a time, from its definition in
// src/attacks/fab.ts; on the networks of the reference folders in float64 both end at the same points.
import { expect, test } from "vitest";
import { fabSearch, inputGradient, l1, runSearch } from "../../src/attacks/index.js";
import { noGrad, ops, scope, type Tensor, tensor } from "../../src/torch/index.js";
import { rng } from "../../src/util/index.js";
import { expectClose, expectEachClose } from "../support/close.js";
import { type OracleNetwork, oracleNetwork, rankOf } from "../support/oracle-network.js";
import { forEachOracle, get } from "../support/oracles.js";

const IMAGES = 8;
const STEPS = 25;
const RANK = 3;
const ROUNDING = 1e-9;
const FLAT = 1e-8;

const dot = (a: readonly number[], b: readonly number[]) => a.reduce((sum, v, i) => sum + v * (b[i] as number), 0);
const length = (d: readonly number[]) => d.reduce((sum, v) => sum + Math.abs(v), 0);
const at = (v: readonly number[], i: number) => v[i] as number;

/** Fills the pixels of the steepest slope, one after the other, until <w, t + d> = b. */
function way(t: readonly number[], w: readonly number[], b: number): number[] {
  const gap = dot(w, t) - b;
  const move = t.map(() => 0);
  let need = Math.abs(gap);
  const order = [...t.keys()].sort((i, j) => Math.abs(at(w, j)) - Math.abs(at(w, i)));
  for (const i of order) {
    const slope = Math.abs(at(w, i));
    if (need <= 0 || slope < FLAT) break;
    const up = at(w, i) > 0 !== gap > 0;
    const taken = Math.min(up ? 1 - at(t, i) : at(t, i), need / slope);
    move[i] = up ? taken : -taken;
    need -= taken * slope;
  }
  return move;
}

interface Nearest {
  readonly distance: number;
  readonly point: readonly number[];
}

/** One image [1,C,H,W] with its label and the class to go to. */
function obvious({ victim }: OracleNetwork, image: Tensor, label: number, target: number): Nearest {
  const x = image.toNumbers();
  const as = (v: readonly number[]) => tensor(Float64Array.from(v), image.shape);
  const logitsAt = (v: readonly number[]) => noGrad(() => victim.logits(as(v))).toNumbers();
  let v = x;
  let nearest: Nearest = { distance: Number.POSITIVE_INFINITY, point: x };
  for (let step = 0; step < STEPS; step++) {
    const logits = logitsAt(v);
    const f = at(logits, target) - at(logits, label);
    const aim = (z: Tensor) => ops.sub(ops.select(z, 1, target), ops.select(z, 1, label));
    const w = inputGradient(victim, as(v), tensor([label]), aim).gradient.toNumbers();
    const b = dot(w, v) - f;
    const [d1, d2] = [way(v, w, b), way(x, w, b)];
    const [a1, a2] = [Math.max(length(d1), 1e-8), Math.max(length(d2), 1e-8)];
    const alpha = Math.min(a1 / (a1 + a2), 0.1);
    v = v.map((value, i) => {
      const next = (1 - alpha) * (value + 1.05 * at(d1, i)) + alpha * (at(x, i) + 1.05 * at(d2, i));
      return Math.min(1, Math.max(0, next));
    });
    const after = logitsAt(v);
    if (after.indexOf(Math.max(...after)) === label) continue;
    const distance = length(v.map((value, i) => value - at(x, i)));
    if (distance < nearest.distance) nearest = { distance, point: v };
    v = v.map((value, i) => at(x, i) + 0.9 * (value - at(x, i)));
  }
  return nearest;
}

forEachOracle("model", (folder) => {
  test("FAB-T in L1, as an obvious one", () => {
    scope(() => {
      const network = oracleNetwork(folder, "float64", { images: IMAGES });
      const { victim, x, y, logits } = network;
      const clean = logits(x);
      const [labels, targets] = [y.toNumbers(), rankOf(clean, RANK)];
      const right = [...rankOf(clean, 1).toNumbers().keys()].filter(
        (i) => at(rankOf(clean, 1).toNumbers(), i) === at(labels, i),
      );
      expect(right.length).toBeGreaterThan(IMAGES / 4);
      const rows = (t: Tensor) => ops.indexSelect(t, 0, tensor(BigInt64Array.from(right, BigInt)));
      const threat = l1({ eps: 8 });
      const context = {
        x: rows(x),
        y: rows(y),
        target: rows(targets),
        indices: Int32Array.from(right),
        victim,
        rng: rng(0),
      };
      const { state } = runSearch(fabSearch(threat, { targeted: true, steps: STEPS }), threat, context, {
        leave: false,
      });
      const wanted = right.map((i) =>
        scope(() =>
          obvious(network, ops.slice(x, { start: i, end: i + 1 }), at(labels, i), at(targets.toNumbers(), i)),
        ),
      );
      const distances = wanted.map(({ distance }) => distance);
      expect(distances.filter(Number.isFinite).length).toBeGreaterThan(0);
      const tolerances = distances.map((d) => (Number.isFinite(d) ? ROUNDING * d : Number.MIN_VALUE));
      const found = get(new Map(Object.entries(state)), "distance").toNumbers();
      expectEachClose(`${folder.name}: FAB-T L1 distances`, found, distances, tolerances);
      expectClose(
        `${folder.name}: FAB-T L1 points`,
        state.found.toNumbers(),
        wanted.flatMap(({ point }) => point),
        ROUNDING,
      );
    });
  });
});

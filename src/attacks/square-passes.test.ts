// Square by local passes against Square by whole ones, and that what cannot matter is not asked.
import { expect, test } from "vitest";
import { expectClose } from "../../test/support/close.js";
import { settledTensors } from "../../test/support/settled.js";
import { folded, localNetwork, resnet18 } from "../models/index.js";
import { countPasses } from "../nn/index.js";
import { manualSeed, ops, scope, type Tensor, tensor } from "../torch/index.js";
import { rng } from "../util/index.js";
import type { Victim } from "./attack.js";
import { runSearch, type SearchContext, type SearchProgress } from "./search.js";
import { type SquareState, squareSearch } from "./square.js";
import { linf } from "./threat.js";

const threat = linf({ eps: "4/255" });
const images = 5;
const model = resnet18({ width: 4, seed: 2 });

/** A victim that always takes local passes, which count the images that they are asked about. */
function victimOf(asked: number[]): Victim {
  const passes = countPasses();
  const state = folded(model);
  const local = localNetwork(model, state, passes);
  if (local === undefined) throw new Error("no operations");
  return {
    passes,
    logits: (x) => model.forward(state, x, { batchNorm: "running" }),
    local: {
      saves: () => true,
      knowing(x) {
        const known = local.knowing(x);
        const logits: typeof known.logits = (points, rows, squares) => {
          asked.push(rows.length);
          return known.logits(points, rows, squares);
        };
        return { logits, learn: known.learn.bind(known), [Symbol.dispose]: () => known[Symbol.dispose]() };
      },
    },
  };
}

function contextOf(victim: Victim): SearchContext {
  manualSeed(rng(3, "images"));
  const x = ops.uniform_(ops.empty([images, 3, 32, 32]));
  const y = ops.argmax(model.forward(model, x, { batchNorm: "running" }), { dim: 1 });
  return { x, y, indices: Int32Array.from({ length: images }, (_, i) => i), victim, rng: rng(1, "square") };
}
// Windows of 7 pixels, then of 5, 4 and 2.
const options = { queries: 80, pInit: 0.05, rescale: true };
const marginOf = (state: unknown) => (state as SquareState).margin;

test("local passes find what whole ones find, and leave nothing behind", async () => {
  const live = await settledTensors();
  scope(() => {
    const asked: number[] = [];
    const victim = victimOf(asked);
    const at = contextOf(victim);
    const near = runSearch(squareSearch(threat, options), threat, at);
    expect(asked.length).toBeGreaterThan(70);
    const far = runSearch(squareSearch(threat, options), threat, { ...at, victim: { ...victim, local: undefined } });
    expect([...near.rows]).toEqual([...far.rows]);
    expect([...near.steps]).toEqual([...far.steps]);
    expectClose("points", near.state.found, far.state.found, 0);
    expectClose("margins", marginOf(near.state), marginOf(far.state), 1e-5);
  });
  expect(await settledTensors()).toBe(live);
});

test("a search by local passes that goes on from a saved state ends with the same bits", () => {
  scope(() => {
    const at = contextOf(victimOf([]));
    let stood: SearchProgress | undefined;
    const whole = runSearch(squareSearch(threat, options), threat, at, {
      onStep({ step, rows, state, outcome }) {
        if (step !== 47) return;
        const copy = Object.entries(state).map(([name, value]) => [name, ops.clone(value)]);
        const { broken, steps, points } = outcome;
        const kept = { broken: broken.slice(), steps: steps.slice(), points: ops.clone(points) };
        stood = { step, rows: rows.slice(), state: Object.fromEntries(copy), outcome: kept };
      },
    });
    const again = runSearch(squareSearch(threat, options), threat, at, { resume: stood });
    const bits = (of: typeof whole) => Object.values(of.state).map((value) => value.toArray());
    expect(bits(again)).toEqual(bits(whole));
  });
});

test("a candidate that is the best point itself is not asked about", () => {
  scope(() => {
    let asked = 0;
    // One channel of 3 x 3 pixels: windows of one pixel, which each second candidate leaves as it is.
    const x = ops.fullLike(ops.empty([4, 1, 3, 3]), 0.5);
    const victim: Victim = {
      passes: countPasses(),
      logits(points: Tensor) {
        asked += points.shape[0] as number;
        return ops.stack([ops.ones([points.shape[0] as number]), ops.zeros([points.shape[0] as number])], { dim: 1 });
      },
    };
    const y = tensor(BigInt64Array.of(0n, 0n, 0n, 0n));
    const at = { x, y, indices: Int32Array.of(0, 1, 2, 3), victim, rng: rng(1, "square") };
    const { state } = runSearch(squareSearch(threat, { queries: 100, pInit: 0.01 }), threat, at);
    expect((state as SquareState).queries.toNumbers()).toEqual([101, 101, 101, 101]);
    // 4 for the start, then 200 of 400 queries but for chance: 5 standard deviations are 50.
    expect(Math.abs(asked - 4 - 200)).toBeLessThan(50);
  });
});

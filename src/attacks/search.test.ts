import { expect, test } from "vitest";
import { countPasses } from "../nn/index.js";
import { liveTensors, ops, scope, type Tensor, tensor } from "../torch/index.js";
import { rng } from "../util/index.js";
import type { Victim } from "./attack.js";
import { type AttackSearch, runSearch, type SearchContext, type SearchProgress, type SearchState } from "./search.js";
import { searchAttack } from "./search-attack.js";
import { linf } from "./threat.js";

const threat = linf({ eps: "0.5" });
const images = 4;

/** Misclassifies an image of label 0 once its only pixel lies above the limit. */
function limit(above: number): Victim {
  const passes = countPasses();
  return {
    passes,
    logits(x: Tensor) {
      passes.forward += 1;
      const value = ops.reshape(x, [-1, 1]);
      return ops.cat([ops.fullLike(value, above), value], { dim: 1 });
    },
  };
}

/** Moves each image up by its own speed, a tenth of its position in the set. */
const climb: AttackSearch<SearchState & { at: Tensor }> = {
  steps: 5,
  begin: ({ x }) => ({ at: ops.clone(x), found: x, hit: ops.zeros([x.shape[0] as number], { dtype: "bool" }) }),
  step({ victim, y, indices }, { at }) {
    const next = ops.add(at, ops.reshape(tensor(Float32Array.from(indices, (i) => i / 10)), [-1, 1, 1, 1]));
    return { at: next, found: next, hit: ops.ne(ops.argmax(victim.logits(next), { dim: 1 }), y) };
  },
};

const context = (victim: Victim): SearchContext => ({
  x: ops.full([images, 1, 1, 1], { float: 0.1 }),
  y: ops.zeros([images], { dtype: "int64" }),
  indices: Int32Array.of(0, 1, 2, 3),
  victim,
  rng: rng(1),
});
const rounded = (t: Tensor) => t.toNumbers().map((value) => Math.round(value * 1000) / 1000);

test("images leave when they are broken, and the others go on", () => {
  scope(() => {
    const seen: number[][] = [];
    const found = runSearch(climb, threat, context(limit(0.35)), { onStep: ({ rows }) => void seen.push([...rows]) });
    expect([...found.broken]).toEqual([0, 1, 1, 1]);
    expect([...found.steps]).toEqual([-1, 3, 2, 1]);
    expect(rounded(found.points)).toEqual([0.1, 0.4, 0.5, 0.4]);
    expect(seen).toEqual([[0, 1, 2, 3], [0, 1, 2], [0, 1], [0], [0], [0]]);
    expect([...found.rows]).toEqual([0]);
  });
});

test("with leave: false all go on, and only the last points are judged", () => {
  scope(() => {
    const found = runSearch(climb, threat, context(limit(0.35)), { leave: false });
    expect(found.state.found.shape[0]).toBe(images);
    // 3 went out of the ball, 2 out of it as well: 0.1 + 5 x 0.2 > 0.6.
    expect([...found.broken]).toEqual([0, 1, 0, 0]);
  });
});

test("a hit that the judge does not confirm goes on", () => {
  scope(() => {
    const found = runSearch(climb, threat, context(limit(0.15)), { judge: limit(0.35) });
    expect([...found.steps]).toEqual([-1, 3, 2, 1]);
  });
});

test("a search goes on from where it stood, and ends the same", () => {
  scope(() => {
    let stood: SearchProgress | undefined;
    const onStep = (progress: SearchProgress) => {
      const { state, rows, outcome, step } = progress;
      if (step !== 2) return;
      const copy = Object.fromEntries(Object.entries(state).map(([name, t]) => [name, ops.clone(t)]));
      stood = {
        step,
        rows: rows.slice(),
        state: copy as unknown as SearchState,
        outcome: {
          broken: outcome.broken.slice(),
          steps: outcome.steps.slice(),
          points: ops.clone(outcome.points),
        },
      };
    };
    const whole = runSearch(climb, threat, context(limit(0.35)), { onStep });
    const rest = runSearch(climb, threat, context(limit(0.35)), { resume: stood });
    expect(rest.points.toArray()).toEqual(whole.points.toArray());
    expect([...rest.steps]).toEqual([...whole.steps]);
  });
});

test("logits that are not finite are an error, not a success", () => {
  const lost: Victim = { passes: countPasses(), logits: (x) => ops.full([x.shape[0] as number, 2], Number.NaN) };
  expect(() => scope(() => runSearch(climb, threat, context(limit(0.35)), { judge: lost }))).toThrow("finite logits");
});

test("an attack of several searches spends later ones on what stands, and leaks nothing", () => {
  const attack = searchAttack("climb", threat, [
    { key: ["restart", 0], search: { ...climb, steps: 1 } },
    { key: ["target", 2], rank: 2, search: climb },
    { key: ["target", 3], rank: 3, search: climb }, // there are two classes
  ]);
  const given = context(limit(0.35));
  const before = liveTensors();
  const points = attack.perturb(given.victim, given.x, given.y, { rng: rng(1), indices: given.indices });
  expect(rounded(points)).toEqual([0.1, 0.4, 0.5, 0.4]);
  expect(liveTensors()).toBe(before + 1);
});

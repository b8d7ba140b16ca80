import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import { tinyData, trainedTiny } from "../../test/support/tiny.js";
import { bindNetwork, type Model, type Network } from "../models/index.js";
import { countPasses } from "../nn/index.js";
import { liveTensors, ops, scope, type Tensor, tensor } from "../torch/index.js";
import { rng } from "../util/index.js";
import type { Victim } from "./attack.js";
import { type FabSearchOptions, fabSearch } from "./fab.js";
import { fab, fabT } from "./fab-attacks.js";
import { changeNorm } from "./project.js";
import { type AttackSearchOptions, runSearch, type SearchContext, selectImages } from "./search.js";
import { rankedClasses } from "./search-attack.js";
import { l1, l2, linf, type Threat } from "./threat.js";

const threats = [linf({ eps: "0.1" }), l2({ eps: "0.7" }), l1({ eps: "5" })];
const data = tinyData();
let model: Model;
let victim: Network["victim"];
let context: SearchContext;

beforeAll(async () => {
  model = await trainedTiny(data);
});
beforeEach(() => {
  ({ victim } = bindNetwork(model, model));
  const { x, y } = data.selection.ordered(0, 32);
  const [logits, labels] = [victim.logits(x), y.toNumbers()];
  const right = ops
    .argmax(logits, { dim: 1 })
    .toNumbers()
    .flatMap((label, i) => (label === labels[i] ? [i] : []));
  const rows = (t: Tensor) => ops.indexSelect(t, 0, tensor(BigInt64Array.from(right, BigInt)));
  const target = ops.select(rankedClasses(rows(logits)), 1, 1);
  context = { x: rows(x), y: rows(y), target, indices: Int32Array.from(right), victim, rng: rng(1) };
});

/** The nearest points of a whole run, how many passes it took, and how many images went forward in them. */
function nearest(threat: Threat, options: FabSearchOptions) {
  const before = { ...victim.passes };
  let images = 0;
  const counting: Victim = {
    passes: victim.passes,
    logits(at) {
      images += at.shape[0] as number;
      return victim.logits(at);
    },
  };
  const search = fabSearch(threat, options);
  const { state } = runSearch(search, threat, { ...context, victim: counting }, { leave: false });
  const { forward, backward } = victim.passes;
  const passes = { forward: forward - before.forward, backward: backward - before.backward };
  return { found: state.found, distances: (state.distance as Tensor).toNumbers(), passes, images };
}

describe.each(threats)("in $norm", (threat) => {
  test("finds a misclassified point of nearly every image, in the box, as far as it says", () => {
    scope(() => {
      const { found, distances } = nearest(threat, { steps: 30 });
      const wrong = ops.ne(ops.argmax(victim.logits(found), { dim: 1 }), context.y).toNumbers();
      const norms = changeNorm(threat.norm, context.x, found).toNumbers();
      for (const [i, distance] of distances.entries()) {
        expect(wrong[i]).toBe(Number.isFinite(distance) ? 1 : 0);
        expect(norms[i]).toBe(Number.isFinite(distance) ? distance : 0);
      }
      expect(distances.filter(Number.isFinite).length).toBeGreaterThan(0.9 * distances.length);
      expect([ops.amin(found).item() >= 0, ops.amax(found).item() <= 1]).toEqual([true, true]);
    });
  });

  test("targeted, finds with fewer forward passes what two a step find", () => {
    scope(() => {
      const steps = 12;
      const shared = nearest(threat, { steps, targeted: true });
      const two = nearest(threat, { steps, targeted: true, faithful: true });
      // One more is the verdict at the end.
      expect(two.passes).toEqual({ forward: 2 * steps + 1, backward: steps });
      expect(shared.images).toBeLessThan(two.images);
      for (const [i, distance] of shared.distances.entries()) {
        if (distance !== two.distances[i]) expect(distance).toBeCloseTo(two.distances[i] as number, 3);
      }
    });
  });

  test("untargeted, makes a backward pass for each class but one", () => {
    const steps = 4;
    const { passes } = scope(() => nearest(threat, { steps }));
    expect(passes).toEqual({ forward: 2 * steps + 1, backward: 3 * steps });
  });

  test("hits exactly the new nearest points inside the ball", () => {
    scope(() => {
      let before: number[] | undefined;
      let hits = 0;
      runSearch(fabSearch(threat, { steps: 20 }), threat, context, {
        leave: false,
        onStep: ({ state }) => {
          const now = (state.distance as Tensor).toNumbers();
          const wanted = now.map((distance, i) =>
            Number(distance < (before?.[i] ?? Infinity) && distance <= threat.eps),
          );
          expect(state.hit.toNumbers()).toEqual(wanted);
          hits += wanted.filter(Boolean).length;
          before = now;
        },
      });
      expect(hits).toBeGreaterThan(5);
    });
  });

  test("random starts are half of eps away, and keyed per image", () => {
    scope(() => {
      const search = fabSearch(threat, { randomStart: true });
      const middle = { ...context, x: ops.fullLike(context.x, { float: 0.5 }) };
      const { point } = search.begin(middle);
      for (const norm of changeNorm(threat.norm, middle.x, point).toNumbers())
        expect(norm).toBeCloseTo(threat.eps / 2, 4);
      const [x, y] = [ops.narrow(middle.x, 0, 3, 1), ops.narrow(middle.y, 0, 3, 1)];
      const alone = search.begin({ ...middle, x, y, indices: middle.indices.slice(3, 4) });
      expect(alone.point.toArray()).toEqual(ops.narrow(point, 0, 3, 1).toArray());
    });
  });
});

test("a restart breaks nothing less, and the attack leaves no tensor", () => {
  const [, threat] = threats as [Threat, Threat];
  const { x, y, indices } = context;
  const live = liveTensors();
  const broken = (restarts: number) =>
    scope(() => {
      const points = fab(threat, { steps: 3, restarts }).perturb(victim, x, y, { rng: rng(1), indices });
      return ops.ne(ops.argmax(victim.logits(points), { dim: 1 }), y).toNumbers();
    });
  const [once, often] = [broken(1), broken(3)];
  expect(liveTensors()).toBe(live);
  for (const [i, is] of once.entries()) expect(often[i]).toBeGreaterThanOrEqual(is);
});

describe("its runs", () => {
  const threat = linf({ eps: "0.1" });
  test("are keyed by restart, or by target and restart", () => {
    expect(fab(threat, { restarts: 2 }).runs.map(({ key, rank }) => [...key, rank])).toEqual([
      ["restart", 0, undefined],
      ["restart", 1, undefined],
    ]);
    expect(fabT(threat).runs.map(({ rank }) => rank)).toEqual([2, 3, 4, 5, 6, 7, 8, 9, 10]);
    expect(fabT(threat, { targets: 1, restarts: 2 }).runs.map(({ key }) => key)).toEqual([
      ["target", 2, 0],
      ["target", 2, 1],
    ]);
  });

  test("are called by what differs from the standard", () => {
    const names = [fab(threat), fabT(threat), fab(threat, { restarts: 5 }), fabT(threat, { steps: 20, targets: 3 })];
    expect(names.map(({ name }) => name)).toEqual(["fab", "fab-t", "fabx5", "fab-t-20-3targets"]);
  });

  test.each([2, 3, 8])("work with %i classes, and say so", (classes) => {
    expect(fabT(threat).notes(classes)).toEqual([`${classes - 1} target${classes > 2 ? "s" : ""} in place of 9`]);
    expect(fabT(threat).notes(10)).toEqual([]);
    scope(() => {
      const x = ops.full([2, 1, 2, 2], { float: 0.5 });
      const y = ops.zeros([2], { dtype: "int64" });
      for (const make of [fab, fabT]) {
        const found = make(l2({ eps: 1 })).perturb(linear(classes), x, y, { rng: rng(0) });
        expect(ops.argmax(linear(classes).logits(found), { dim: 1 }).toNumbers()).not.toContain(0);
      }
    });
  });
});

/** Class k has k times the mean of the pixels less an offset: the highest class is nearest above 0.55. */
function linear(classes: number): Victim {
  return {
    passes: countPasses(),
    logits(x) {
      const excess = ops.add(ops.meanDim(ops.flatten(x, { startDim: 1 }), [1], { keepdim: true }), { float: -0.55 });
      return ops.mul(excess, tensor(Float32Array.from({ length: classes }, (_, k) => k)));
    },
  };
}

test.each([true, false])("holds a distance to eps exactly, where others allow for rounding (leave: %s)", (leave) => {
  scope(() => {
    // One image, so that its sums do not depend on which others are left.
    const alone = selectImages(context, [0]);
    const search = (eps: number, options: AttackSearchOptions) => {
      const threat = linf({ eps: String(eps) });
      return runSearch(fabSearch(threat, { steps: 10 }), threat, alone, options);
    };
    const [distance] = (search(0.1, { leave: false }).state.distance as Tensor).toNumbers() as [number];
    const broken = [distance, distance / (1 + 5e-7)].map((eps) => search(eps, { leave }).broken[0]);
    expect(broken).toEqual([1, 0]);
  });
});

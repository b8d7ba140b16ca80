import { expect, test } from "vitest";
import { countPasses } from "../nn/index.js";
import { ops, scope, type Tensor, tensor } from "../torch/index.js";
import { rng } from "../util/index.js";
import type { Victim } from "./attack.js";
import { changeNorm } from "./project.js";
import { runSearch, type SearchContext, type SearchProgress, type SearchState } from "./search.js";
import { type SquareState, square, squareSearch } from "./square.js";
import { bumpSide, linfSide, outsideFirst, squareFraction, windowAccess, windowsAt } from "./square-windows.js";
import { l1, l2, linf, type Threat } from "./threat.js";
import { reach } from "./verify.js";

const [images, channels, height, width] = [6, 2, 9, 12];
const threats = [linf({ eps: "0.1" }), l2({ eps: "0.8" }), l1({ eps: "4" })];

const uniform = (name: string, shape: readonly number[]) => {
  const count = shape.reduce((a, b) => a * b, 1);
  return tensor(
    Float32Array.from({ length: count }, (_, i) => rng(3, name, i).uniform()),
    shape,
  );
};
const weights = uniform("weights", [channels * height * width]);
const inputs = uniform("images", [images, channels, height, width]);

/** Two classes: 0, and 1 where a weighted sum of the pixels lies above its value at the image by `gap`. */
function linear(gap: (image: number) => number): Victim {
  const passes = countPasses();
  const score = (x: Tensor) => ops.sumDim(ops.mul(ops.flatten(x, { startDim: 1 }), ops.sub(weights, 0.5)), [1]);
  const limits = ops.add(score(inputs), tensor(Float32Array.from({ length: images }, (_, i) => gap(i))));
  return {
    passes,
    logits(x) {
      passes.forward += 1;
      // The nearest image is the one that x comes from: an answer must not depend on the batch.
      const far = ops.sumDim(ops.abs(ops.sub(ops.unsqueeze(x, 1), ops.unsqueeze(inputs, 0))), [2, 3, 4]);
      const limit = ops.indexSelect(limits, 0, ops.argmax(ops.neg(far), { dim: 1 }));
      return ops.stack([limit, score(x)], { dim: 1 });
    },
  };
}
const never = linear(() => 1000);

function context(victim: Victim, rows = [0, 1, 2, 3, 4, 5]): SearchContext {
  const at = tensor(BigInt64Array.from(rows, BigInt));
  const y = ops.zeros([rows.length], { dtype: "int64" });
  return { x: ops.indexSelect(inputs, 0, at), y, indices: Int32Array.from(rows), victim, rng: rng(1, "square") };
}
const bitsOf = (state: SearchState) => Object.values(state).map((value) => value.toArray());

test.each(threats)("in $norm margins never rise, and points stay inside the ball and the box", (threat) => {
  scope(() => {
    const at = context(never);
    let before = Array<number>(images).fill(Number.POSITIVE_INFINITY);
    const first: number[] = [];
    runSearch(squareSearch(threat, { queries: 60 }), threat, at, {
      onStep({ state, step }) {
        const { margin, found, queries } = state as SquareState;
        const now = margin.toNumbers();
        expect(now.every((value, i) => value <= (before[i] as number))).toBe(true);
        if (step === 0) first.push(...now);
        before = now;
        expect(queries.toNumbers()).toEqual(Array(images).fill(step + 1));
        expect(Math.max(...changeNorm(threat.norm, at.x, found).toNumbers())).toBeLessThanOrEqual(reach(threat));
        expect([ops.amin(found).item() >= 0, ops.amax(found).item() <= 1]).toEqual([true, true]);
      },
    });
    expect(before.filter((value, i) => value < (first[i] as number)).length).toBe(images);
  });
});

test.each(threats)("in $norm an image's search does not depend on the images beside it", (threat) => {
  scope(() => {
    const search = squareSearch(threat, { queries: 300 });
    const whole = runSearch(search, threat, context(never)).state;
    const alone = runSearch(search, threat, context(never, [4])).state;
    const at = tensor(BigInt64Array.of(4n));
    expect(alone.found.toArray()).toEqual(ops.indexSelect(whole.found, 0, at).toArray());
    const other = runSearch(search, threat, { ...context(never), rng: rng(2, "square") }).state;
    expect(other.found.toArray()).not.toEqual(whole.found.toArray());
  });
});

/** A copy of how a search stood after so many steps, and how it ended. */
function standing(threat: Threat, at: SearchContext, steps: number, queries: number) {
  let stood: SearchProgress | undefined;
  const end = runSearch(squareSearch(threat, { queries }), threat, at, {
    onStep(progress) {
      if (progress.step !== steps) return;
      const copy = Object.entries(progress.state).map(([name, t]) => [name, ops.clone(t)]);
      const { broken, steps: when, points } = progress.outcome;
      const outcome = { broken: broken.slice(), steps: when.slice(), points: ops.clone(points) };
      stood = { step: steps, rows: progress.rows.slice(), state: Object.fromEntries(copy), outcome };
    },
  });
  return { stood: stood as SearchProgress, end };
}

test.each(threats)("in $norm a search that goes on from a saved state ends with the same bits", (threat) => {
  scope(() => {
    const at = context(linear((image) => (image === 2 ? 0.5 : 1000)));
    const { stood, end } = standing(threat, at, 270, 300);
    expect([...stood.rows]).toEqual([0, 1, 3, 4, 5]);
    const again = runSearch(squareSearch(threat, { queries: 300 }), threat, at, { resume: stood });
    expect(bitsOf(again.state)).toEqual(bitsOf(end.state));
    expect([...again.steps]).toEqual([...end.steps]);
  });
});

test("a broken image is asked no more where all go on to the end", () => {
  scope(() => {
    const [threat] = threats as [Threat];
    const victim = linear((image) => (image === 2 ? 0.5 : 1000));
    const left = runSearch(squareSearch(threat, { queries: 100 }), threat, context(victim));
    const { state } = runSearch(squareSearch(threat, { queries: 100 }), threat, context(victim), { leave: false });
    const counts = (state as SquareState).queries.toNumbers();
    expect(left.steps[2]).toBeGreaterThan(0);
    expect(counts).toEqual([101, 101, (left.steps[2] as number) + 1, 101, 101, 101]);
  });
});

test("an image whose hit the judge does not confirm is asked on, until it does", () => {
  scope(() => {
    const [threat] = threats as [Threat];
    const victim = linear(() => 0.5);
    const judge = linear((image) => (image === 5 ? 1000 : 0.7));
    const found = runSearch(squareSearch(threat, { queries: 500 }), threat, context(victim), { judge });
    const alone = runSearch(squareSearch(threat, { queries: 500 }), threat, context(victim));
    for (const image of [0, 1, 2, 3, 4]) expect(found.steps[image]).toBeGreaterThan(alone.steps[image] as number);
    expect([...found.broken]).toEqual([1, 1, 1, 1, 1, 0]);
    expect((found.state as SquareState).queries.toNumbers()).toEqual([501]);
  });
});

test("restarts try the images that stand with other numbers", () => {
  scope(() => {
    const [threat] = threats as [Threat];
    const { runs, name } = square(threat, { queries: 20, restarts: 3 });
    expect(name).toBe("square-20x3");
    expect(runs.map(({ key }) => key)).toEqual([
      ["restart", 0],
      ["restart", 1],
      ["restart", 2],
    ]);
  });
});

test("sides: rounded half to even, no larger than the image", () => {
  expect([linfSide(0.8, 28, 28), linfSide(1e-9, 28, 28), linfSide(1, 8, 32)]).toEqual([25, 1, 8]);
  expect([linfSide(1 / 16, 10, 10), linfSide(1 / 16, 14, 14)]).toEqual([2, 4]);
  expect([bumpSide(0.8, 28, 28), bumpSide(1 / 512, 28, 28), bumpSide(0.8, 2, 9)]).toEqual([25, 3, 2]);
  expect(squareFraction(0.8, 9000)).toBe(0.8 / 512);
});

test("windows: the last place is never used, and one as large as the image lies at its corner", () => {
  scope(() => {
    const almost = 1 - 2 ** -24;
    const images = ops.zeros([2, 1, 4, 3]);
    const windows = windowsAt([0, almost], [almost, 0], 2, 4, 3);
    const content = tensor([1, 2, 3, 4], [1, 1, 2, 2]);
    windowAccess(images, windows).write(images, content);
    expect(images.toNumbers()).toEqual([
      ...[1, 2, 0, 3, 4, 0, 0, 0, 0, 0, 0, 0],
      ...[0, 0, 0, 1, 2, 0, 3, 4, 0, 0, 0, 0],
    ]);
    expect(windowAccess(images, windows).read(images).toNumbers()).toEqual([1, 2, 3, 4, 1, 2, 3, 4]);
    expect(windowsAt([almost], [almost], 3, 3, 3)).toMatchObject({ tops: Int32Array.of(0), lefts: Int32Array.of(0) });
    // One window for all images.
    windowAccess(images, windowsAt([almost], [0], 2, 4, 3)).write(images, content);
    expect(ops.select(images, 0, 0).toNumbers()).toEqual([1, 2, 0, 1, 2, 0, 3, 4, 0, 0, 0, 0]);
  });
});

test("pixels that two windows share count once", () => {
  scope(() => {
    const [first, second] = [windowsAt([0, 0], [0, 0.9], 2, 4, 4), windowsAt([0.6, 0], [0.6, 0], 2, 4, 4)];
    expect([first, second]).toMatchObject([
      { tops: Int32Array.of(0, 0), lefts: Int32Array.of(0, 1) },
      { tops: Int32Array.of(1, 0), lefts: Int32Array.of(1, 0) },
    ]);
    expect(outsideFirst(first, second).toNumbers()).toEqual([0, 1, 1, 1, 1, 0, 1, 0]);
  });
});

test("options out of range are refused", () => {
  expect(() => square(linf({ eps: "0.1" }), { queries: 0 })).toThrow("square: expected queries");
  expect(() => square(linf({ eps: "0.1" }), { pInit: 2 })).toThrow("square: expected pInit in (0, 1], got 2");
});

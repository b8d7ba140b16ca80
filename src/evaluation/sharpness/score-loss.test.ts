// The Hessian over scores against one that is built densely and slowly, and what is measured around a point.
import { describe, expect, test } from "vitest";
import { expectClose } from "../../../test/support/close.js";
import { settledTensors } from "../../../test/support/settled.js";
import { tinyImages, tinyLosses, tinyPoint } from "../../../test/support/tiny-scores.js";
import { mapParams, type Params, param, pick } from "../../nn/index.js";
import { hydra } from "../../pruning/index.js";
import { grad, liveTensors, ops, scope, type Tensor, tensor } from "../../torch/index.js";
import { rng } from "../../util/index.js";
import { averageRise, worstInBall } from "./ball-loss.js";
import { PRODUCTS } from "./hessian.js";
import { lanczos } from "./lanczos.js";
import { type ScorePoint, scoreLoss } from "./score-loss.js";
import { DELTAS, flip, ties } from "./ties.js";
import { hutchinson } from "./trace.js";
import { flatten, sizeOf, unflatten } from "./vectors.js";

const point = tinyPoint();
const images = tinyImages();
const { scores } = point.state;
const n = sizeOf(scores);
const prunable = pick(point.params, point.model.prunable);
const sharp = (loss: keyof typeof tinyLosses = "pgd-at", at: ScorePoint = point, more = {}) =>
  scoreLoss(at, images, { robust: tinyLosses[loss], ...more });

/** dL/dθ at θ as the definition has it, by one plain backward pass. */
function plainGradient(loss: keyof typeof tinyLosses, theta: Params): Tensor {
  return scope(() => {
    const leaves = mapParams(theta, (t) => ops.clone(t).setRequiresGrad(true));
    const state = { params: new Map([...point.params, ...leaves]), buffers: point.buffers };
    const forward = (x: Tensor) => point.model.forward(state, x, { batchNorm: "running" });
    const value = tinyLosses[loss].evaluate(forward, images);
    return flatten(new Map(grad(value.loss, [...leaves.values()]).map((g, i) => [String(i), g])));
  });
}

/** H_s entry by entry: diag(d) H diag(d), H by central differences of the gradient at w ⊙ m, d = sign(s) ⊙ w. */
function denseHessian(loss: keyof typeof tinyLosses): Tensor {
  return scope(() => {
    const masks = point.method.masks(point.state);
    const theta = flatten(mapParams(prunable, (w, name) => ops.mul(w, param(masks, name)))).toNumbers();
    const d = flatten(mapParams(prunable, (w, name) => ops.mul(ops.sign(param(scores, name)), w))).toNumbers();
    const at = (i: number, by: number) =>
      plainGradient(
        loss,
        unflatten(tensor(Float64Array.from(theta, (v, j) => (i === j ? v + by : v))), prunable),
      ).toNumbers();
    const h = 1e-6;
    const rows = theta.flatMap((_, i) => {
      const [above, below] = [at(i, h), at(i, -h)];
      return above.map((g, j) => ((d[i] as number) * (g - (below[j] as number)) * (d[j] as number)) / (2 * h));
    });
    return tensor(Float64Array.from(rows), [n, n]);
  });
}

describe.each(["pgd-at", "trades"] as const)("H_s under %s", (loss) => {
  const dense = denseHessian(loss);
  const spectrum = ops.linalgEigh(ops.div(ops.add(dense, ops.transpose(dense, 0, 1)), 2))[0].toNumbers();
  const diagonal = dense.toNumbers().filter((_, i) => i % (n + 1) === 0);

  test.each(PRODUCTS)("times every unit vector, %s", (products) => {
    using h = sharp(loss).hessian({ products });
    const unit = (i: number) => unflatten(tensor(Float64Array.from({ length: n }, (_, j) => Number(i === j))), scores);
    const rows = ops.stack(Array.from({ length: n }, (_, i) => scope(() => flatten(h.times(unit(i))))));
    expectClose(`${loss} ${products}`, rows, dense, 1e-7);
  });

  test("Lanczos, and Hutchinson within 4 standard errors", () => {
    using h = sharp(loss).hessian();
    const found = lanczos((v) => flatten(h.times(unflatten(v, scores))), n, {
      ...{ steps: 50, count: 3, dtype: "float64", rng: rng(0) },
    });
    found.values.forEach((value, i) => {
      expectClose(`${loss} eigenvalue ${i}`, value, spectrum[n - 1 - i] as number, 1e-6);
    });
    const { total } = hutchinson((v) => h.times(v), scores, { probes: 50, rng: rng(2) });
    const exact = diagonal.reduce((a, b) => a + b, 0);
    expect(Math.abs(total.value - exact)).toBeLessThan(4 * (total.standardError as number));
  });

  test("one layer's block is the operator on vectors of that layer", () => {
    using h = sharp(loss).hessian();
    const [, second] = [...scores.keys()] as [string, string];
    const v = mapParams(scores, (s, name) => (name === second ? ops.onesLike(s) : ops.zerosLike(s)));
    const size = param(scores, second).numel;
    const block = ops.narrow(ops.narrow(dense, 0, n - size, size), 1, n - size, size);
    const wanted = ops.reshape(ops.sumDim(block, [1]), param(scores, second).shape);
    expectClose(`${loss} block`, param(h.times(v), second), wanted, 1e-6);
  });
});

test("images in parts give the same loss, gradient and products", () => {
  const [whole, parts] = [sharp("trades"), sharp("trades", point, { batchSize: 3 })];
  expectClose("loss", parts.loss(scores), whole.loss(scores), 1e-12);
  expectClose("gradient", flatten(parts.gradient(scores).gradient), flatten(whole.gradient(scores).gradient), 1e-12);
  using a = whole.hessian();
  using b = parts.hessian();
  const v = mapParams(scores, (s) => ops.add(s, 1));
  expectClose("product", flatten(b.times(v)), flatten(a.times(v)), 1e-12);
});

test("nothing is changed and nothing is left", async () => {
  const before = flatten(new Map([...point.params, ...point.buffers, ...scores])).toNumbers();
  const live = await settledTensors();
  scope(() => {
    const at = sharp("trades");
    using h = at.hessian();
    h.times(scores);
    worstInBall(at, { radius: 0.1, steps: 3 });
    averageRise(at, { radius: 0.1, directions: 2, rng: rng(0) });
    flip(at, 0.1);
    ties(scores, at.held);
  });
  expect(liveTensors()).toBe(live);
  expect(flatten(new Map([...point.params, ...point.buffers, ...scores])).toNumbers()).toEqual(before);
});

test("scores ten times as large have the same H_s, ball and flip: only their order and sign matter", () => {
  const larger = { ...point, state: { ...point.state, scores: mapParams(scores, (s) => ops.mul(s, 10)) } };
  const [a, b] = [sharp(), sharp("pgd-at", larger)];
  const v = mapParams(scores, (s) => ops.sub(s, 0.1));
  using ha = a.hessian();
  using hb = b.hessian();
  expectClose("product", flatten(hb.times(v)), flatten(ha.times(v)), 1e-12);
  const how = { radius: 0.2, steps: 4 };
  const [wa, wb] = [worstInBall(a, how), worstInBall(b, how)];
  expectClose("worst", wb.loss, wa.loss, 1e-9);
  expect(flip(b, 0.1)).toEqual(flip(a, 0.1));
  const [ta, tb] = [ties(scores, a.held), ties(larger.state.scores, b.held)];
  expect(tb.within).toEqual(ta.within);
});

test("filters: J spreads a group's score over its weights, and H_s is J^T H J", () => {
  const grouped = tinyPoint(hydra({ keepRatio: 0.5, structure: "filters", scoreInit: "uniform" }));
  const at = sharp("pgd-at", grouped);
  const groups = grouped.state.scores;
  const size = sizeOf(groups);
  expect(size).toBeLessThan(n);
  using h = at.hessian();
  const unit = (i: number) => unflatten(tensor(Float64Array.from({ length: size }, (_, j) => Number(i === j))), groups);
  const rows = ops.stack(Array.from({ length: size }, (_, i) => scope(() => flatten(h.times(unit(i))))));
  expectClose("symmetric", rows, ops.transpose(rows, 0, 1), 1e-12);
  // The slope of the loss along a score with the mask held is the gradient's entry, and its second difference H_s's.
  const { gradient } = at.gradient(groups);
  const layer = "conv.weight";
  const w = param(grouped.params, layer);
  const sign = Math.sign(param(groups, layer).toNumbers()[0] as number);
  const along = (t: number) => {
    const mask = param(at.held, layer);
    const filter = ops.mul(ops.to(ops.eq(ops.reshape(ops.arange(0, 4), [4, 1, 1, 1]), 0), "float64"), w);
    const theta = ops.add(ops.mul(w, mask), ops.mul(filter, { float: t * sign }));
    const params = new Map([
      ...grouped.params,
      [layer, theta],
      ["linear.weight", ops.mul(param(grouped.params, "linear.weight"), param(at.held, "linear.weight"))],
    ]);
    const state = { params, buffers: grouped.buffers };
    const forward = (x: Tensor) => grouped.model.forward(state, x, { batchNorm: "running" });
    return tinyLosses["pgd-at"].evaluate(forward, images).loss.item();
  };
  const e = 1e-4;
  expectClose("slope", (along(e) - along(-e)) / (2 * e), param(gradient, layer).toNumbers()[0] as number, 1e-6);
  const second = (along(e) - 2 * along(0) + along(-e)) / e ** 2;
  expectClose("curvature", second, rows.toNumbers()[0] as number, 1e-5);
});

describe("in the ball", () => {
  const at = sharp("trades");
  const centre = at.loss(scores);

  test.each([0, 0.01, 0.1, 0.5])(
    "the worst loss is no less than at the centre and at S2AP's step, radius %d",
    (radius) => {
      for (const layer of [undefined, ...scores.keys()]) {
        const found = worstInBall(at, { radius, steps: 5, layer });
        expect(found.loss).toBeGreaterThanOrEqual(centre);
        expect(found.loss).toBeGreaterThanOrEqual(found.stepLoss);
        expect(found.rise).toBeCloseTo(found.loss - centre, 12);
        if (radius === 0) expect(found.rise).toBe(0);
      }
    },
  );

  test("a larger ball has a worse point, where masks change", () => {
    const rise = (radius: number) => worstInBall(at, { radius, steps: 10 }).rise;
    expect(rise(0.5)).toBeGreaterThan(rise(0.05));
  });

  test("random directions are the same for the same seed, and no worse than the worst", () => {
    const how = { radius: 0.3, directions: 6, rng: rng(9) };
    const found = averageRise(at, how);
    expect(averageRise(at, how)).toEqual(found);
    expect(found.value).toBeLessThan(worstInBall(at, { radius: 0.3, steps: 10 }).rise);
    expect(averageRise(at, { ...how, radius: 0 }).value).toBe(0);
  });
});

describe("near the threshold", () => {
  const at = sharp();

  test("ties are counted as they are", () => {
    const found = ties(scores, at.held);
    expect(found.deltas).toEqual(DELTAS);
    for (const [name, layer] of Object.entries(found.layers)) {
      const sorted = param(scores, name)
        .toNumbers()
        .map(Math.abs)
        .sort((a, b) => a - b);
      const [low, high] = sorted.slice(sorted.length - layer.kept - 1) as [number, number];
      expect(layer.gap).toBeCloseTo(high - low, 12);
      const rms = Math.sqrt(sorted.reduce((sum, s) => sum + s * s, 0) / sorted.length);
      const near = sorted.filter((s) => Math.abs(s - (low + high) / 2) <= 0.1 * rms).length / sorted.length;
      expect(layer.within.at(-1)).toBeCloseTo(near, 12);
    }
  });

  test("a flip exchanges the nearest weights, as many in as out", () => {
    const layer = "linear.weight";
    const magnitudes = param(scores, layer).toNumbers().map(Math.abs);
    const mask = param(at.held, layer).toNumbers();
    const kept = mask.filter((m) => m === 1).length;
    const m = Math.round(0.2 * kept);
    const order = magnitudes.map((_, i) => i).sort((i, j) => (magnitudes[i] as number) - (magnitudes[j] as number));
    const cut = order.length - kept;
    for (const i of order.slice(cut - m, cut)) mask[i] = 1;
    for (const i of order.slice(cut, cut + m)) mask[i] = 0;
    const changed = new Map([...at.held, [layer, tensor(Float64Array.from(mask), param(scores, layer).shape)]]);
    const found = flip(at, 0.2, layer);
    expect(found).toMatchObject({ swapped: m, loss: at.lossWith(changed) });
    expect(found.rise).toBeCloseTo(found.loss - at.loss(scores), 12);
  });
});

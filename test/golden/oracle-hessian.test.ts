// Tiny networks whose whole Hessian is given: products by double backward and by finite differences, eigenvalues by
// Lanczos, the trace, and the spectrum of what a mask keeps.
import { describe, expect, test } from "vitest";
import { hessian, type LossTerm, PRODUCTS } from "../../src/evaluation/sharpness/hessian.js";
import { lanczos } from "../../src/evaluation/sharpness/lanczos.js";
import { hutchinson } from "../../src/evaluation/sharpness/trace.js";
import { flatten, unflatten } from "../../src/evaluation/sharpness/vectors.js";
import { mapParams, type Params, param } from "../../src/nn/index.js";
import { noGrad, ops, scope, type Tensor, tensor } from "../../src/torch/index.js";
import { rng } from "../../src/util/index.js";
import { expectClose } from "../support/close.js";
import { forEachOracle, get, hessianFiles } from "../support/oracles.js";

/** One entry of cases.json. */
interface Case {
  readonly order: readonly string[];
  readonly trace: number;
  readonly loss: number;
  readonly masked_loss: number;
  readonly top_eigenvalue: number;
  readonly min_eigenvalue: number;
}

/** The case's network: one hidden layer, convolutional with ReLU or linear with tanh, and mean cross-entropy. */
function lossTerm(x: Tensor, y: Tensor): LossTerm {
  return (theta) => {
    const [w1, b1, w2, b2] = ["w1", "b1", "w2", "b2"].map((name) => param(theta, name)) as [
      Tensor,
      Tensor,
      Tensor,
      Tensor,
    ];
    const hidden =
      x.shape.length === 4
        ? ops.flatten(ops.relu(ops.conv2d(x, w1, { bias: b1, stride: 2 })), { startDim: 1 })
        : ops.tanh(ops.linear(x, w1, { bias: b1 }));
    return ops.crossEntropyLoss(ops.linear(hidden, w2, { bias: b2 }), y);
  };
}

/** All eigenvalues, ascending. */
const dense = (matrix: Tensor) => ops.linalgEigh(matrix)[0].toNumbers();

forEachOracle("hessian", (folder) => {
  const cases = folder.json("cases.json") as Record<string, Case>;
  const names = hessianFiles(folder).map((file) => file.replace(/\.safetensors$/, ""));
  test("each case has its file", () => expect(names).toEqual(Object.keys(cases).sort()));

  describe.each(names)("%s", (name) => {
    const at = cases[name] as Case;
    const given = folder.tensors(`${name}.safetensors`);
    const theta: Params = new Map(at.order.map((key) => [key, get(given, `w.${key}`)]));
    const term = lossTerm(get(given, "x"), get(given, "y"));
    const n = flatten(theta).numel;
    const where = (what: string) => `${folder.name}/${name}: ${what}`;

    /** The Hessian row by row. */
    function whole(products: (typeof PRODUCTS)[number], at: Params = theta): Tensor {
      return scope(() => {
        using h = hessian([term], at, { products });
        const unit = (i: number) =>
          unflatten(tensor(Float64Array.from({ length: n }, (_, j) => (i === j ? 1 : 0))), at);
        return ops.stack(Array.from({ length: n }, (_, i) => scope(() => flatten(h.times(unit(i))))));
      });
    }

    test("the loss", () => {
      expectClose(where("loss"), noGrad(() => term(theta)).item(), at.loss, 1e-10);
    });

    test.each(PRODUCTS)("H v and the whole matrix, %s", (products) => {
      const most = products === "doubleBackward" ? 1e-9 : 1e-5;
      using h = hessian([term], theta, { products });
      const image = scope(() => flatten(h.times(unflatten(get(given, "v"), theta))));
      expectClose(where(`Hv ${products}`), image, get(given, "Hv"), most);
      const matrix = whole(products);
      expectClose(where(`hessian ${products}`), matrix, get(given, "hessian"), most);
      const symmetric = ops.div(ops.add(matrix, ops.transpose(matrix, 0, 1)), 2);
      const spectrum = tensor(Float64Array.from(dense(symmetric)));
      expectClose(where(`eigenvalues ${products}`), spectrum, get(given, "eigenvalues"), most);
    });

    test("a sum of terms is the Hessian of the sum", () => {
      const half: LossTerm = (t) => ops.mul(term(t), { float: 0.5 });
      for (const products of PRODUCTS) {
        using h = hessian([half, half], theta, { products });
        const image = scope(() => flatten(h.times(unflatten(get(given, "v"), theta))));
        expectClose(where("Hv in halves"), image, get(given, "Hv"), products === "doubleBackward" ? 1e-9 : 1e-5);
      }
    });

    test("Lanczos finds the outer eigenvalues, and its bounds hold", () => {
      const exact = get(given, "eigenvalues").toNumbers();
      using h = hessian([term], theta);
      const apply = (v: Tensor) => flatten(h.times(unflatten(v, theta)));
      const found = lanczos(apply, n, { steps: 40, count: 3, rng: rng(0), dtype: "float64" });
      found.values.forEach((value, i) => {
        expectClose(where(`Lanczos ${i}`), value, exact[n - 1 - i] as number, 1e-6);
      });
      expectClose(where("Lanczos, smallest"), found.smallest.value, at.min_eigenvalue, 1e-6);
      const again = lanczos(apply, n, { steps: 40, count: 3, rng: rng(0), dtype: "float64" });
      expect(again.values).toEqual(found.values);
      const top = ops.select(found.vectors, 0, 0);
      const cosine = Math.abs(ops.dot(top, get(given, "top_eigenvector")).item());
      expectClose(where("top eigenvector"), cosine, 1, 1e-8);
      // Few steps: rough values, and honest bounds.
      for (const steps of [3, 6, 10]) {
        const rough = lanczos(apply, n, { steps, count: 2, rng: rng(steps), dtype: "float64" });
        rough.values.forEach((value, i) => {
          const nearest = Math.min(...exact.map((each) => Math.abs(each - value)));
          expect(nearest, `${steps} steps, value ${i}`).toBeLessThanOrEqual((rough.bounds[i] as number) + 1e-10);
        });
      }
    });

    test("Hutchinson is within 4 standard errors of the trace, in all and per tensor", () => {
      using h = hessian([term], theta);
      const found = hutchinson((v) => h.times(v), theta, { probes: 64, rng: rng(1) });
      const error = found.total.standardError as number;
      expect(Math.abs(found.total.value - at.trace)).toBeLessThan(4 * error);
      expect(error).toBeLessThan(Math.abs(at.trace));
      const diagonal = get(given, "hessian")
        .toNumbers()
        .filter((_, i) => i % (n + 1) === 0);
      let begin = 0;
      for (const [layer, { numel }] of theta) {
        const exact = diagonal.slice(begin, begin + numel).reduce((a, b) => a + b, 0);
        begin += numel;
        const { value, standardError } = found.layers[layer] as { value: number; standardError: number };
        expect(Math.abs(value - exact), layer).toBeLessThanOrEqual(4 * standardError + 1e-12);
      }
    });

    test("the spectrum of what a mask keeps, at the masked point", () => {
      const mask = ops.to(get(given, "mask_flat"), "float64");
      const masks = unflatten(mask, theta);
      const masked = mapParams(theta, (w, key) => ops.mul(w, param(masks, key)));
      expectClose(where("masked loss"), noGrad(() => term(masked)).item(), at.masked_loss, 1e-10);
      const kept = ops.squeeze(ops.nonzero(mask), 1);
      const block = ops.indexSelect(ops.indexSelect(whole("doubleBackward", masked), 0, kept), 1, kept);
      const exact = get(given, "masked_eigenvalues");
      expectClose(where("masked eigenvalues"), tensor(Float64Array.from(dense(block))), exact, 1e-9);
      using h = hessian([term], masked);
      const apply = (v: Tensor) => ops.mul(flatten(h.times(unflatten(ops.mul(v, mask), masked))), mask);
      const found = lanczos(apply, n, { steps: 40, count: 2, rng: rng(0), dtype: "float64" });
      expectClose(where("masked Lanczos"), found.values[0] as number, exact.toNumbers().at(-1) as number, 1e-6);
    });
  });
});

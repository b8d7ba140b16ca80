import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { liveTensors, manualSeed, ops, scope, type Tensor, tensor } from "../../torch/index.js";
import { rng } from "../../util/index.js";
import { linearCka } from "./cka.js";

type Rows = number[][];

/** Gaussian rows by Box and Muller. */
function gaussian(n: number, p: number, key: number): Rows {
  const at = rng(key, "cka");
  return Array.from({ length: n }, (_, i) =>
    Array.from({ length: p }, (_, j) => {
      const radius = Math.sqrt(-2 * Math.log(1 - at.at(i, j, "r").uniform()));
      return radius * Math.cos(2 * Math.PI * at.at(i, j, "a").uniform());
    }),
  );
}

const matrix = (rows: Rows): Tensor => tensor(Float64Array.from(rows.flat()), [rows.length, rows[0]?.length ?? 0]);
const cka = (a: Rows, b: Rows) => scope(() => linearCka(matrix(a), matrix(b)));

const dot = (a: readonly number[], b: readonly number[]) => a.reduce((s, x, i) => s + x * (b[i] as number), 0);
const gram = (rows: Rows): Rows => rows.map((a) => rows.map((b) => dot(a, b)));
const sum = (k: Rows) => k.flat().reduce((s, x) => s + x, 0);
const frobenius = (k: Rows, l: Rows) => dot(k.flat(), l.flat());

/** H K H, entry by entry. */
function centred(k: Rows): Rows {
  const n = k.length;
  const rows = k.map((row) => row.reduce((s, x) => s + x, 0) / n);
  const all = rows.reduce((s, x) => s + x, 0) / n;
  return k.map((row, i) => row.map((x, j) => x - (rows[i] as number) - (rows[j] as number) + all));
}

/** By n x n matrices, as the papers write them. */
function obvious(a: Rows, b: Rows) {
  const n = a.length;
  const [k, l] = [centred(gram(a)), centred(gram(b))];
  const biased = frobenius(k, l) / Math.sqrt(frobenius(k, k) * frobenius(l, l));
  const hollow = (rows: Rows) => gram(rows).map((row, i) => row.map((x, j) => (i === j ? 0 : x)));
  const [kt, lt] = [hollow(a), hollow(b)];
  const h = (x: Rows, y: Rows) => {
    const product = x.map((row) => y.map((_, j) => row.reduce((s, v, m) => s + v * (y[m]?.[j] as number), 0)));
    const trace = product.reduce((s, row, i) => s + (row[i] as number), 0);
    return trace + (sum(x) * sum(y)) / ((n - 1) * (n - 2)) - (2 / (n - 2)) * sum(product);
  };
  return { cka: biased, debiased: h(kt, lt) / Math.sqrt(h(kt, kt) * h(lt, lt)) };
}

describe("linear CKA", () => {
  test.each([
    [12, 3, 5],
    [9, 20, 4],
    [30, 6, 6],
  ])("of %d images, %d and %d features is as the papers define it", (n, p, q) => {
    const a = gaussian(n, p, 1);
    const b = gaussian(n, q, 2).map((row, i) => row.map((x, j) => x + (a[i]?.[j % p] as number) + 3));
    const found = cka(a, b);
    const wanted = obvious(a, b);
    expect(found.cka).toBeCloseTo(wanted.cka, 12);
    expect(found.debiased).toBeCloseTo(wanted.debiased, 10);
  });

  test("is symmetric, in range, and 1 of the same features", () => {
    fc.assert(
      fc.property(fc.integer({ min: 4, max: 12 }), fc.integer({ min: 1, max: 6 }), fc.nat(1000), (n, p, key) => {
        const [a, b] = [gaussian(n, p, key), gaussian(n, 3, key + 1)];
        const [forth, back, same] = [cka(a, b), cka(b, a), cka(a, a)];
        expect(forth.cka).toBeCloseTo(back.cka as number, 12);
        expect(forth.cka).toBeGreaterThanOrEqual(0);
        expect(forth.cka).toBeLessThanOrEqual(1);
        if (forth.debiased !== null) expect(Math.abs(forth.debiased)).toBeLessThanOrEqual(1);
        expect(same.cka).toBeCloseTo(1, 12);
        if (same.debiased !== null) expect(same.debiased).toBeCloseTo(1, 10);
      }),
      { numRuns: 30 },
    );
  });

  test("does not see orthogonal maps, scaling and shifts, and does see others", () => {
    const [a, b] = [gaussian(20, 3, 5), gaussian(20, 4, 6)];
    const mixed = b.map((row, i) => row.map((x, j) => x + 2 * (a[i]?.[j % 3] as number)));
    const before = cka(a, mixed);
    fc.assert(
      fc.property(
        fc.double({ min: 0, max: 6.3, noNaN: true }),
        fc.double({ min: 0.01, max: 100, noNaN: true }),
        (t, c) => {
          const [cos, sin] = [Math.cos(t), Math.sin(t)];
          const turned = a.map(([x = 0, y = 0, z = 0]) => [
            c * (cos * x - sin * z) + 1,
            c * (sin * x + cos * z) - 2,
            c * y,
          ]);
          const after = cka(turned, mixed);
          expect(after.cka).toBeCloseTo(before.cka as number, 10);
          expect(after.debiased).toBeCloseTo(before.debiased as number, 9);
        },
      ),
      { numRuns: 30 },
    );
    const stretched = cka(
      a.map(([x = 0, y = 0, z = 0]) => [10 * x, y, z]),
      mixed,
    );
    expect(Math.abs((stretched.cka as number) - (before.cka as number))).toBeGreaterThan(0.01);
  });

  test("of noise is large with few images, and without the bias it is not", () => {
    const found = cka(gaussian(40, 80, 7), gaussian(40, 80, 8));
    expect(found.cka).toBeGreaterThan(0.5);
    expect(Math.abs(found.debiased as number)).toBeLessThan(0.1);
  });

  test("of constant features and of too few images is not known", () => {
    const constant = Array.from({ length: 5 }, () => [0.1, 0.7]);
    expect(cka(constant, gaussian(5, 2, 1))).toEqual({ cka: null, debiased: null });
    expect(cka(gaussian(5, 2, 1), constant)).toEqual({ cka: null, debiased: null });
    expect(cka([[1], [2], [4]], [[2], [4], [8]])).toEqual({ cka: 1, debiased: null });
  });

  test("refuses features of other images", () => {
    expect(() => cka([[1], [2]], [[1], [2], [3]])).toThrow(
      'cka: expected features [n,p] and [n,q] of the same images, got "[2,1] and [3,1]"',
    );
  });

  test("takes float32 and leaves no tensor", () => {
    scope(() => {
      manualSeed(rng(1, "float32"));
      const features = ops.normal_(ops.empty([10, 4]));
      const before = liveTensors();
      expect(linearCka(features, features).cka).toBeCloseTo(1, 12);
      expect(liveTensors()).toBe(before);
    });
  });
});

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Masks, maskDistance, packMasks } from "../../pruning/index.js";
import { liveTensors, scope, tensor } from "../../torch/index.js";
import { maskSeries, maskStability } from "./masks.js";
import { maskMatrix, type Overlap } from "./overlap.js";

type Bits = readonly (readonly boolean[])[];

/** A layer for each list of bits. */
const masksOf = (layers: Bits): Masks =>
  new Map(layers.map((bits, i) => [`layer${i}`, tensor(Float32Array.from(bits, Number))]));

const on = (text: string) => [...text].map((c) => c === "1");

/** The definitions, one weight at a time. */
function obvious(a: readonly boolean[], b: readonly boolean[]): Omit<Overlap, "byChance"> {
  let [keptA, keptB, differing, both, either] = [0, 0, 0, 0, 0];
  for (const [i, x] of a.entries()) {
    const y = b[i] as boolean;
    if (x) keptA += 1;
    if (y) keptB += 1;
    if (x !== y) differing += 1;
    if (x && y) both += 1;
    if (x || y) either += 1;
  }
  const p = a.length;
  const perKept = differing === 0 ? 0 : keptA === 0 ? null : differing / p / (2 * (keptA / p));
  const kept = { a: keptA / p, b: keptB / p };
  return { weights: p, kept, hamming: differing / p, perKept, jaccard: either === 0 ? 1 : both / either };
}

const close = (got: Overlap, wanted: Omit<Overlap, "byChance">) => {
  expect(got.weights).toBe(wanted.weights);
  expect([got.kept.a, got.kept.b]).toEqual([wanted.kept.a, wanted.kept.b]);
  expect(got.hamming).toBeCloseTo(wanted.hamming, 14);
  expect(got.jaccard).toBe(wanted.jaccard);
  if (wanted.perKept === null || got.perKept === null) expect(got.perKept).toBe(wanted.perKept);
  else expect(got.perKept).toBeCloseTo(wanted.perKept, 12);
};

const sizes = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 4 });
const bits = (n: number) => fc.array(fc.boolean(), { minLength: n, maxLength: n });
const ofSizes = (ns: readonly number[]) => fc.tuple(...ns.map(bits));
const pairs = sizes.chain((ns) => fc.tuple(ofSizes(ns), ofSizes(ns)));

describe("two masks", () => {
  test("are measured as by definition, in each layer and in total", () => {
    fc.assert(
      fc.property(pairs, ([a, b]) => {
        scope(() => {
          const { total, layers } = maskStability(masksOf(a), masksOf(b));
          close(total, obvious(a.flat(), b.flat()));
          for (const [i, mine] of a.entries()) {
            close(layers[`layer${i}`] as Overlap, obvious(mine, b[i] as boolean[]));
          }
        });
      }),
      { numRuns: 60 },
    );
  });

  test("agree with the distance that runs log", () => {
    fc.assert(
      fc.property(pairs, ([a, b]) => {
        scope(() => {
          const logged = maskDistance(masksOf(a), masksOf(b));
          const { total, layers } = maskStability(masksOf(a), masksOf(b));
          expect(total.hamming).toBe(logged.hamming);
          if (Number.isFinite(logged.perKept)) expect(total.perKept).toBe(logged.perKept);
          for (const [name, { hamming }] of Object.entries(layers)) expect(hamming).toBe(logged.layers[name]);
        });
      }),
      { numRuns: 60 },
    );
  });

  test("are as far apart either way, and within their ranges", () => {
    fc.assert(
      fc.property(pairs, ([a, b]) => {
        scope(() => {
          const [forth, back] = [maskStability(masksOf(a), masksOf(b)), maskStability(masksOf(b), masksOf(a))];
          for (const of of ["hamming", "jaccard", "byChance"] as const) {
            expect(forth.total[of]).toBe(back.total[of]);
            expect(forth.total[of]).toBeGreaterThanOrEqual(0);
            expect(forth.total[of]).toBeLessThanOrEqual(1);
          }
          expect(forth.total.kept).toEqual({ a: back.total.kept.b, b: back.total.kept.a });
        });
      }),
      { numRuns: 60 },
    );
  });

  test("equal, disjoint, all kept, nothing kept", () => {
    scope(() => {
      const total = (a: string, b: string) => maskStability(masksOf([on(a)]), masksOf([on(b)])).total;
      expect(total("1100", "1100")).toMatchObject({ hamming: 0, perKept: 0, jaccard: 1, byChance: 0.5 });
      expect(total("1100", "0011")).toMatchObject({ hamming: 1, perKept: 1, jaccard: 0 });
      expect(total("1111", "1111")).toMatchObject({ hamming: 0, perKept: 0, jaccard: 1, byChance: 0 });
      expect(total("0000", "0000")).toMatchObject({ hamming: 0, perKept: 0, jaccard: 1 });
      expect(total("0000", "0100")).toMatchObject({ hamming: 0.25, perKept: null, jaccard: 0 });
    });
  });

  test("the distance by chance is the mean over all masks of the size", () => {
    const four = Array.from({ length: 16 }, (_, i) => on(i.toString(2).padStart(4, "0")));
    const two = four.filter((mask) => mask.filter(Boolean).length === 2);
    scope(() => {
      const found = two.map((mask) => maskStability(masksOf([on("1000")]), masksOf([mask])).total);
      const mean = found.reduce((sum, { hamming }) => sum + hamming, 0) / found.length;
      expect(found[0]?.byChance).toBeCloseTo(mean, 14);
    });
  });

  test("of different networks are refused", () => {
    scope(() => {
      const [a, b] = [masksOf([on("10")]), masksOf([on("101")])];
      expect(() => maskStability(a, b)).toThrow(
        "masks: expected two masks of the same network, got layer0 [2] in A and [3] in B",
      );
      expect(() => maskStability(masksOf([on("1"), on("1")]), masksOf([on("1")]))).toThrow(
        /got layer1 \[1\] in A and missing in B/,
      );
      expect(() => maskStability(new Map(), new Map())).toThrow('masks: expected at least one layer, got "none"');
    });
  });
});

describe("a series", () => {
  const series = sizes.chain((ns) => fc.array(ofSizes(ns), { minLength: 1, maxLength: 5 }));

  test("counts how often each weight changes sides", () => {
    fc.assert(
      fc.property(series, (all) => {
        scope(() => {
          const flat = all.map((layers) => layers.flat());
          const changes = (flat[0] as boolean[]).map((_, i) =>
            flat.slice(1).reduce((sum, mask, e) => sum + (mask[i] === flat[e]?.[i] ? 0 : 1), 0),
          );
          const { total, steps, length } = maskSeries(all.map(masksOf));
          expect([length, steps.length]).toEqual([all.length, all.length - 1]);
          expect(total.changes).toBeCloseTo(changes.reduce((a, b) => a + b, 0) / changes.length, 12);
          expect(total.changes).toBeCloseTo(
            steps.reduce((sum, step) => sum + step.total.hamming, 0),
            12,
          );
          for (const [n, share] of total.times.entries()) {
            expect(share).toBeCloseTo(changes.filter((count) => count === n).length / changes.length, 14);
          }
          expect(total.times.length).toBe(Math.max(...changes) + 1);
          expect(total.displaced).toBeLessThanOrEqual(total.changes + 1e-12);
        });
      }),
      { numRuns: 60 },
    );
  });

  test("is compared each with each, as two masks are", () => {
    fc.assert(
      fc.property(series, (all) => {
        scope(() => {
          const tensors = all.map(masksOf);
          const { kept, hamming, jaccard } = maskMatrix(tensors.map(packMasks));
          for (const [i, a] of tensors.entries()) {
            for (const [j, b] of tensors.entries()) {
              const { total } = maskStability(a, b);
              expect([kept[i], kept[j]]).toEqual([total.kept.a, total.kept.b]);
              expect([hamming[i]?.[j], jaccard[i]?.[j]]).toEqual([total.hamming, total.jaccard]);
            }
          }
        });
      }),
      { numRuns: 30 },
    );
  });

  test("of different networks is refused", () => {
    scope(() => {
      const two = [masksOf([on("10")]), masksOf([on("101")])].map(packMasks);
      expect(() => maskMatrix(two)).toThrow(/two masks of the same network/);
    });
  });

  test("there and back again moves nothing", () => {
    scope(() => {
      const { total, layers } = maskSeries(["1100", "1010", "1100"].map((text) => masksOf([on(text)])));
      expect(total).toEqual({ weights: 4, changes: 1, times: [0.5, 0, 0.5], displaced: 0 });
      expect(layers.layer0).toEqual(total);
    });
  });

  test("of nothing is refused", () => {
    expect(() => maskSeries([])).toThrow("masks: expected a series of at least one mask");
  });
});

test("no tensor is left", () => {
  scope(() => {
    const masks = ["1100", "1010"].map((text) => masksOf([on(text)]));
    const before = liveTensors();
    maskSeries(masks);
    expect(liveTensors()).toBe(before);
  });
});

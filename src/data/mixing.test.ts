// Cutout and mixup: what they do to images and labels, and what keys their random numbers.
import { describe, expect, test } from "vitest";
import { freeModel, tinyNet } from "../../test/support/tiny.js";
import { linf, pgd } from "../attacks/index.js";
import { mart, natural, pgdAt, trades } from "../losses/index.js";
import { sgd } from "../optim/index.js";
import { liveTensors, ops, scope } from "../torch/index.js";
import { pretrain } from "../train/index.js";
import { rng } from "../util/index.js";
import { cutOut } from "./cutout.js";
import { split } from "./loader.js";
import { mix, symmetricBeta } from "./mixup.js";
import { synthetic } from "./synthetic.js";

const { train, selection } = synthetic({
  numClasses: 4,
  size: 8,
  examples: 32,
  selection: 16,
  testExamples: 4,
  batchSize: 8,
  augment: false,
});

/** Rows and columns of zeros in each image of x [B,1,H,W] of ones. */
function squares(size: number, length: number, images: Int32Array, epoch: number, seed: number) {
  return scope(() => {
    const x = ops.ones([images.length, 2, size, size]);
    cutOut(x, images, length, epoch, rng(seed));
    const values = x.toNumbers();
    return Array.from(images, (_, i) => {
      const of = (channel: number) => values.slice((2 * i + channel) * size ** 2, (2 * i + channel + 1) * size ** 2);
      expect(of(0)).toEqual(of(1));
      const zeros = of(0).flatMap((value, at) => (value === 0 ? [[Math.floor(at / size), at % size] as const] : []));
      const [rows, columns] = [zeros.map(([row]) => row), zeros.map(([, column]) => column)];
      const [top, left] = [Math.min(...rows), Math.min(...columns)];
      const [height, width] = [Math.max(...rows) - top + 1, Math.max(...columns) - left + 1];
      expect(zeros).toHaveLength(height * width);
      return { top, left, height, width };
    });
  });
}

describe("cutout", () => {
  const images = Int32Array.from({ length: 2000 }, (_, i) => i);

  test("is a square whose centre is anywhere, cut at the edges", () => {
    const found = squares(8, 3, images, 0, 1);
    const whole = found.filter(({ height, width }) => height === 3 && width === 3);
    const corner = found.filter(({ top, left, height, width }) => top + left === 0 && height === 2 && width === 2);
    // 36 of 64 centres are inside, one is at this corner: 0.5625 and 0.0156, within 4 standard errors.
    expect(Math.abs(whole.length / 2000 - 36 / 64)).toBeLessThan(0.045);
    expect(Math.abs(corner.length / 2000 - 1 / 64)).toBeLessThan(0.012);
    expect(Math.max(...found.map(({ height }) => height))).toBe(3);
  });

  test("of an even length has it too, and longer than the image leaves what it does not reach", () => {
    expect(Math.max(...squares(8, 4, images, 0, 1).map(({ width }) => width))).toBe(4);
    expect(squares(8, 16, images.slice(0, 50), 0, 1).some(({ width }) => width < 8)).toBe(false);
  });

  test("depends on image, epoch and seed alone", () => {
    const few = images.slice(0, 20);
    const found = squares(8, 3, few, 2, 1);
    expect(squares(8, 3, few.toReversed(), 2, 1).toReversed()).toEqual(found);
    expect(squares(8, 3, few, 3, 1)).not.toEqual(found);
    expect(squares(8, 3, few, 2, 2)).not.toEqual(found);
  });

  test("takes pixels out of a split's training batches only", () => {
    const cut = split(train.dataset, train.indices, { ...train, cutout: 2 });
    scope(() => {
      const before = train.batch(0, 0, rng(1));
      const after = cut.batch(0, 0, rng(1));
      expect(after.x.isChannelsLast).toBe(true);
      const [a, b] = [before.x.toNumbers(), after.x.toNumbers()];
      const gone = b.filter((value, i) => value !== a[i]);
      expect(gone.every((value) => value === 0)).toBe(true);
      expect(gone.length).toBeGreaterThan(8);
      expect(gone.length).toBeLessThanOrEqual(8 * 3 * 4);
      expect(cut.ordered(0, 8).x.toNumbers()).toEqual(train.ordered(0, 8).x.toNumbers());
    });
  });
});

describe("mixup", () => {
  test.each([0.2, 0.5, 1, 3])(
    "its share is of Beta(alpha, alpha), alpha %f: mean, variance and the median of |2 l - 1|",
    (alpha) => {
      const draws = Array.from({ length: 20_000 }, (_, i) => symmetricBeta(alpha, rng(1, i)));
      const mean = draws.reduce((a, b) => a + b, 0) / draws.length;
      const variance = draws.reduce((sum, l) => sum + (l - 0.5) ** 2, 0) / draws.length;
      const fourth = draws.reduce((sum, l) => sum + (l - 0.5) ** 4, 0) / draws.length;
      // Moments of Beta(a, a): var = 1 / (4 (2a + 1)), fourth = 3 / (16 (2a + 1) (2a + 3)).
      expect(Math.abs(mean - 0.5)).toBeLessThan(0.013);
      expect(variance * 4 * (2 * alpha + 1)).toBeCloseTo(1, 1);
      expect((fourth * 16 * (2 * alpha + 1) * (2 * alpha + 3)) / 3).toBeCloseTo(1, 1);
      expect(draws.every((l) => l >= 0 && l <= 1)).toBe(true);
    },
  );

  test("mixes images and labels by the same share and pairs; y is the larger share's", () => {
    for (let seed = 0; seed < 6; seed++) {
      scope(() => {
        const batch = train.batch(0, 0, rng(1));
        const { x, y, targets } = mix(batch, 4, 1, rng(seed));
        const share = symmetricBeta(1, rng(seed).at("share"));
        const pairs = rng(seed).at("pairs").permutation(8);
        const [from, labels, mixed, shares] = [batch.x, batch.y, x, targets as typeof x].map((t) => t.toNumbers()) as [
          number[],
          number[],
          number[],
          number[],
        ];
        for (const [i, j] of pairs.entries()) {
          const larger = share >= 0.5 ? i : j;
          expect(y.toNumbers()[i]).toBe(labels[larger]);
          const wanted = [0, 1, 2, 3].map((k) => (labels[i] === k ? share : 0) + (labels[j] === k ? 1 - share : 0));
          for (const k of [0, 1, 2, 3]) expect(shares[4 * i + k]).toBeCloseTo(wanted[k] as number, 5);
          for (let p = 0; p < 192; p += 17) {
            const blend = share * (from[192 * i + p] as number) + (1 - share) * (from[192 * j + p] as number);
            expect(mixed[192 * i + p]).toBeCloseTo(blend, 5);
          }
        }
      });
    }
  });

  const attack = pgd(linf({ eps: "8/255" }), { steps: 1 });
  const mixed = split(train.dataset, train.indices, { ...train, mixup: 0.5 });
  const common = {
    train: mixed,
    selection,
    optimizer: sgd({ lr: 0.05 }),
    selectionAttack: attack,
    epochs: 1,
    seed: 1,
  };

  test.each([
    ["pgd-at", pgdAt(attack, { labelSmoothing: 0.1 })],
    ["trades", trades(attack)],
    ["natural", natural(linf({ eps: "8/255" }))],
  ] as const)("%s trains with mixed labels, otherwise than with whole ones", async (_name, loss) => {
    const model = tinyNet();
    const trained = await pretrain(model, { ...common, loss });
    const whole = {
      ...mixed,
      batch: (...at: Parameters<typeof mixed.batch>) => ({ ...mixed.batch(...at), targets: undefined }),
    };
    const hard = await pretrain(model, { ...common, train: whole, loss });
    const bits = [trained, hard].map(({ params }) => params.get("linear.weight")?.toNumbers());
    expect(bits[0]).not.toEqual(bits[1]);
    for (const net of [model, trained, hard]) freeModel(net);
  });

  test("a loss that needs whole labels refuses them before any work", async () => {
    const model = tinyNet();
    const live = liveTensors();
    const refused = pretrain(model, { ...common, loss: mart(attack) });
    await expect(refused).rejects.toThrow(
      'pretrain: expected a loss that takes mixed labels, as mixup makes them, got "mart"',
    );
    expect(liveTensors()).toBe(live);
    freeModel(model);
  });
});

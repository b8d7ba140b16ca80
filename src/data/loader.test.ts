import { describe, expect, test } from "vitest";
import { liveTensors, ops, scope, tensor } from "../torch/index.js";
import { rng, UsageError } from "../util/index.js";
import { augmentation, cropAndFlip } from "./augment.js";
import type { ResidentDataset } from "./dataset.js";
import { split, splits } from "./loader.js";

/** Images of random bytes whose label is their own position. */
function numbered(length: number, size = 6): ResidentDataset {
  const bytes = Uint8Array.from({ length: length * 3 * size * size }, (_, i) => (i * 7919) % 251);
  return {
    name: "numbered",
    images: tensor(bytes, [length, 3, size, size]),
    labels: tensor(BigInt64Array.from({ length }, (_, i) => BigInt(i))),
    length,
    numClasses: length,
    classNames: [],
    source: { kind: "generated", location: "", sha256: "" },
  };
}

const range = (n: number) => Int32Array.from({ length: n }, (_, i) => i);
const key = rng(7, "train");
const defaults = { batchSize: 10, augment: false, selection: 20, examples: undefined };

describe("batches", () => {
  test("an epoch meets every image once, in another order each time; the last batch is short", () => {
    const part = split(numbered(25), range(25), { batchSize: 10 });
    expect(part.steps).toBe(3);
    const epoch = (n: number) => [0, 1, 2].map((index) => part.batch(n, index, key).y.toNumbers());
    const first = epoch(0);
    expect(first.map((batch) => batch.length)).toEqual([10, 10, 5]);
    expect(first.flat().sort((a, b) => a - b)).toEqual([...range(25)]);
    expect(
      epoch(1)
        .flat()
        .sort((a, b) => a - b),
    ).toEqual([...range(25)]);
    expect(epoch(1)).not.toEqual(first);
    expect(first.flat()).not.toEqual([...range(25)]);
  });

  test("the same arguments give the same bits, whatever was asked before", () => {
    const options = { batchSize: 8, augment: true };
    const [one, other] = [split(numbered(30), range(30), options), split(numbered(30), range(30), options)];
    const bits = (part: typeof one, epoch: number, index: number, keyed = key) => {
      const { x, y } = part.batch(epoch, index, keyed);
      return [x.toArray(), y.toArray()];
    };
    const wanted = bits(one, 3, 1);
    bits(other, 0, 0);
    bits(other, 3, 2);
    expect(bits(other, 3, 1)).toEqual(wanted);
    expect(bits(other, 3, 1, rng(8, "train"))).not.toEqual(wanted);
  });

  test("x is float32 in channels_last, exactly value / 255; y follows", () => {
    const data = numbered(12);
    const { x, y, size } = split(data, range(12), { batchSize: 5 }).batch(0, 1, key);
    expect([x.dtype, x.shape, x.isChannelsLast, y.dtype, size]).toEqual(["float32", [5, 3, 6, 6], true, "int64", 5]);
    const bytes = data.images.toArray() as Uint8Array;
    const images = y.toNumbers().flatMap((label) => [...bytes.subarray(label * 108, (label + 1) * 108)]);
    expect(x.toArray()).toEqual(Float32Array.from(images, (value) => value / 255));
  });

  test("without augmentation images come unchanged, with it nearly all change", () => {
    const data = numbered(40);
    const plain = split(data, range(40), { batchSize: 40 }).batch(0, 0, key);
    const augmented = split(data, range(40), { batchSize: 40, augment: true }).batch(0, 0, key);
    expect(augmented.y.toArray()).toEqual(plain.y.toArray());
    const same = ops.eq(plain.x, augmented.x).toNumbers();
    const changed = Array.from({ length: 40 }, (_, i) => same.slice(i * 108, (i + 1) * 108).includes(0));
    expect(changed.filter(Boolean).length).toBeGreaterThan(35);
    expect(augmented.x.isChannelsLast).toBe(true);
  });

  test("what happens to an image does not depend on the batch size", () => {
    const data = numbered(24);
    const image = (batchSize: number, label: number) => {
      const part = split(data, range(24), { batchSize, augment: true });
      for (let index = 0; index < part.steps; index++) {
        const { x, y } = part.batch(2, index, key);
        const at = y.toNumbers().indexOf(label);
        if (at >= 0) return ops.select(x, 0, at).toArray();
      }
      return undefined;
    };
    for (const label of [0, 11, 23]) expect(image(5, label)).toEqual(image(24, label));
  });

  test("ordered batches keep the order, are cut at the end and never augmented", () => {
    const data = numbered(20);
    const part = split(data, Int32Array.of(2, 3, 5, 7, 11, 13), { batchSize: 4, augment: true });
    expect(part.ordered(0, 4).y.toNumbers()).toEqual([2, 3, 5, 7]);
    expect(part.ordered(4, 4)).toMatchObject({ size: 2 });
    const { x } = part.ordered(5, 1);
    expect(x.isChannelsLast).toBe(true);
    expect(x.toArray()).toEqual(ops.div(ops.select(data.images, 0, 13), 255).toArray());
  });

  test("wrong positions are refused", () => {
    const part = split(numbered(6), range(6), { batchSize: 4 });
    expect(() => part.batch(0, 2, key)).toThrow("split.batch: expected index to be a whole number in [0, 1], got 2");
    expect(() => part.ordered(6, 1)).toThrow("split.ordered: expected start to be a whole number in [0, 5], got 6");
    expect(() => part.ordered(0, 0)).toThrow(UsageError);
    expect(() => split(numbered(6), range(6), { batchSize: 0.5 })).toThrow(UsageError);
  });

  test("a batch leaves two tensors and, in a scope, none", () => {
    const part = split(numbered(16), range(16), { batchSize: 8, augment: true });
    const before = liveTensors();
    scope(() => {
      part.batch(0, 0, key);
      expect(liveTensors()).toBe(before + 2);
      part.ordered(0, 8);
      expect(liveTensors()).toBe(before + 4);
    });
    expect(liveTensors()).toBe(before);
  });
});

describe("augmentation", () => {
  test("every one of the 162 variants is the crop and flip that it names", () => {
    const size = 5;
    const variants = Uint8Array.from({ length: 162 }, (_, i) => i);
    const images = numbered(162, size).images;
    const bytes = images.toArray() as Uint8Array;
    const expectedBytes = new Uint8Array(bytes.length);
    for (const variant of variants) {
      const [top, left, flip] = [Math.floor(variant / 18) - 4, (Math.floor(variant / 2) % 9) - 4, variant % 2 === 1];
      for (let c = 0; c < 3; c++) {
        for (let y = 0; y < size; y++) {
          for (let x = 0; x < size; x++) {
            const [row, column] = [y + top, (flip ? size - 1 - x : x) + left];
            const inside = row >= 0 && row < size && column >= 0 && column < size;
            const plane = (variant * 3 + c) * size;
            expectedBytes[(plane + y) * size + x] = inside ? (bytes[(plane + row) * size + column] as number) : 0;
          }
        }
      }
    }
    expect(cropAndFlip(images, variants).toArray()).toEqual(expectedBytes);
  });

  test("all variants occur, evenly", () => {
    const counts = new Array<number>(162).fill(0);
    for (const variant of augmentation(range(16_200), 0, key)) counts[variant] = (counts[variant] as number) + 1;
    // 100 expected each, standard deviation 10.
    expect(Math.min(...counts)).toBeGreaterThan(55);
    expect(Math.max(...counts)).toBeLessThan(150);
    expect(augmentation(range(50), 0, key)).not.toEqual(augmentation(range(50), 1, key));
  });
});

describe("without flips", () => {
  test("the crops are the same, and no image is mirrored", () => {
    const all = augmentation(range(500), 3, key);
    expect(augmentation(range(500), 3, key, false)).toEqual(all.map((variant) => variant - (variant % 2)));
    expect(all.some((variant) => variant % 2 === 1)).toBe(true);
  });

  test("a split keeps to it, also where it is made again from itself", () => {
    const data = numbered(60);
    const [plain, both] = [false, true].map((flip) => split(data, range(60), { batchSize: 60, augment: true, flip }));
    const x = (part: typeof plain) => part?.batch(0, 0, key).x.toArray();
    expect(x(plain)).not.toEqual(x(both));
    expect(x(split(data, range(60), { ...plain, batchSize: 60 }))).toEqual(x(plain));
    const { train } = splits("data", { train: data, test: data }, { ...defaults, augment: true, flip: false });
    expect(train.flip).toBe(false);
  });
});

describe("splits", () => {
  const data = { train: numbered(100, 4), test: numbered(10, 4) };

  test("selection is held out of the training images", () => {
    const { train, selection, test: held } = splits("data", data, defaults);
    expect([train.length, selection.length, held.length]).toEqual([80, 20, 10]);
    expect([...train.indices, ...selection.indices].sort((a, b) => a - b)).toEqual([...range(100)]);
    expect(selection.indices).not.toEqual(range(20));
    expect([train.augment, selection.augment, held.augment]).toEqual([false, false, false]);
    expect([...held.indices]).toEqual([...range(10)]);
    expect(splits("data", data, { ...defaults, augment: true }).selection.augment).toBe(false);
  });

  test("fewer examples are a subset, and the same images are held out", () => {
    const whole = splits("data", data, defaults);
    const half = splits("data", data, { ...defaults, examples: 40 });
    const few = splits("data", data, { ...defaults, examples: 4 });
    expect([half.train.length, few.train.length]).toEqual([40, 4]);
    expect(half.selection.indices).toEqual(whole.selection.indices);
    const isIn = (part: Int32Array, of: Int32Array) => part.every((index) => of.includes(index));
    expect(isIn(few.train.indices, half.train.indices)).toBe(true);
    expect(isIn(half.train.indices, whole.train.indices)).toBe(true);
    expect([...half.train.indices]).toEqual([...half.train.indices].sort((a, b) => a - b));
  });

  test("numbers that do not fit are refused", () => {
    const attempt = (options: object) => () => splits("data", data, { ...defaults, ...options });
    expect(attempt({ selection: 100 })).toThrow("data: expected selection to be a whole number in [0, 99], got 100");
    expect(attempt({ examples: 81 })).toThrow("data: expected examples to be a whole number in [1, 80], got 81");
    expect(attempt({ batchSize: -1 })).toThrow(UsageError);
    expect(attempt({ selection: 0 })().train.length).toBe(100);
  });
});

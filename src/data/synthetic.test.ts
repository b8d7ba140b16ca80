import { describe, expect, test } from "vitest";
import type { Split } from "./dataset.js";
import { datasets } from "./registry.js";
import { synthetic } from "./synthetic.js";

const small = { examples: 200, selection: 20, testExamples: 60, numClasses: 5, size: 12 };

function rows(split: Split): { images: Float32Array[]; labels: number[] } {
  const { x, y } = split.ordered(0, split.length);
  const values = x.toArray() as Float32Array;
  const each = values.length / split.length;
  const images = Array.from({ length: split.length }, (_, i) => values.subarray(i * each, (i + 1) * each));
  return { images, labels: y.toNumbers() };
}

function distance(a: Float32Array, b: Float32Array): number {
  return a.reduce((sum, value, i) => sum + (value - (b[i] as number)) ** 2, 0);
}

describe("synthetic", () => {
  test("has the sizes that were asked for, and balanced classes", () => {
    const { train, selection, test: held } = synthetic(small);
    expect([train.length, selection.length, held.length]).toEqual([200, 20, 60]);
    expect([train.dataset.images.shape, train.dataset.numClasses]).toEqual([[220, 3, 12, 12], 5]);
    const labels = held.dataset.labels.toNumbers();
    for (let k = 0; k < 5; k++) expect(labels.filter((label) => label === k).length).toBe(12);
  });

  test("the same options give the same bits, another seed others, more images the same first ones", () => {
    const bytes = (options: object) => synthetic({ ...small, ...options }).train.dataset.images.toArray() as Uint8Array;
    const first = bytes({});
    expect(bytes({ batchSize: 3 })).toEqual(first);
    expect(bytes({ seed: 1 })).not.toEqual(first);
    expect(bytes({ examples: 300 }).subarray(0, first.length)).toEqual(first);
    const hash = (options: object) => synthetic({ ...small, ...options }).train.dataset.source.sha256;
    expect(hash({})).toBe(hash({}));
    expect(hash({ seed: 1 })).not.toBe(hash({}));
  });

  test("classes can be learnt: the nearest class mean is right on the test set, and noise is there", () => {
    const { train, test: held } = synthetic(small);
    const seen = rows(train);
    const means = Array.from({ length: 5 }, (_, k) => {
      const own = seen.images.filter((_, i) => seen.labels[i] === k);
      return Float32Array.from(
        own[0] as Float32Array,
        (_, at) => own.reduce((s, x) => s + (x[at] as number), 0) / own.length,
      );
    });
    const fresh = rows(held);
    const right = fresh.images.filter((image, i) => {
      const distances = means.map((mean) => distance(image, mean));
      return distances.indexOf(Math.min(...distances)) === fresh.labels[i];
    });
    expect(right.length / fresh.images.length).toBeGreaterThan(0.9);
    expect(distance(fresh.images[0] as Float32Array, fresh.images[5] as Float32Array)).toBeGreaterThan(1);
    const used = new Set(held.dataset.images.toNumbers());
    expect(used.size).toBeGreaterThan(150);
  });

  test("options are checked", () => {
    expect(() => synthetic({ size: 3 })).toThrow("synthetic: expected size in [4, 512], got 3");
    expect(() => synthetic({ numClasses: 1 })).toThrow("synthetic: expected numClasses in [2, 256], got 1");
    expect(() => synthetic({ sizes: 3 } as object)).toThrow(/nearest/);
  });
});

describe("registry", () => {
  test("names every data set and loads by name", async () => {
    expect(datasets.names()).toEqual([
      "cifar10",
      "cifar100",
      "mnist",
      "fashion-mnist",
      "svhn",
      "npz",
      "image-folder",
      "synthetic",
    ]);
    const row = datasets.get("synthetic");
    const { train } = await row.create(row.options.parse(small), {});
    expect(train.length).toBe(200);
    await expect(
      datasets.get("cifar10").create({ batchSize: 1, augment: true, selection: 0, source: "/nowhere" }, {}),
    ).rejects.toThrow("/nowhere: cannot read");
  });

  test.each(datasets.entries())(
    "%s describes every option and has a default for all but a path of one's own",
    (_, row) => {
      const shape = (row.options as unknown as { shape: Record<string, { description?: string }> }).shape;
      for (const [name, field] of Object.entries(shape)) expect(field.description, name).toBeTruthy();
      expect(row.options.safeParse("path" in shape ? { path: "mine" } : {}).success).toBe(true);
      expect(row.summary.length).toBeGreaterThan(10);
    },
  );
});

// Extra images from .npz files: read as NumPy wrote them, refused when damaged, and mixed in a fixed share.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, afterEach, beforeEach, describe, expect, test } from "vitest";
import { npy, zip } from "../../test/support/npz.js";
import { liveTensors, scope } from "../torch/index.js";
import { DataError, rng } from "../util/index.js";
import type { Dataset } from "./dataset.js";
import { extraImages, withExtra } from "./extra.js";
import { split } from "./loader.js";
import { npyHeader } from "./npy.js";
import { datasets } from "./registry.js";
import { synthetic } from "./synthetic.js";

const folder = mkdtempSync(join(tmpdir(), "s2ap-extra-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const like = synthetic({
  numClasses: 4,
  size: 8,
  examples: 40,
  selection: 8,
  testExamples: 4,
  batchSize: 10,
  augment: false,
});
let live = 0;
beforeEach(() => {
  live = liveTensors();
});
afterEach(() => expect(liveTensors()).toBe(live));

const golden = (name: string) => new URL(`../../test/golden/data/${name}`, import.meta.url).pathname;
function free({ images, labels }: Dataset): void {
  for (const tensor of [images, labels]) tensor?.dispose();
}

const FULL = 0xffffffff;

/** The same archive as zip64, whose 32-bit sizes and offsets all say: look elsewhere. */
function zip64(files: Readonly<Record<string, Buffer>>): Buffer {
  const plain = zip(files);
  const end = plain.subarray(plain.length - 22);
  const [count, begin] = [end.readUInt16LE(10), end.readUInt32LE(16)];
  const list: Buffer[] = [];
  for (let at = begin, i = 0; i < count; i++) {
    const nameLength = plain.readUInt16LE(at + 28);
    const entry = Buffer.from(plain.subarray(at, at + 46 + nameLength));
    const extra = Buffer.alloc(28);
    extra.writeUInt16LE(1, 0);
    extra.writeUInt16LE(24, 2);
    for (const [k, field] of [24, 20, 42].entries()) {
      extra.writeBigUInt64LE(BigInt(entry.readUInt32LE(field)), 4 + 8 * k);
      entry.writeUInt32LE(FULL, field);
    }
    entry.writeUInt16LE(extra.length, 30);
    list.push(entry, extra);
    at += 46 + nameLength;
  }
  const central = Buffer.concat(list);
  const record = Buffer.alloc(56);
  record.write("PK\x06\x06");
  record.writeBigUInt64LE(BigInt(count), 32);
  record.writeBigUInt64LE(BigInt(central.length), 40);
  record.writeBigUInt64LE(BigInt(begin), 48);
  const locator = Buffer.alloc(20);
  locator.write("PK\x06\x07");
  locator.writeBigUInt64LE(BigInt(begin + central.length), 8);
  const last = Buffer.from(end);
  last.writeUInt32LE(FULL, 12);
  last.writeUInt32LE(FULL, 16);
  return Buffer.concat([plain.subarray(0, begin), central, record, locator, last]);
}

const PIXELS = Uint8Array.from({ length: 3 * 192 }, (_, i) => (i * 11) % 256);
const image = npy("|u1", [3, 8, 8, 3], PIXELS);
const label = npy("<i4", [3], new Uint8Array(Int32Array.of(2, 0, 3).buffer));

function file(bytes: Uint8Array): string {
  const path = join(folder, "file.npz");
  writeFileSync(path, bytes);
  return path;
}
const load = (bytes: Uint8Array) => extraImages(file(bytes), like.train.dataset);

describe("a file of NumPy's", () => {
  test.each(["extra-stored.npz", "extra-deflated.npz"])(
    "%s has the images and labels it was written with",
    async (name) => {
      const told: string[] = [];
      const extra = await extraImages(golden(name), like.train.dataset, (text) => told.push(text));
      expect(extra.labels.toNumbers()).toEqual([0, 1, 2, 3, 0, 1]);
      expect(extra.images.shape).toEqual([6, 3, 8, 8]);
      const [at, found] = [
        (n: number, c: number, y: number, x: number) => ((n * 8 + y) * 8 + x) * 3 + c,
        extra.images.toNumbers(),
      ];
      for (const [n, c, y, x] of [
        [0, 0, 0, 0],
        [1, 2, 3, 4],
        [5, 1, 7, 6],
      ] as const) {
        expect(found[((n * 3 + c) * 8 + y) * 8 + x]).toBe((at(n, c, y, x) * 7 + 3) % 256);
      }
      expect(told.join()).toContain("6 images of [3,8,8]");
      expect(told.join()).toContain("of each class 2, 2, 1, 1");
      free(extra);
    },
  );
});

test("a zip64 archive, as files above 4 GB are, reads the same", async () => {
  const [wide, plain] = [
    await load(zip64({ "image.npy": image, "label.npy": label })),
    await load(zip({ "image.npy": image, "label.npy": label })),
  ];
  expect(wide.images.toArray()).toEqual(plain.images.toArray());
  expect(wide.labels.toNumbers()).toEqual([2, 0, 3]);
  expect(wide.source.sha256).toBe(plain.source.sha256);
  free(wide);
  free(plain);
});

describe("what is refused", () => {
  const wrong: readonly (readonly [string, Uint8Array, string])[] = [
    ["no archive", Buffer.from("hello"), "a zip archive"],
    ["an archive cut short", zip({ "image.npy": image, "label.npy": label }).subarray(0, 400), "a zip archive"],
    ["no labels", zip({ "image.npy": image }), "arrays image and label"],
    [
      "a label that is no class",
      zip({ "image.npy": image, "label.npy": npy("|u1", [3], Uint8Array.of(0, 4, 1)) }),
      'classes in [0, 3], got "4 at 1"',
    ],
    [
      "a negative label",
      zip({ "image.npy": image, "label.npy": npy("|i1", [3], Uint8Array.of(0, 255, 1)) }),
      "-1 at 1",
    ],
    ["too few labels", zip({ "image.npy": image, "label.npy": npy("|u1", [2], Uint8Array.of(0, 1)) }), "3 labels"],
    [
      "floats",
      zip({ "image.npy": npy("<f4", [1, 8, 8, 3], new Uint8Array(768)), "label.npy": label }),
      "whole numbers",
    ],
    [
      "big-endian labels",
      zip({ "image.npy": image, "label.npy": npy(">i4", [3], new Uint8Array(12)) }),
      "little-endian",
    ],
    ["Fortran order", zip({ "image.npy": npy("|u1", [3, 8, 8, 3], PIXELS, "True"), "label.npy": label }), "C order"],
    ["Python objects", zip({ "image.npy": npy("|O", [3], PIXELS), "label.npy": label }), "npy header"],
    ["another shape", zip({ "image.npy": npy("|u1", [9, 8, 8, 1], PIXELS), "label.npy": label }), "[1,8,8]"],
    [
      "images that are no images",
      zip({ "image.npy": npy("|u1", [576], PIXELS), "label.npy": label }),
      "uint8 [N,H,W,C]",
    ],
    [
      "a shape larger than the file",
      zip({ "image.npy": npy("|u1", [3000000000, 8, 8, 3], PIXELS), "label.npy": label }),
      "bytes of values",
    ],
    [
      "a shape beyond counting",
      zip({ "image.npy": npy("|u1", [9007199254740991, 8, 8, 3], PIXELS), "label.npy": label }),
      "can be counted",
    ],
    ["a size beyond deflate", zip({ "image.npy": image, "label.npy": label }, true, { size: 0x7fffffff }), "at most"],
    ["a size beyond the bytes", zip({ "image.npy": image, "label.npy": label }, false, { size: 10_000 }), "at most"],
    ["more bytes than said", zip({ "image.npy": image, "label.npy": label }, true, { size: 300 }), "more"],
    ["a wrong checksum", zip({ "image.npy": image, "label.npy": label }, false, { crc: 1 }), "checksum"],
    ["encryption", zip({ "image.npy": image, "label.npy": label }, false, { flags: 1 }), "encrypt"],
    ["another compression", zip({ "image.npy": image, "label.npy": label }, false, { method: 14 }), "method 14"],
  ];
  test.each(wrong)("%s", async (_what, bytes, text) => {
    const failed = await load(bytes).then(
      () => undefined,
      (error: unknown) => error,
    );
    expect(failed).toBeInstanceOf(DataError);
    expect((failed as DataError).message).toContain(text);
  });

  test("a missing file, with the cure", async () => {
    await expect(extraImages(join(folder, "none.npz"), like.train.dataset)).rejects.toMatchObject({
      code: "data/missing",
    });
  });

  test("damaged bytes anywhere end in our error or in a data set", async () => {
    const sound = [
      zip({ "image.npy": image, "label.npy": label }),
      zip({ "image.npy": image, "label.npy": label }, true),
    ];
    sound.push(zip64({ "image.npy": image, "label.npy": label }));
    sound.push(...["extra-stored.npz", "extra-deflated.npz"].map((name) => readFileSync(golden(name))));
    const damage = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(fc.nat(4), damage, fc.option(fc.nat()), async (which, changes, cut) => {
        const bytes = Buffer.from(sound[which] as Buffer);
        for (const [at, value] of changes) bytes[at % bytes.length] = value;
        const some = cut === null ? bytes : bytes.subarray(0, cut % bytes.length);
        const found = await load(some).catch((error: unknown) => error);
        if (found instanceof Error) expect(found).toBeInstanceOf(DataError);
        else free(found as Dataset);
      }),
      { numRuns: 300, seed: 1 },
    );
  });

  test("a header of any text ends in our error or in sizes that fit", () => {
    const head = Buffer.from("\x93NUMPY\x01\x00", "latin1");
    const texts = fc.oneof(
      fc.string(),
      fc.stringMatching(
        /^\{'descr': '[<|>]?[uifOV]\d{0,3}', 'fortran_order': (True|False), 'shape': \([\d, ]{0,40}\), \}\n$/,
      ),
    );
    fc.assert(
      fc.property(texts, fc.nat(0xffff), fc.boolean(), (text, length, honest) => {
        const body = Buffer.from(text, "latin1");
        const size = Buffer.alloc(2);
        size.writeUInt16LE(honest ? Math.min(body.length, 0xffff) : length);
        try {
          const header = npyHeader("fuzz", Buffer.concat([head, size, body]));
          expect(Number.isSafeInteger(header.length)).toBe(true);
        } catch (error) {
          expect(error).toBeInstanceOf(DataError);
        }
      }),
      { numRuns: 500, seed: 1 },
    );
  });
});

describe("mixing", () => {
  test("each batch has its share, in a seeded order that uses every image equally often", async () => {
    const extra = await load(zip({ "image.npy": image, "label.npy": label }));
    const { train } = withExtra(like, extra);
    expect(train.steps).toBe(like.train.steps);
    const seen = new Map<string, number>();
    const keyOf = (pixels: readonly number[]) => pixels.map((v) => Math.round(255 * v)).join();
    const known = scope(() => {
      const all = extra.images.toNumbers();
      return new Set([0, 1, 2].map((n) => all.slice(n * 192, (n + 1) * 192).join()));
    });
    for (let epoch = 0; epoch < 3; epoch++) {
      for (let index = 0; index < train.steps; index++) {
        scope(() => {
          const { x, size } = train.batch(epoch, index, rng(4));
          expect([size, ...x.shape]).toEqual([10, 10, 3, 8, 8]);
          const pixels = x.toNumbers();
          const keys = Array.from({ length: 10 }, (_, i) => keyOf(pixels.slice(i * 192, (i + 1) * 192)));
          expect(keys.filter((key) => known.has(key))).toHaveLength(7);
          for (const key of keys) seen.set(key, (seen.get(key) ?? 0) + 1);
        });
      }
    }
    // 12 batches: 84 extra images of 3, and 36 of the 40 others, none of them twice.
    expect([...seen].filter(([key]) => known.has(key)).map(([, n]) => n)).toEqual([28, 28, 28]);
    expect([...seen].filter(([key]) => !known.has(key)).map(([, n]) => n)).toEqual(new Array(36).fill(1));
    free(extra);
  });

  test("the same key gives the same bits in any order of calls, another one others; augmentation goes along", async () => {
    const extra = await load(zip({ "image.npy": image, "label.npy": label }));
    const { train: plain } = withExtra(like, extra, { ratio: 0.5 });
    const train = split(plain.dataset, plain.indices, { ...plain, augment: true, cutout: 3, mixup: 0.8 });
    const bits = (epoch: number, index: number, seed: number) =>
      scope(() => {
        const { x, y, targets } = train.batch(epoch, index, rng(seed));
        return [x.toArray(), y.toArray(), targets?.toArray()];
      });
    const first = bits(0, 1, 4);
    bits(5, 0, 4);
    expect(bits(0, 1, 4)).toEqual(first);
    expect(bits(0, 1, 5)).not.toEqual(first);
    expect(bits(1, 1, 4)).not.toEqual(first);
    free(extra);
  });

  test("from a recipe's options, with the file in the source of the data", async () => {
    const row = datasets.get("synthetic");
    const path = golden("extra-stored.npz");
    const told: string[] = [];
    const options = row.options.parse({ numClasses: 4, size: 8, examples: 16, batchSize: 8, extra: { path } });
    const { train, test: last } = await row.create(options, { onProgress: (text) => told.push(text) });
    expect(train.extra).toMatchObject({ ratio: 0.7, dataset: { length: 6 } });
    expect(train.dataset.source.location).toContain("a share of 0.7 from");
    expect(train.dataset.source.sha256).not.toBe(last.dataset.source.sha256);
    expect(told.at(-1)).toContain("6 of the 8 images of each batch; 2 batches an epoch");
    for (const data of [train.extra?.dataset, train.dataset, last.dataset]) if (data) free(data);
  });

  test("a share must leave both kinds", async () => {
    const extra = await load(zip({ "image.npy": image, "label.npy": label }));
    expect(() => withExtra(like, extra, { ratio: 1 })).toThrow("extra: expected ratio in (0, 1), got 1");
    free(extra);
  });

  test("one image a batch cannot be shared", async () => {
    const extra = await load(zip({ "image.npy": image, "label.npy": label }));
    const { train } = like;
    expect(() => split(train.dataset, train.indices, { batchSize: 1, extra: { dataset: extra, ratio: 0.5 } })).toThrow(
      "split: expected batchSize with extra images to be a whole number >= 2, got 1",
    );
    free(extra);
  });
});

import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, describe, expect, test } from "vitest";
import { imageTree, jpeg, picture, png, writeTree } from "../../test/support/image-tree.js";
import { DataError, rng, UsageError } from "../util/index.js";
import { withExtra } from "./extra.js";
import { findImages } from "./image-files.js";
import { imageFolder } from "./image-folder.js";
import { scanImages } from "./image-scan.js";
import { datasets } from "./registry.js";
import { synthetic } from "./synthetic.js";

const base = mkdtempSync(join(tmpdir(), "s2ap-folder-"));
afterAll(() => rmSync(base, { recursive: true, force: true }));
const fresh = () => mkdtempSync(join(base, "f-"));
const small = { imageSize: 16, selection: 2, batchSize: 4 };
const key = rng(3, "pretrain", "data");

describe("a folder", () => {
  test("is a data set: classes by name, test images apart, selection held out", async () => {
    const path = await imageTree(fresh());
    const told: string[] = [];
    const {
      train,
      selection,
      test: last,
    } = await imageFolder({ path, ...small, onProgress: (text) => told.push(text) });
    expect([train.length, selection.length, last.length]).toEqual([10, 2, 6]);
    const { dataset } = train;
    expect(dataset).toMatchObject({ classNames: ["cat", "dog"], numClasses: 2, length: 12 });
    expect(dataset.labels.toNumbers()).toEqual([0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1]);
    expect(dataset.classIndex).toEqual({ classes: ["cat", "dog"], leftOut: [] });
    const { x, y } = train.batch(0, 0, key);
    expect([x.dtype, x.shape, x.isChannelsLast, y.dtype]).toEqual(["float32", [4, 3, 16, 16], true, "int64"]);
    expect(Math.min(...x.toNumbers())).toBeGreaterThanOrEqual(0);
    expect(Math.max(...x.toNumbers())).toBeLessThanOrEqual(1);
    expect(last.ordered(4, 4).y.toNumbers()).toEqual([1, 1]);
    expect(told).toEqual(["image-folder: 12 in train, 6 in val, 2 classes"]);
  });

  test("gives each training image once an epoch, and the same bits however they are asked for", async () => {
    const path = await imageTree(fresh());
    const bits = (b: { x: { toArray(): unknown } }) =>
      Buffer.from((b.x.toArray() as Float32Array).buffer).toString("hex");
    const one = (await imageFolder({ path, ...small, decoders: 1 })).train;
    const order = [0, 1, 2].flatMap((epoch) => [0, 1, 2].map((index) => [epoch, index] as const));
    const wanted = new Map(order.map((at) => [String(at), bits(one.batch(...at, key))]));
    expect(new Set(wanted.values()).size).toBe(9);
    for (const decoders of [2, 3]) {
      const other = (await imageFolder({ path, ...small, decoders })).train;
      for (const at of order.toReversed()) expect(bits(other.batch(...at, key))).toBe(wanted.get(String(at)));
    }
    const labels = [0, 1, 2].flatMap((index) => one.batch(1, index, key).y.toNumbers());
    expect(labels.sort()).toEqual([...one.indices].map((i) => (i < 6 ? 0 : 1)));
  });

  test("without augment trains on images as they are tested on", async () => {
    const path = await imageTree(fresh());
    const { train } = await imageFolder({ path, ...small, augment: false, examples: 1, cutout: undefined });
    const batch = train.batch(5, 0, key).x.toArray();
    expect(batch).toEqual(train.ordered(0, 1).x.toArray());
    expect(train.batch(6, 0, key).x.toArray()).toEqual(batch);
  });

  test("takes cutout, mixup and extra images as others do", async () => {
    const path = await imageTree(fresh());
    const splits = await imageFolder({ path, ...small, cutout: 6, mixup: 0.5 });
    const { x, targets } = splits.train.batch(0, 0, key);
    const others = synthetic({ size: 16, numClasses: 2, examples: 8, selection: 0, testExamples: 1 }).train.dataset;
    const { train } = withExtra(await imageFolder({ path, ...small }), others, { ratio: 0.5 });
    const mixed = train.batch(1, 2, key);
    expect([mixed.size, mixed.x.isChannelsLast, train.steps]).toEqual([4, true, 3]);
    const again = withExtra(await imageFolder({ path, ...small, decoders: 1 }), others, { ratio: 0.5 }).train;
    expect(again.batch(1, 2, key).x.toArray()).toEqual(mixed.x.toArray());
    expect(targets?.shape).toEqual([4, 2]);
    expect(x.toNumbers().filter((v) => v === 0).length).toBeGreaterThan(0);
  });

  test("is known by names and sizes", async () => {
    const path = await imageTree(fresh());
    const hash = async () => (await imageFolder({ path, ...small })).train.dataset.source;
    const first = await hash();
    expect(first).toMatchObject({ kind: "image folder", location: path });
    expect(await hash()).toEqual(first);
    writeTree(path, { "val/dog/9.jpg": await jpeg(40, 40) });
    expect((await hash()).sha256).not.toBe(first.sha256);
  });

  test("is in the registry, where it says where it comes from", async () => {
    const path = await imageTree(fresh());
    const row = datasets.get("image-folder");
    expect(row.origin.from).toContain("path");
    const { train } = await row.create(row.options.parse({ path, ...small }), {});
    expect(train.dataset.name).toBe("image-folder");
  });
});

test("the size is that of the image as it is seen, and transparency is noticed", async () => {
  const path = fresh();
  const turned = await picture(60, 40).withMetadata({ orientation: 6 }).jpeg().toBuffer();
  const clear = await picture(30, 20).ensureAlpha(0).png().toBuffer();
  writeTree(path, { "train/a/1.jpg": turned, "train/a/2.png": clear, "val/a/1.png": clear });
  const images = findImages(path, "train").images;
  const scan = await scanImages(images, { pixels: true, decoders: 2, onProgress: () => {} });
  expect(scan).toEqual([
    { path: join(path, "train", "a", "1.jpg"), width: 40, height: 60 },
    { path: join(path, "train", "a", "2.png"), width: 30, height: 20, transparent: true },
  ]);
  const { test: last, train } = await imageFolder({ path, imageSize: 16, resize: 20, selection: 0, augment: false });
  expect(train.batch(0, 0, key).size).toBe(2);
  // What is wholly transparent keeps its colours.
  const centre = await picture(30, 20).extract({ left: 7, top: 2, width: 16, height: 16 }).raw().toBuffer();
  expect(
    last
      .ordered(0, 1)
      .x.toNumbers()
      .slice(0, 16)
      .map((v) => Math.round(255 * v)),
  ).toEqual(Array.from({ length: 16 }, (_, x) => centre[3 * x]));
});

describe("names", () => {
  test("are sorted by bytes; hidden ones and others are passed over; links are followed; folders may be deep", async () => {
    const path = fresh();
    const bytes = await jpeg(20, 20);
    // In UTF-16 the emoji comes before U+FF21, in UTF-8 behind it.
    const classes = ["Zebra", "apfel", "äpfel", "\u{ff21}", "\u{1f600}"];
    for (const part of ["train", "test"]) {
      for (const name of classes) writeTree(path, { [`${part}/${name}/b.jpg`]: bytes });
    }
    writeTree(path, {
      "train/apfel/deep/er/a.JPEG": bytes,
      "train/apfel/ö ü.PNG": await png(20, 20),
      "train/apfel/.hidden.jpg": "nothing",
      "train/.cache/x.jpg": "nothing",
      "train/readme.txt": "words",
      "train/apfel/notes.txt": "words",
      "elsewhere/linked.jpg": bytes,
    });
    symlinkSync(join(path, "elsewhere"), join(path, "train", "apfel", "link"));
    symlinkSync(join(path, "elsewhere", "linked.jpg"), join(path, "train", "Zebra", "link.jpg"));
    const told: string[] = [];
    const { train } = await imageFolder({ path, ...small, onProgress: (text) => told.push(text) });
    expect(train.dataset.classNames).toEqual(classes);
    expect(train.dataset.labels.toNumbers()).toEqual([0, 0, 1, 1, 1, 1, 2, 3, 4]);
    expect(told).toEqual(["image-folder: 9 in train, 5 in test, 5 classes; 2 other files are passed over"]);
    expect(train.batch(0, 0, key).size).toBe(4);
  });

  const wrong: readonly (readonly [string, (path: string) => void, RegExp])[] = [
    ["no train", (path) => rmSync(join(path, "train"), { recursive: true }), /a folder train/],
    ["no test images", (path) => rmSync(join(path, "val"), { recursive: true }), /val or test with the test images/],
    ["both test folders", (path) => mkdirSync(join(path, "test")), /testFolder/],
    ["a class without images", (path) => mkdirSync(join(path, "train", "empty")), /empty: expected at least one \.jpg/],
    ["another class in val", (path) => writeTree(path, { "val/emu/1.jpg": "" }), /missing: none; only in val: emu/],
    ["a class missing in val", (path) => writeTree(path, { "train/emu/1.jpg": "" }), /missing: emu; only in val: none/],
    [
      "a circle",
      (path) => symlinkSync(join(path, "train"), join(path, "train", "cat", "up")),
      /no link to a folder that/,
    ],
  ];
  test.each(wrong)("%s is an error", async (_, change, message) => {
    const path = await imageTree(fresh());
    change(path);
    await expect(imageFolder({ path, ...small })).rejects.toThrow(DataError);
    await expect(imageFolder({ path, ...small })).rejects.toThrow(message);
  });

  test("a folder that is not there, and one without class folders", async () => {
    await expect(imageFolder({ path: join(base, "nowhere") })).rejects.toThrow(/a folder with train\/CLASS.*no folder/);
    const path = writeTree(fresh(), { "train/1.jpg": "", "val/1.jpg": "" });
    await expect(imageFolder({ path })).rejects.toThrow(/train: expected a folder for each class/);
  });

  test("the folder of the test images may have another name", async () => {
    const path = await imageTree(fresh());
    await imageTree(join(path, "more"), { val: 1 });
    writeTree(path, { "holdout/cat/1.jpg": await jpeg(20, 20), "holdout/dog/1.jpg": await jpeg(20, 20) });
    const { test: last } = await imageFolder({ path, ...small, testFolder: "holdout" });
    expect(last.length).toBe(2);
    await expect(imageFolder({ path, ...small, testFolder: "hold" })).rejects.toThrow(
      /a folder hold with the test images/,
    );
  });
});

describe("options", () => {
  test.each([
    [{ imageSize: 32, resize: 31 }, /resize >= imageSize, which is 32, got 31/],
    [{ onCorrupt: "skip", check: "headers" }, /check: pixels with onCorrupt: skip/],
    [{ decoders: 0 }, /decoders/],
    [{ selection: 12 }, /selection/],
  ] as const)("%j", async (options, message) => {
    const path = await imageTree(fresh());
    const attempt = imageFolder({ path, ...small, ...options });
    await expect(attempt).rejects.toThrow(UsageError);
    await expect(attempt).rejects.toThrow(message);
  });

  test("resize is 256 for 224 unless told otherwise", async () => {
    const path = fresh();
    const files = {
      "train/a/1.png": await png(256, 256),
      "train/a/2.png": await png(256, 256),
      "val/a/1.png": await png(256, 256),
    };
    writeTree(path, files);
    const { test: last } = await imageFolder({ path, selection: 1, batchSize: 1 });
    const centre = await picture(256, 256).extract({ left: 16, top: 16, width: 224, height: 224 }).raw().toBuffer();
    const found = last.ordered(0, 1).x;
    expect(found.shape).toEqual([1, 3, 224, 224]);
    expect(Math.round(255 * (found.toNumbers()[5] as number))).toBe(centre[15]);
  });
});

describe("damage", async () => {
  const path = fresh();
  await imageTree(path);
  const whole = await jpeg(64, 64);
  writeTree(path, {
    "train/cat/cut.jpg": whole.subarray(0, Math.floor(whole.length * 0.6)),
    "train/cat/empty.jpg": "",
    "train/dog/text.jpg": "<html>not found</html>",
    "train/dog/web.jpg": await sharp(whole).webp().toBuffer(),
    "val/dog/cut.png": (await png(64, 64)).subarray(0, 200),
  });
  symlinkSync(join(path, "nothing"), join(path, "train", "cat", "broken.jpg"));

  test("is found, named and counted before work begins", async () => {
    const message = (await imageFolder({ path, ...small }).catch((error: unknown) => error)) as DataError;
    expect(message).toBeInstanceOf(DataError);
    expect(message.code).toBe("data/corrupt-image");
    // Of what is cut off, headers say nothing.
    expect(message.message).toMatch(/expected images that can be decoded, got "4 of 24 that cannot"/);
    expect(message.message).toContain("train/cat/broken.jpg: a link that leads nowhere");
    expect(message.message).toContain("train/cat/empty.jpg: an empty file");
    expect(message.message).toContain("train/dog/text.jpg: Input file contains unsupported image format");
    expect(message.message).toContain("train/dog/web.jpg: webp, not JPEG or PNG");
    await expect(imageFolder({ path, ...small, check: "pixels" })).rejects.toThrow(/6 of 24[\s\S]*and 1 more/);
  });

  test("is left out where that is asked for, and told", async () => {
    const told: string[] = [];
    const say = (text: string) => told.push(text);
    const splits = await imageFolder({ path, ...small, onCorrupt: "skip", onProgress: say });
    const { dataset } = splits.train;
    expect([dataset.length, splits.test.length]).toEqual([12, 6]);
    expect(dataset.labels.toNumbers().filter((label) => label === 0).length).toBe(6);
    const leftOut = dataset.classIndex?.leftOut ?? [];
    expect(leftOut.map(({ file }) => file)).toEqual(
      ["cat/broken.jpg", "cat/cut.jpg", "cat/empty.jpg", "dog/text.jpg", "dog/web.jpg"].map((name) => `train/${name}`),
    );
    for (const { file } of leftOut) expect(told.filter((text) => text.includes(file))).toHaveLength(1);
    expect(told).toContain("image-folder: left out val/dog/cut.png: vipspng: libpng read error");
    expect(told).toContain("image-folder: 6 of 24 images are damaged and left out, as onCorrupt: skip says");
    for (let index = 0; index < splits.train.steps; index++) splits.train.batch(0, index, key);
    // As if it had never been there.
    const clean = await imageFolder({ path: await imageTree(fresh()), ...small });
    expect(splits.train.batch(1, 0, key).x.toArray()).toEqual(clean.train.batch(1, 0, key).x.toArray());
  });

  test("of every image of a class is an error all the same", async () => {
    const bare = await imageTree(fresh());
    for (const name of ["0.jpg", "1.jpg", "2.png"]) writeFileSync(join(bare, "val", "cat", name), "x");
    await expect(imageFolder({ path: bare, ...small, onCorrupt: "skip" })).rejects.toThrow(/images of class cat/);
  });

  test("that comes later stops training and names the file", async () => {
    const later = await imageTree(fresh());
    const { train, test: last } = await imageFolder({ path: later, ...small });
    truncateSync(join(later, "val", "cat", "1.jpg"), 500);
    expect(last.ordered(0, 1).size).toBe(1);
    expect(() => last.ordered(0, 3)).toThrow(/val\/cat\/1\.jpg: expected an image that can be decoded/);
    expect(train.batch(0, 0, key).size).toBe(4);
  });
});

import sharp from "sharp";
import { describe, expect, test } from "vitest";
import { lazySplit } from "../../test/support/lazy-split.js";
import { type Split, split, synthetic } from "../data/index.js";
import { keep, liveTensors, ops, scope, tensor } from "../torch/index.js";
import { rng } from "../util/index.js";
import { canWrite, contactSheet, type Picture, rowsThatFit, sheetCells } from "./contact-sheet.js";
import { augmentedImages, plainImages } from "./sheet-images.js";

const PAPER = [0xec, 0xef, 0xf3];

/** A picture whose pixel (x, y) is this colour. */
function picture(width: number, height: number, colour: (x: number, y: number) => readonly number[]): Picture {
  const pixels = Array.from({ length: width * height }, (_, i) => colour(i % width, Math.floor(i / width))).flat();
  return { width, height, pixels: Uint8Array.from(pixels) };
}

async function drawn(options: Parameters<typeof contactSheet>[0]) {
  const sheet = await contactSheet(options);
  const { data, info } = await sharp(sheet.png).raw().toBuffer({ resolveWithObject: true });
  expect([info.width, info.height, info.channels]).toEqual([sheet.width, sheet.height, 3]);
  const at = (x: number, y: number) => [...data.subarray(3 * (y * info.width + x), 3 * (y * info.width + x) + 3)];
  return { ...sheet, at };
}

const names = { title: "few: training images", note: "4 x 4 pixels" };

describe("a sheet", () => {
  test("holds every pixel as a square of its colour, where the cells say", async () => {
    const one = picture(4, 4, (x, y) => [60 * x, 60 * y, 200]);
    const two = picture(4, 4, (x) => [x === 3 ? 255 : 0, 9, 9]);
    const row = (name: string, ...pictures: Picture[]) => ({ name, note: "1 image", pictures: () => pictures });
    const sheet = await drawn({ ...names, imageSize: [4, 4], rows: [row("cat", one), row("dog", two, one), row("-")] });
    const cells = sheetCells([4, 4]);
    expect(cells).toEqual({ width: 96, height: 96, stepX: 102, stepY: 102 });
    const [left, top] = sheet.origin;
    for (const [x, y] of [
      [0, 0],
      [1, 2],
      [3, 3],
    ] as const) {
      for (const [dx, dy] of [
        [0, 0],
        [23, 23],
      ] as const) {
        expect(sheet.at(left + 24 * x + dx, top + 24 * y + dy)).toEqual([60 * x, 60 * y, 200]);
        expect(sheet.at(left + 102 + 24 * x + dx, top + 102 + 24 * y + dy)).toEqual([60 * x, 60 * y, 200]);
      }
    }
    expect(sheet.at(left + 71, top + 102)).toEqual([0, 9, 9]);
    expect(sheet.at(left + 72, top + 102)).toEqual([255, 9, 9]);
    // Between cells, where a row has no second image, in the row without any, and at the edges there is paper.
    for (const [x, y] of [
      [left + 96, top],
      [left, top + 96],
      [left + 102, top],
      [left, top + 204],
      [left - 1, top],
      [0, 0],
    ] as const) {
      expect(sheet.at(x, y)).toEqual(PAPER);
    }
  });

  test("writes the name and note left of each row, and the footer below the last", async () => {
    const row = (name: string, note: string) => ({ name, note, pictures: () => [] });
    const base = { ...names, imageSize: [4, 4] as const };
    const inked = async (rows: Parameters<typeof contactSheet>[0]["rows"], footer?: string) => {
      const sheet = await drawn({ ...base, rows, footer });
      const [left, top] = sheet.origin;
      const rowHasInk = (from: number, to: number) => {
        for (let y = from; y < to; y++) {
          for (let x = 0; x < left; x++) if (String(sheet.at(x, y)) !== String(PAPER)) return true;
        }
        return false;
      };
      const bands = rows.map((_, i) => rowHasInk(top + 102 * i, top + 102 * (i + 1)));
      return { bands, footer: rowHasInk(top + 102 * rows.length, sheet.height), head: rowHasInk(0, top) };
    };
    expect(await inked([row("cat", ""), row("", ""), row("", "0 images")])).toEqual({
      bands: [true, false, true],
      footer: false,
      head: true,
    });
    expect(await inked([row("<b> & 'x'", "")], "and 900 more classes")).toMatchObject({ bands: [true], footer: true });
  });

  test("enlarges by whole factors, keeps the middle sizes, and scales large images down in their proportion", async () => {
    expect(sheetCells([28, 28])).toMatchObject({ width: 84, height: 84 });
    expect(sheetCells([96, 96])).toMatchObject({ width: 96, height: 96 });
    expect(sheetCells([97, 120])).toMatchObject({ width: 120, height: 97 });
    expect(sheetCells([224, 448])).toMatchObject({ width: 128, height: 64 });
    expect(sheetCells([1, 5000])).toMatchObject({ width: 128, height: 1 });
    const wide = picture(448, 224, (x) => (x < 224 ? [255, 0, 0] : [0, 0, 255]));
    const row = { name: "wide", note: "", pictures: () => [wide] };
    const sheet = await drawn({ ...names, imageSize: [224, 448], rows: [row] });
    const [left, top] = sheet.origin;
    expect(sheet.at(left + 30, top + 30)).toEqual([255, 0, 0]);
    expect(sheet.at(left + 100, top + 63)).toEqual([0, 0, 255]);
    expect(sheet.at(left + 30, top + 64)).toEqual(PAPER);
  });

  test("stays below 12,000 pixels, and a row is never lower than its text", () => {
    expect(rowsThatFit([32, 32])).toBe(116);
    expect(rowsThatFit([224, 224])).toBe(88);
    expect(sheetCells([1, 5000]).stepY).toBe(42);
  });

  test("the same rows give the same bytes", async () => {
    const row = { name: "cat", note: "", pictures: () => [picture(4, 4, (x, y) => [x, y, 0])] };
    const once = () => contactSheet({ ...names, imageSize: [4, 4], rows: [row] });
    expect((await once()).png).toEqual((await once()).png);
  });

  test("letters come out as letters here", async () => {
    expect(await canWrite()).toBe(true);
  });
});

/** 30 grey images of 1 x 2 x 3 whose first pixel is their position and whose class is that modulo 3. */
function grey(): Split {
  const bytes = Uint8Array.from({ length: 180 }, (_, i) => (i % 6 === 0 ? i / 6 : 100));
  const data = scope(() =>
    keep(
      {
        images: tensor(bytes, [30, 1, 2, 3]),
        labels: tensor(BigInt64Array.from({ length: 30 }, (_, i) => BigInt(i % 3))),
      },
      { forever: true },
    ),
  );
  const source = { kind: "generated", location: "", sha256: "" };
  const dataset = { name: "grey", ...data, length: 30, numClasses: 4, classNames: [], source };
  return split(
    dataset,
    Int32Array.from({ length: 30 }, (_, i) => i),
  );
}

describe("the images of a sheet", () => {
  const options = { classes: 4, examples: 5, seed: 0 };
  const firsts = (rows: readonly (() => readonly Picture[])[]) =>
    rows.map((pictures) => pictures().map(({ pixels }) => pixels[0] as number));

  test("are of their class, in three channels, drawn by the seed", () => {
    const before = liveTensors();
    const data = lazySplit(grey());
    const made = liveTensors();
    const rows = firsts(plainImages(data, options));
    expect(rows.map((row) => row.length)).toEqual([5, 5, 5, 0]);
    for (const [label, row] of rows.entries()) {
      expect(row.every((position) => position % 3 === label)).toBe(true);
      expect(row).toEqual([...new Set(row)].sort((a, b) => a - b));
    }
    expect(firsts(plainImages(data, options))).toEqual(rows);
    expect(firsts(plainImages(data, { ...options, seed: 1 }))).not.toEqual(rows);
    const [picture] = plainImages(data, options)[1]?.() ?? [];
    expect(picture).toMatchObject({ width: 3, height: 2 });
    const [first = 0] = rows[1] ?? [];
    expect([...(picture?.pixels ?? [])].slice(0, 6)).toEqual([first, first, first, 100, 100, 100]);
    expect(liveTensors()).toBe(made);
    expect(made).toBe(before + 2);
  });

  test("as they are, are the pixels of the data set", () => {
    const { train } = synthetic({ examples: 20, selection: 1, testExamples: 1, numClasses: 2, size: 8, augment: true });
    const [first] = plainImages(train, { ...options, classes: 1, examples: 20 })[0]?.() ?? [];
    const bytes = train.dataset.images.toArray() as Uint8Array;
    const labels = train.dataset.labels.toNumbers();
    const at = Array.from(train.indices).find((position) => labels[position] === 0) as number;
    const pixel = [0, 1, 2].map((channel) => bytes[at * 192 + 64 * channel + 9]);
    expect([...(first?.pixels ?? [])].slice(27, 30)).toEqual(pixel);
  });

  test("augmented, are those of the first batches of pretraining", () => {
    const data = { examples: 40, selection: 1, testExamples: 1, numClasses: 2, size: 8, batchSize: 8, cutout: 4 };
    const { train } = synthetic({ ...data, augment: true });
    const before = liveTensors();
    const [row = []] = augmentedImages(train, { ...options, classes: 1 }).map((pictures) => pictures());
    expect(liveTensors()).toBe(before);
    expect(row).toHaveLength(5);
    const wanted = scope(() => {
      const { x, y } = train.batch(0, 0, rng(0, "pretrain").at("data"));
      const values = ops.contiguous(ops.narrow(x, 0, y.toNumbers().indexOf(0), 1)).toNumbers();
      return Array.from({ length: 192 }, (_, i) =>
        Math.round(255 * (values[64 * (i % 3) + Math.floor(i / 3)] as number)),
      );
    });
    expect([...(row[0]?.pixels ?? [])]).toEqual(wanted);
    // The square that is cut out of an image, of 4 x 4 pixels, or what the edge leaves of it.
    expect(row.every(({ pixels }) => pixels.filter((value) => value === 0).length >= 3 * 4)).toBe(true);
  });

  test("a poll that throws stops before an image is read", () => {
    const poll = () => {
      throw new Error("stopped");
    };
    expect(() => plainImages(lazySplit(grey()), { ...options, poll })[0]?.()).toThrow("stopped");
    expect(() => augmentedImages(lazySplit(grey()), { ...options, poll })).toThrow("stopped");
  });
});

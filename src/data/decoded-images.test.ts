// Pixels: what comes out is what an obvious resampling gives, of every kind of file, whatever the order and the number of decoders.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp, { type Sharp } from "sharp";
import { afterAll, describe, expect, test } from "vitest";
import { jpeg, pattern, picture, png } from "../../test/support/image-tree.js";
import { liveTensors, ops, scope } from "../torch/index.js";
import { DataError, rng } from "../util/index.js";
import { testCut, trainingCut } from "./crop.js";
import { decodedImages } from "./decoded-images.js";
import type { Rectangle } from "./decoder.js";

const root = mkdtempSync(join(tmpdir(), "s2ap-decode-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

function file(name: string, bytes: Uint8Array, [width, height]: readonly [number, number] = [60, 40]) {
  const path = join(root, name);
  writeFileSync(path, bytes);
  return { path, width, height };
}

const options = { imageSize: 24, resize: 30, decoders: 2 };
const first = Int32Array.of(0);
const drawn = { round: 3, keyed: rng(5, "train") };

/** Bytes [H,W,C] of the image at a position. */
const bytesOf = (images: ReturnType<typeof decodedImages>, at: number, by?: typeof drawn): Uint8Array =>
  scope(() => ops.contiguous(ops.permute(images.take(Int32Array.of(at), by), [0, 2, 3, 1])).toArray()) as Uint8Array;

/**
 * Share of each source pixel in a target pixel of one dimension: a triangle as wide as two pixels of the coarser grid. libvips takes
 * the samples of an image that it enlarges half a target pixel early, except along a side that it makes smaller.
 */
function weights(from: number, to: number, at: number, enlarged: boolean): number[] {
  const scale = Math.max(1, from / to);
  const centre = ((at + (enlarged && to >= from ? 0 : 0.5)) * from) / to - 0.5;
  const inside = Math.max(0, centre);
  const all = Array.from({ length: from }, (_, i) => Math.max(0, 1 - Math.abs(i - inside) / scale));
  const sum = all.reduce((a, b) => a + b, 0);
  return all.map((w) => w / sum);
}

/** [height,width,3] of a region, scaled, in the most obvious way. */
function obvious(
  source: Uint8Array,
  width: number,
  region: Rectangle,
  size: { width: number; height: number },
): number[] {
  const out: number[] = [];
  const enlarged = size.width > region.width || size.height > region.height;
  for (let y = 0; y < size.height; y++) {
    const down = weights(region.height, size.height, y, enlarged);
    for (let x = 0; x < size.width; x++) {
      const across = weights(region.width, size.width, x, enlarged);
      for (let c = 0; c < 3; c++) {
        let sum = 0;
        for (const [j, wy] of down.entries()) {
          for (const [i, wx] of across.entries()) {
            const at = ((region.top + j) * width + region.left + i) * 3 + c;
            if (wx * wy > 0) sum += wx * wy * (source[at] as number);
          }
        }
        out.push(sum);
      }
    }
  }
  return out;
}

/** Largest and mean difference in levels of 255. */
function differences(found: Uint8Array, wanted: readonly number[]): { most: number; mean: number } {
  expect(found.length).toBe(wanted.length);
  const all = wanted.map((value, i) => Math.abs(value - (found[i] as number)));
  return { most: Math.max(...all), mean: all.reduce((a, b) => a + b, 0) / all.length };
}

describe("scaling", () => {
  test.each([
    ["down", 60, 40],
    ["up", 22, 18],
  ])("a test image %s is an obvious resampling", async (_, width, height) => {
    const images = decodedImages([file("test.png", await png(width, height), [width, height])], options);
    const { size, window } = testCut({ width, height }, 24, 30);
    const whole = obvious(pattern(width, height), width, { left: 0, top: 0, width, height }, size);
    const { left = 0, top = 0 } = window ?? {};
    const cut = Array.from({ length: 24 }, (_, y) =>
      whole.slice(((top + y) * size.width + left) * 3).slice(0, 72),
    ).flat();
    const { most, mean } = differences(bytesOf(images, 0), cut);
    expect(most).toBeLessThan(3);
    expect(mean).toBeLessThan(0.75);
  });

  test("a training image is its region, resampled, and mirrored where it is drawn so", async () => {
    const [width, height] = [50, 44];
    const files = await Promise.all(
      Array.from({ length: 12 }, async (_, i) => file(`train-${i}.png`, await png(width, height, i), [width, height])),
    );
    const images = decodedImages(files, options);
    const stream = drawn.keyed.at("augment", drawn.round);
    const cuts = files.map((_, i) => trainingCut({ width, height }, 24, stream.at(i)));
    expect(new Set(cuts.map(({ mirror }) => mirror)).size).toBe(2);
    for (const [i, { region, size, mirror }] of cuts.entries()) {
      const rows = obvious(pattern(width, height, i), width, region as Rectangle, size);
      const at = (y: number, x: number) => rows.slice((y * 24 + x) * 3, (y * 24 + x) * 3 + 3);
      const wanted = Array.from({ length: 24 * 24 }, (_, k) => {
        const x = k % 24;
        return at(Math.floor(k / 24), mirror ? 23 - x : x);
      }).flat();
      expect(differences(bytesOf(images, i, drawn), wanted).most).toBeLessThan(4);
    }
  });
});

describe("kinds of files", () => {
  const red = { r: 200, g: 40, b: 60 };
  const plain = () => sharp({ create: { width: 60, height: 40, channels: 3, background: red } });
  const colour = (images: ReturnType<typeof decodedImages>) => [...bytesOf(images, 0).subarray(0, 3)];

  test.each([
    ["JPEG", () => plain().jpeg({ quality: 95 }), [200, 40, 60], 4],
    ["progressive JPEG", () => plain().jpeg({ progressive: true }), [200, 40, 60], 4],
    ["PNG", () => plain().png(), [200, 40, 60], 0],
    ["PNG with a palette", () => plain().png({ palette: true }), [200, 40, 60], 0],
    ["grey JPEG", () => plain().greyscale().jpeg({ quality: 95 }), [102, 102, 102], 12],
    ["grey PNG", () => plain().greyscale().png(), [102, 102, 102], 12],
    ["PNG of 16 bits", () => plain().toColourspace("rgb16").png(), [200, 40, 60], 1],
    ["transparent PNG", () => plain().ensureAlpha(0.25).png(), [200, 40, 60], 0],
    ["CMYK JPEG", () => plain().toColourspace("cmyk").jpeg({ quality: 95 }), [200, 40, 60], 25],
  ] as const)("%s", async (name, make, wanted, within) => {
    const found = colour(
      decodedImages(
        [{ ...file(`kind ${name}`, await make().toBuffer()), transparent: name.startsWith("trans") }],
        options,
      ),
    );
    for (const [c, value] of wanted.entries())
      expect(Math.abs((found[c] as number) - value)).toBeLessThanOrEqual(within);
    if (name.startsWith("grey")) expect(new Set(found).size).toBe(1);
  });

  test.each([1, 2, 3, 4, 5, 6, 7, 8])("orientation %i is applied", async (orientation) => {
    const upright = await picture(60, 40).png().toBuffer();
    // What a camera stores: the pixels turned, and how to turn them back.
    const turned = (image: Sharp) => {
      if (orientation === 2) return image.flop();
      if (orientation === 3) return image.rotate(180);
      if (orientation === 4) return image.flip();
      if (orientation === 6) return image.rotate(270);
      if (orientation === 8) return image.rotate(90);
      return image;
    };
    let stored = await turned(sharp(upright)).png().toBuffer();
    // Orientations 5 and 7 are transpositions: a turn, then a mirroring.
    if (orientation === 5 || orientation === 7) {
      const quarter = sharp(await sharp(upright).rotate(90).png().toBuffer());
      stored = await (orientation === 5 ? quarter.flop() : quarter.flip()).png().toBuffer();
    }
    const marked = await sharp(stored).withMetadata({ orientation }).png().toBuffer();
    const images = decodedImages([file("marked.png", marked), file("upright.png", upright)], options);
    const wanted = [...bytesOf(images, 1)];
    expect(differences(bytesOf(images, 0), wanted).most).toBeLessThanOrEqual(2);
    const by = { round: 0, keyed: rng(2) };
    const single = (at: number) => decodedImages([at === 0 ? file("m.png", marked) : file("u.png", upright)], options);
    expect(differences(bytesOf(single(0), 0, by), [...bytesOf(single(1), 0, by)]).most).toBeLessThanOrEqual(2);
  });
});

describe("the same images drawn by the same", async () => {
  const files = await Promise.all(
    Array.from({ length: 20 }, async (_, i) => file(`same-${i}.jpg`, await jpeg(60, 40, i / 3))),
  );
  const batch = (k: number) => Int32Array.from({ length: 5 }, (_, i) => (k * 5 + i * 3) % 20);
  const by = (round: number) => ({ round, keyed: rng(7, "data") });
  const take = (images: ReturnType<typeof decodedImages>, k: number, round: number) =>
    scope(() => Buffer.from(ops.contiguous(images.take(batch(k), by(round))).toArray() as Uint8Array).toString("hex"));
  const reference = decodedImages(files, { ...options, decoders: 1 });
  const all = [0, 1, 2, 3].flatMap((k) => [0, 1].map((round) => [k, round] as const));
  const wanted = all.map(([k, round]) => take(reference, k, round));

  test("are others in another round", () => expect(new Set(wanted).size).toBe(all.length));

  test.each([1, 2, 5])("are the same bits with %i decoders, in any order, asked for ahead or not", (decoders) => {
    const images = decodedImages(files, { ...options, decoders });
    for (const [k, round] of [...all].reverse()) {
      images.ask(batch((k + 1) % 4), by(round));
      images.ask(batch((k + 2) % 4), by(1 - round));
      images.ask(batch((k + 3) % 4));
      expect(take(images, k, round)).toBe(wanted[all.findIndex(([a, b]) => a === k && b === round)]);
    }
  });

  test("an image does not depend on its batch", () => {
    const images = decodedImages(files, options);
    const alone = bytesOf(images, 9, by(1));
    const among = scope(() =>
      ops.contiguous(ops.permute(images.take(Int32Array.of(3, 9), by(1)), [0, 2, 3, 1])).toArray(),
    );
    expect(Buffer.from(among as Uint8Array).subarray(alone.length)).toEqual(Buffer.from(alone));
  });

  test("leave no tensors behind", () => {
    const before = liveTensors();
    for (let k = 0; k < 4; k++) take(reference, k, 9);
    expect(liveTensors()).toBe(before);
  });
});

test("a file that is broken or gone is named, and the next batch is as it should be", async () => {
  const whole = await jpeg(60, 40);
  const files = [
    file("good.jpg", whole),
    file("cut.jpg", whole.subarray(0, whole.length >> 1)),
    { path: join(root, "gone.jpg"), width: 60, height: 40 },
  ];
  const images = decodedImages(files, options);
  const wanted = bytesOf(images, 0);
  expect(() => images.take(Int32Array.of(0, 1, 2))).toThrow(DataError);
  expect(() => images.take(Int32Array.of(0, 1, 2))).toThrow(
    /cut\.jpg: .*premature end.* \(and 1 more .*onCorrupt: skip/,
  );
  expect(() => images.take(Int32Array.of(2))).toThrow(/gone\.jpg: .*missing/);
  expect(bytesOf(images, 0)).toEqual(wanted);
  expect(images.take(first).shape).toEqual([1, 3, 24, 24]);
});

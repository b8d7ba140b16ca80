// Batches of an image folder, one after another: seconds from asking for a batch to having it, with nothing else to wait for.

import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { imageFolder } from "../../dist/data/index.js";
import { scope } from "../../dist/torch/index.js";
import { rng } from "../../dist/util/index.js";
import { options, turnTaker } from "./protocol.js";

const [WIDTH, HEIGHT, IMAGES] = [500, 375, 128];

const { batch, seed } = options();
const key = rng(seed);
const path = mkdtempSync(join(tmpdir(), "s2ap-bench-images-"));
process.on("exit", () => rmSync(path, { recursive: true, force: true }));

/** Waves with some noise: about 60 kB as a JPEG, half of one of ImageNet's, since libjpeg's work is mostly per pixel. */
function pixels(image) {
  const bytes = Buffer.alloc(WIDTH * HEIGHT * 3);
  let noise = image + 1;
  for (let i = 0; i < bytes.length; i++) {
    noise = (noise * 1664525 + 1013904223) >>> 0;
    const [x, y] = [Math.floor(i / 3) % WIDTH, Math.floor(i / 3 / WIDTH)];
    bytes[i] = 127 + 60 * Math.sin(x / 9 + image) + 40 * Math.cos(y / (5 + (i % 3))) + 20 * (noise / 2 ** 32);
  }
  return bytes;
}

async function write(folder, count) {
  mkdirSync(folder, { recursive: true });
  for (let i = 0; i < count; i++) {
    const raw = { width: WIDTH, height: HEIGHT, channels: 3 };
    await sharp(pixels(i), { raw })
      .jpeg({ quality: 90 })
      .toFile(join(folder, `${i}.jpg`));
  }
}

await write(join(path, "train", "a"), IMAGES);
await write(join(path, "val", "a"), 1);
const { train } = await imageFolder({ path, batchSize: batch, selection: 0 });

const takeTurn = turnTaker({});
takeTurn();
for (let step = 0; ; step++) {
  const size = scope(() => train.batch(Math.floor(step / train.steps), step % train.steps, key).x.shape[0]);
  takeTurn(size);
}

// @ts-check
// The thread that decodes images. It waits for requests, keeps `decoders` images in work at a time (sharp decodes in the threads of
// Node's pool, so one event loop feeds them all), and writes pixels where the request says. Plain JavaScript, because Node starts it
// by its address both from dist/ and from the sources under the tests. It never decides anything: what is cut out is in the request.
import { parentPort, workerData } from "node:worker_threads";
import sharp from "sharp";

/** @import { DecodeRequest, ImageJob, WorkerStart } from "./decoder.js" */

const { port, signal } = /** @type {WorkerStart} */ (workerData);

sharp.cache(false);
// One thread an image: several images at a time use the processors better than several threads on one.
sharp.concurrency(1);

const CHANNELS = 3;

/** An image as it is seen: with the orientation that a camera notes, without colour profile and transparency. */
async function open(/** @type {ImageJob} */ { path, transparent }) {
  const image = sharp(path, { failOn: "error", ignoreIcc: true }).autoOrient();
  if (!transparent) return image;
  // Scaled together with its transparency, an image would lose colour where little of it is seen.
  const raw = image.removeAlpha().toColourspace("srgb").raw({ depth: "uchar" });
  const { data, info } = await raw.toBuffer({ resolveWithObject: true });
  return sharp(data, { raw: info });
}

/** The pixels of one image, [height,width,3]. */
async function decode(/** @type {ImageJob} */ job, /** @type {number} */ side) {
  const { region, size, window } = job;
  let image = await open(job);
  if (region) image = image.extract(region);
  image = image.resize({ ...size, fit: "fill", kernel: "linear", fastShrinkOnLoad: false });
  if (window) image = image.extract({ ...window, width: side, height: side });
  const raw = image.toColourspace("srgb").raw({ depth: "uchar" });
  const { data, info } = await raw.toBuffer({ resolveWithObject: true });
  if (info.width === side && info.height === side && info.channels === CHANNELS) return data;
  throw new Error(`decoded to ${info.width} x ${info.height} x ${info.channels}`);
}

/** Copies rows of pixels, each from right to left. */
function copyMirrored(
  /** @type {Uint8Array} */ from,
  /** @type {Uint8Array} */ to,
  /** @type {number} */ at,
  /** @type {number} */ side,
) {
  for (let row = 0, write = at; row < side; row++) {
    for (let read = (row * side + side - 1) * CHANNELS, column = 0; column < side; column++, read -= CHANNELS) {
      for (let c = 0; c < CHANNELS; c++) to[write++] = /** @type {number} */ (from[read + c]);
    }
  }
}

/** @type {Promise<unknown>} */
let tried = Promise.resolve();

/**
 * Another attempt at what failed, one image at a time: libvips keeps its reasons in one place for all threads, so that of two that fail
 * at once either may get the other's, and a disk far away may have recovered.
 */
function again(/** @type {ImageJob} */ job, /** @type {number} */ side) {
  const attempt = tried.then(() => decode(job, side));
  tried = attempt.catch(() => {});
  return attempt;
}

/** @typedef {DecodeRequest & { pixels: Uint8Array, next: number, left: number, failures: { at: number, reason: string }[] }} Open */

/** @type {Open[]} */
const waiting = [];
let active = 0;

async function one(/** @type {Open} */ request, /** @type {number} */ at) {
  const job = /** @type {ImageJob} */ (request.jobs[at]);
  const { side, pixels } = request;
  try {
    const data = await decode(job, side).catch(() => again(job, side));
    const offset = at * data.length;
    if (job.mirror) copyMirrored(data, pixels, offset, side);
    else pixels.set(data, offset);
  } catch (error) {
    request.failures.push({ at, reason: error instanceof Error ? error.message : String(error) });
  }
  active -= 1;
  request.left -= 1;
  if (request.left === 0) {
    const failures = request.failures.sort((a, b) => a.at - b.at);
    port.postMessage({ id: request.id, failures });
  }
  wake();
  pump();
}

/** The asking thread sleeps until the number changes, which shows that images are still coming. */
function wake() {
  Atomics.add(signal, 0, 1);
  Atomics.notify(signal, 0);
}

/** Requests are served in the order in which they came. */
function pump() {
  for (let request = waiting[0]; request && active < request.decoders; request = waiting[0]) {
    active += 1;
    const at = request.next++;
    if (request.next === request.jobs.length) waiting.shift();
    // It catches whatever is thrown.
    void one(request, at);
  }
}

parentPort?.on("message", (/** @type {DecodeRequest} */ request) => {
  const pixels = new Uint8Array(request.memory);
  waiting.push({ ...request, pixels, next: 0, left: request.jobs.length, failures: [] });
  pump();
});

// Whoever sleeps must learn that nobody will wake it any more.
process.on("exit", () => {
  port.postMessage({ dead: true });
  wake();
});

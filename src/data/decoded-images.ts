import { ops, scope, type Tensor, tensor } from "../torch/index.js";
import { DataError, expected, type Rng } from "../util/index.js";
import { type ImageSize, testCut, trainingCut } from "./crop.js";
import type { DecodedImages, DrawnBy } from "./dataset.js";
import { decoder, type Failure, type ImageJob } from "./decoder.js";

/** An image on the disk. */
export interface ImageFile extends ImageSize {
  readonly path: string;
  /** It has an alpha channel. */
  readonly transparent?: boolean | undefined;
}

export interface DecodedImagesOptions {
  /** Height and width of what comes out. */
  readonly imageSize: number;
  /** The shorter side is scaled to this before the centre is cut out of a test image. */
  readonly resize: number;
  /** Images in work at a time. */
  readonly decoders: number;
}

const CHANNELS = 3;
/** The batch in use and two that are asked for ahead: what is in memory of a set, in batches of bytes. */
const SLOTS = 3;

/** Memory for one batch, and the request that fills it. */
interface Slot {
  readonly memory: SharedArrayBuffer;
  readonly key: string;
  readonly jobs: readonly ImageJob[];
  readonly request: number;
  /** Once the request is done. */
  failures?: readonly Failure[];
}

function damaged({ jobs }: Slot, failures: readonly Failure[]): DataError {
  const [first] = failures;
  const path = jobs[first?.at ?? 0]?.path ?? "";
  const more = failures.length > 1 ? ` (and ${failures.length - 1} more of the same batch)` : "";
  const cure = "repair or remove it, or leave out what is damaged with onCorrupt: skip";
  const got = first?.reason.split("\n")[0];
  return new DataError(`${expected(path, "an image that can be decoded", got)}${more}; ${cure}`, {
    code: "data/corrupt-image",
  });
}

/** Images that are decoded when they are asked for, best a little earlier: [3,imageSize,imageSize], bytes. */
export function decodedImages(files: readonly ImageFile[], options: DecodedImagesOptions): DecodedImages {
  const { imageSize: side, resize, decoders } = options;
  const bytesOfOne = side * side * CHANNELS;
  /** The least recently used first. */
  let slots: Slot[] = [];

  function jobOf(at: number, drawn: Rng | undefined, flip: boolean | undefined): ImageJob {
    const file = files[at] as ImageFile;
    const cut = drawn === undefined ? testCut(file, side, resize) : trainingCut(file, side, drawn.at(at), flip);
    return { path: file.path, transparent: file.transparent, ...cut };
  }

  function finish(slot: Slot): readonly Failure[] {
    // In the order of the batch, whichever was found first.
    slot.failures ??= [...decoder().wait(slot.request)].sort((a, b) => a.at - b.at);
    return slot.failures;
  }

  /** Memory that nobody writes to. */
  function memoryFor(bytes: number): SharedArrayBuffer {
    const old = slots.length < SLOTS ? undefined : slots.shift();
    if (old) finish(old);
    return old && old.memory.byteLength >= bytes ? old.memory : new SharedArrayBuffer(bytes);
  }

  function ask(images: Int32Array, drawn?: DrawnBy): Slot {
    const key = `${drawn ? `${drawn.keyed.key} ${drawn.round} ${drawn.flip}` : ""}:${images.join()}`;
    const found = slots.find((slot) => slot.key === key);
    if (found) {
      slots = [...slots.filter((slot) => slot !== found), found];
      return found;
    }
    const stream = drawn?.keyed.at("augment", drawn.round);
    const jobs = Array.from(images, (at) => jobOf(at, stream, drawn?.flip));
    const memory = memoryFor(images.length * bytesOfOne);
    const slot = { key, jobs, memory, request: decoder().ask({ jobs, memory, side, decoders }) };
    slots.push(slot);
    return slot;
  }

  return {
    shape: [CHANNELS, side, side],
    ahead: SLOTS - 1,
    ask(images, drawn) {
      ask(images, drawn);
    },
    take(images, drawn): Tensor {
      const slot = ask(images, drawn);
      const failures = finish(slot);
      if (failures.length > 0) throw damaged(slot, failures);
      const bytes = new Uint8Array(slot.memory, 0, images.length * bytesOfOne);
      return scope(() => ops.permute(tensor(bytes, [images.length, side, side, CHANNELS]), [0, 3, 1, 2]));
    },
  };
}

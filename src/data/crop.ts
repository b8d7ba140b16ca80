// The transforms of ImageNet's images, as torchvision defines them (its RandomResizedCrop after Szegedy et al., "Going Deeper with
// Convolutions", CVPR 2015, arXiv 1409.4842):
//   training  up to ten times: area = U(0.08, 1) of the image, ratio = exp(U(ln 3/4, ln 4/3)), width = round(sqrt(area * ratio)),
//             height = round(sqrt(area / ratio)); the first that fits is cut out at a uniform place; else the largest centred region
//             whose ratio is within the bounds. Scaled to side x side; mirrored with probability 1/2
//   test      shorter side scaled to `resize`, the longer one to floor(resize * longer / shorter); the centre side x side of that
import type { Rng } from "../util/index.js";
import type { ImageJob, Rectangle } from "./decoder.js";

const TRIES = 10;
const AREA = [0.08, 1] as const;
const LOG_RATIO = Math.log(4 / 3);

/** Width and height of an image as it is seen. */
export interface ImageSize {
  readonly width: number;
  readonly height: number;
}

/** Halves go to the even neighbour, as in Python. */
function round(x: number): number {
  const below = Math.floor(x);
  if (x - below !== 0.5) return Math.round(x);
  return below % 2 === 0 ? below : below + 1;
}

function centred({ width, height }: ImageSize): Rectangle {
  const ratio = width / height;
  const [low, high] = [3 / 4, 4 / 3];
  const cut = {
    width: ratio > high ? round(height * high) : width,
    height: ratio < low ? round(width / low) : height,
  };
  return { left: (width - cut.width) >> 1, top: (height - cut.height) >> 1, ...cut };
}

/** The region of a training image that is seen. */
export function randomRegion({ width, height }: ImageSize, keyed: Rng): Rectangle {
  for (let attempt = 0; attempt < TRIES; attempt++) {
    const draw = (what: string) => keyed.at(attempt, what).uniform();
    const area = width * height * (AREA[0] + (AREA[1] - AREA[0]) * draw("area"));
    const ratio = Math.exp(LOG_RATIO * (2 * draw("ratio") - 1));
    const cut = { width: round(Math.sqrt(area * ratio)), height: round(Math.sqrt(area / ratio)) };
    if (cut.width < 1 || cut.width > width || cut.height < 1 || cut.height > height) continue;
    const left = Math.floor(draw("left") * (width - cut.width + 1));
    return { left, top: Math.floor(draw("top") * (height - cut.height + 1)), ...cut };
  }
  return centred({ width, height });
}

type Cut = Omit<ImageJob, "path">;

/** How a training image is cut; all that is random hangs on the key alone. Without `flip` none is mirrored. */
export function trainingCut(size: ImageSize, side: number, keyed: Rng, flip = true): Cut {
  const mirror = flip && keyed.at("mirror").uniform() < 0.5;
  return { region: randomRegion(size, keyed), size: { width: side, height: side }, mirror };
}

/** How a test image is cut. */
export function testCut({ width, height }: ImageSize, side: number, resize: number): Cut {
  const scaled =
    width <= height
      ? { width: resize, height: Math.floor((resize * height) / width) }
      : { width: Math.floor((resize * width) / height), height: resize };
  const window = { left: round((scaled.width - side) / 2), top: round((scaled.height - side) / 2) };
  return { size: scaled, window, mirror: false };
}

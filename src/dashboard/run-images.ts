import { statSync } from "node:fs";
import { dirname, join } from "node:path";
import type { ImageGrid } from "../report/data.js";
import { readImages } from "../report/read-results.js";
import type { RunImages } from "./api.js";
import { type Found, isInside } from "./folders.js";
import type { PictureKind } from "./pictures.js";

const NAME = "images.json";
const MOST_BYTES = 64 * 2 ** 20;

/** The attacked images of a run, or else of the experiment that it is a part of; null where there are none. */
function gridOf({ folder, root }: Found): ImageGrid | null {
  const place = [folder, dirname(folder)].find((each) => isInside({ folder: each, root }, NAME));
  if (place === undefined || statSync(join(place, NAME)).size > MOST_BYTES) return null;
  return readImages(place, "", []);
}

/** What networks see in a run's attacked images; null where there are none that can be read. */
export function runImages(found: Found): RunImages | null {
  const grid = gridOf(found);
  if (grid === null) return null;
  const { against, eps } = grid;
  const examples = grid.examples.map(({ label, predictions, ...pictures }) => ({
    label,
    predictions,
    pictures: {
      clean: pictures.clean !== null,
      adversarial: pictures.adversarial !== null,
      difference: pictures.difference !== null,
    },
  }));
  return { against, eps, examples };
}

/** The PNG of one of them, by its place in the list. */
export function runPicture(found: Found, at: number, kind: PictureKind): Uint8Array<ArrayBuffer> | undefined {
  const base64 = gridOf(found)?.examples[at]?.[kind];
  return typeof base64 === "string" ? new Uint8Array(Buffer.from(base64, "base64")) : undefined;
}

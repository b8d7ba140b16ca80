import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
// From its own file: the layer's index would load libtorch.
import { type RawTensor, readSafetensorsRows } from "../nn/checkpoint/safetensors.js";
import { DataError } from "../util/index.js";
import type { CardDetail, CardSummary } from "./api.js";
import { type CardShown, cardSchema, type ImageShown, imagesSchema } from "./card-schema.js";
import { type CleanImages, cleanImages } from "./clean-images.js";
import { type Found, isInside } from "./folders.js";
import { difference, type Pixels, png } from "./pictures.js";

export const PICTURES = ["clean", "adversarial", "difference"] as const;
export type PictureKind = (typeof PICTURES)[number];

const POINTS = "adversarial.safetensors";
/** Of a JSON file that is read whole. */
const MOST_BYTES = 64 * 2 ** 20;

function readJson<T>(found: Found, name: string, parse: (value: unknown) => T): T {
  const path = join(found.folder, name);
  const wrong = (cause?: unknown) =>
    new DataError(`${found.path}/${name}: expected what an evaluation wrote, got other contents`, {
      code: "data/record",
      cause,
    });
  if (!isInside(found, name) || statSync(path).size > MOST_BYTES) throw wrong();
  try {
    return parse(JSON.parse(readFileSync(path, "utf8")));
  } catch (cause) {
    throw wrong(cause);
  }
}

const readCard = (found: Found): CardShown => readJson(found, "card.json", (value) => cardSchema.parse(value));
const readImages = (found: Found): ImageShown[] => readJson(found, "images.json", (value) => imagesSchema.parse(value));

function summaryOf({ id, path }: Found, card: CardShown): CardSummary {
  const { model, data, preset, norm, eps, examples, cleanAccuracy, robustAccuracy, interval } = card;
  const result = { preset, norm, eps, examples, cleanAccuracy, robustAccuracy, interval };
  return { id, path, model: model.arch, data: data.name, ...result };
}

/** The result of every record that can be read, by path. */
export function cardSummaries(records: readonly Found[]): CardSummary[] {
  const readable = records.flatMap((found) => {
    try {
      return [summaryOf(found, readCard(found))];
    } catch {
      return []; // Half written, or none of ours.
    }
  });
  return readable.sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** One record with the verdicts of its images; DataError where it cannot be read. */
export function cardDetail(found: Found): CardDetail {
  const card = readCard(found);
  const images = readImages(found);
  const classNames: string[] = [];
  // A card lists the classes that have images, in the order of their labels.
  const labels = [...new Set(images.map(({ label }) => label))].sort((a, b) => a - b);
  for (const [at, { name }] of card.classes.entries()) classNames[labels[at] ?? -1] = name;
  const pictures = { clean: cleanImages(card.data.sha256) !== undefined, adversarial: isInside(found, POINTS) };
  return {
    summary: summaryOf(found, card),
    card,
    images,
    classNames: Array.from(classNames, (n) => n ?? ""),
    pictures,
  };
}

function toPixels({ dtype, shape, data }: RawTensor): Pixels | undefined {
  const [, channels = 0, height = 0, width = 0] = shape;
  const drawable = (channels === 1 || channels === 3) && height * width > 0 && height * width <= 2 ** 22;
  if (!drawable || (dtype !== "float32" && dtype !== "float64")) return undefined;
  const buffer = data.slice().buffer;
  const values = dtype === "float32" ? new Float32Array(buffer) : Float32Array.from(new Float64Array(buffer));
  return { shape: [channels, height, width], values };
}

/** Rows of the stored points by the position of their image in the data set. */
function rowsOf(path: string): Map<number, number> {
  const { dtype, data } = readSafetensorsRows(path, "indices");
  if (dtype !== "int64") return new Map();
  return new Map(Array.from(new BigInt64Array(data.slice().buffer), (index, row) => [Number(index), row]));
}

/** A record's pictures; those of an image that nothing broke are its clean one only. */
export interface Pictures {
  png(index: number, kind: PictureKind): Promise<Uint8Array | undefined>;
}

/** Opens a record's pictures: which rows there are is read once. */
export function openPictures(found: Found): Pictures {
  const card = readCard(found);
  const clean: CleanImages | undefined = cleanImages(card.data.sha256);
  const path = join(found.folder, POINTS);
  const known = new Set(readImages(found).map(({ index }) => index));
  const rows = isInside(found, POINTS) ? rowsOf(path) : new Map<number, number>();

  function adversarial(index: number): Pixels | undefined {
    const row = rows.get(index);
    return row === undefined ? undefined : toPixels(readSafetensorsRows(path, "images", { first: row, count: 1 }));
  }

  function pixels(index: number, kind: PictureKind): Pixels | undefined {
    if (kind === "adversarial") return adversarial(index);
    const original = clean?.(index);
    if (kind === "clean") return original;
    const moved = adversarial(index);
    const same = original?.values.length === moved?.values.length;
    return original && moved && same ? difference(original, moved) : undefined;
  }

  return {
    async png(index, kind) {
      const found = known.has(index) ? pixels(index, kind) : undefined;
      return found === undefined ? undefined : await png(found);
    },
  };
}

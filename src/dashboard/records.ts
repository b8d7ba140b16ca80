import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { DataError } from "../util/index.js";
import type { CardDetail, CardSummary } from "./api.js";
import { type CardShown, cardSchema, type ImageShown, imagesSchema } from "./card-schema.js";
import { type Found, isInside } from "./folders.js";
import { difference, type PictureKind, type Pixels, png } from "./pictures.js";
import { storedImages } from "./stored-images.js";

const IMAGES = "images.json";
const CLEAN = "clean.safetensors";
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
const readImages = (found: Found): ImageShown[] => readJson(found, IMAGES, (value) => imagesSchema.parse(value));

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

/** Names of classes by label. Older cards have those of classes with images only, in the order of their labels. */
function classNamesOf(card: CardShown, images: readonly ImageShown[]): readonly string[] {
  if (card.data.classNames !== undefined) return card.data.classNames;
  const labels = [...new Set(images.map(({ label }) => label))].sort((a, b) => a - b);
  const names: string[] = [];
  for (const [at, { name }] of card.classes.entries()) names[labels[at] ?? -1] = name;
  return Array.from(names, (name) => name ?? "");
}

/** One record with the verdicts of its images; DataError where it cannot be read. */
export function cardDetail(found: Found): CardDetail {
  const card = readCard(found);
  const images = readImages(found);
  const pictures = {
    clean: storedImages(found, CLEAN).positions,
    adversarial: storedImages(found, POINTS).positions,
  };
  return { summary: summaryOf(found, card), card, images, classNames: classNamesOf(card, images), pictures };
}

/** A record's pictures; those of an image that nothing broke are its clean one only. */
export interface Pictures {
  png(index: number, kind: PictureKind): Promise<Uint8Array | undefined>;
}

/** Opens a record's pictures: which images there are is read once. */
export function openPictures(found: Found): Pictures {
  const known = new Set(readImages(found).map(({ index }) => index));
  const [clean, adversarial] = [storedImages(found, CLEAN), storedImages(found, POINTS)];

  function pixels(index: number, kind: PictureKind): Pixels | undefined {
    if (kind === "clean") return clean.read(index);
    const moved = adversarial.read(index);
    if (kind === "adversarial") return moved;
    const original = clean.read(index);
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

/** Changes when the record does, as when its command is given again. */
export function recordStamp({ folder }: Found): string {
  const files = ["card.json", IMAGES, CLEAN, POINTS].map((name) => join(folder, name));
  return files.map((path) => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0).join();
}

/**
 * Images of one's own, or ImageNet: `train/CLASS/*.jpg`, and `val/CLASS/*` or `test/CLASS/*`. Labels are positions in the sorted list of
 * class folders, as in torchvision's ImageFolder. Images stay on the disk and are decoded by another thread as they are needed.
 *
 * Grey images become RGB; CMYK is converted; 16 bits become 8; of an animated PNG the still image is seen; transparency and colour
 * profiles are dropped, as torchvision does. Otherwise than there, the orientation that a camera notes (EXIF) is applied, and scaling is libvips's: a triangle filter as in Pillow, but by more than 2 a box filter comes first, and what
 * is enlarged is half a pixel off.
 */
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { keep, tensor } from "../torch/index.js";
import { DataError, expected, parseOptions, UsageError } from "../util/index.js";
import type { DataSource, Dataset, Splits } from "./dataset.js";
import { decodedImages, type ImageFile } from "./decoded-images.js";
import type { OnProgress } from "./fetch.js";
import { type FoundPart, findImages, hashOfNames } from "./image-files.js";
import { type CorruptImage, corruptError, scanImages } from "./image-scan.js";
import { checkSplits, splits, splitsFields } from "./loader.js";

export const imageFolderOptions = z.strictObject({
  ...splitsFields,
  path: z.string().min(1).describe("folder with train/CLASS/*.jpg (also .jpeg, .png), and val/CLASS or test/CLASS"),
  testFolder: z
    .string()
    .min(1)
    .optional()
    .describe("name of the folder with the test images; default: val or test, whichever is there"),
  augment: z
    .boolean()
    .default(true)
    .describe(
      "cut a random region of 8 to 100 % of each training image, scale it, mirror half of them, see flip; default true; false: as test images",
    ),
  imageSize: z.int().min(8).max(1024).default(224).describe("height and width that the network sees; default 224"),
  resize: z
    .int()
    .min(8)
    .max(2048)
    .optional()
    .describe("pixels of a test image's shorter side, before its centre is cut out; default 8/7 of imageSize: 256"),
  decoders: z
    .int()
    .min(1)
    .max(64)
    .default(2)
    .describe("images decoded at a time; above 4 set UV_THREADPOOL_SIZE too; the pixels are the same; default 2"),
  onCorrupt: z
    .enum(["stop", "skip"])
    .default("stop")
    .describe("what to do about a damaged image: stop, or skip (leave it out, and say so); default stop"),
  check: z
    .enum(["headers", "pixels"])
    .optional()
    .describe("what is read of each image before work begins; default headers, with onCorrupt: skip pixels"),
});
type Settings = z.output<typeof imageFolderOptions>;
export type ImageFolderOptions = z.input<typeof imageFolderOptions> & {
  /** Told of the scan, and of what is left out. */ readonly onProgress?: OnProgress | undefined;
};

const TEST_FOLDERS = ["val", "test"] as const;

const isFolder = (path: string) => existsSync(path) && statSync(path).isDirectory();

function wrong(where: string, what: string, got: unknown): DataError {
  return new DataError(expected(where, what, got), { code: "data/image-folder" });
}

/** Which folder has the test images. */
function testFolder({ path, testFolder: named }: Settings): string {
  const candidates = named === undefined ? TEST_FOLDERS : [named];
  const found = candidates.filter((name) => isFolder(join(path, name)));
  if (found.length === 1) return found[0] as string;
  if (found.length > 1) throw wrong(path, "val or test, or which of them by testFolder", "both");
  throw wrong(path, `a folder ${candidates.join(" or ")} with the test images`, "none");
}

function assertSameClasses(root: string, train: FoundPart, test: FoundPart, name: string): void {
  const missing = train.classes.filter((each) => !test.classes.includes(each));
  const unknown = test.classes.filter((each) => !train.classes.includes(each));
  if (missing.length + unknown.length === 0) return;
  const list = (names: readonly string[]) => names.slice(0, 8).join(", ") || "none";
  const got = `missing: ${list(missing)}; only in ${name}: ${list(unknown)}`;
  throw new DataError(`${join(root, name)}: expected the classes of train, got others (${got})`, {
    code: "data/image-folder",
  });
}

/** Resize must leave enough for the crop. */
function resizeOf({ imageSize, resize = Math.round((imageSize * 8) / 7) }: Settings): number {
  if (resize >= imageSize) return resize;
  throw new UsageError(expected("image-folder", `resize >= imageSize, which is ${imageSize}`, resize), {
    code: "usage/option",
  });
}

interface Part extends FoundPart {
  readonly files: readonly ImageFile[];
  readonly labels: readonly number[];
  readonly corrupt: readonly CorruptImage[];
}

async function scanned(part: FoundPart, settings: Settings, onProgress: OnProgress): Promise<Part> {
  const { onCorrupt, decoders, check = onCorrupt === "skip" ? "pixels" : "headers" } = settings;
  if (onCorrupt === "skip" && check === "headers") {
    const what = "check: pixels with onCorrupt: skip, which must know what to leave out";
    throw new UsageError(expected("image-folder", what, check), { code: "usage/option" });
  }
  const results = await scanImages(part.images, { pixels: check === "pixels", decoders, onProgress });
  const files: ImageFile[] = [];
  const labels: number[] = [];
  const corrupt: CorruptImage[] = [];
  for (const [at, { name, label }] of part.images.entries()) {
    const result = results[at];
    if (result === undefined) continue;
    if ("reason" in result) corrupt.push({ file: name, reason: result.reason });
    else {
      files.push(result);
      labels.push(label);
    }
  }
  return { ...part, files, labels, corrupt };
}

/** Stops, or says what is left out. */
function judge(parts: readonly Part[], { path, onCorrupt }: Settings, onProgress: OnProgress): void {
  const corrupt = parts.flatMap((part) => part.corrupt);
  if (corrupt.length === 0) return;
  const of = parts.reduce((sum, { images }) => sum + images.length, 0);
  if (onCorrupt === "stop") throw corruptError(path, corrupt, of);
  for (const { file, reason } of corrupt) onProgress(`left out ${file}: ${reason}`);
  onProgress(`${corrupt.length} of ${of} images are damaged and left out, as onCorrupt: skip says`);
  for (const { classes, labels } of parts) {
    const bare = classes.find((_, label) => !labels.includes(label));
    if (bare !== undefined) throw wrong(path, `images of class ${bare} that can be decoded`, "none");
  }
}

function toDataset(name: string, part: Part, source: DataSource, settings: Settings): Dataset {
  const { imageSize, decoders } = settings;
  const { files, labels, classes, corrupt } = part;
  return {
    name,
    decoded: decodedImages(files, { imageSize, decoders, resize: resizeOf(settings) }),
    labels: keep(tensor(BigInt64Array.from(labels, BigInt)), { forever: true }),
    length: files.length,
    numClasses: classes.length,
    classNames: classes,
    classIndex: { classes, leftOut: corrupt },
    source,
  };
}

function told(parts: Readonly<Record<string, Part>>): string {
  const counts = Object.entries(parts).map(([name, { files }]) => `${files.length} in ${name}`);
  const others = Object.values(parts).reduce((sum, part) => sum + part.others, 0);
  const passed = others > 0 ? `; ${others} other files are passed over` : "";
  return `${counts.join(", ")}, ${Object.values(parts)[0]?.classes.length} classes${passed}`;
}

/**
 * Images of a folder, x [N,3,imageSize,imageSize] in [0,1], not normalised. In memory are three batches of
 * bytes of each of the two sets that is in use. `source.sha256` is of names and sizes, since reading all bytes would take as long as an epoch. DataError when the folder is
 * not as expected, or an image is damaged.
 */
export async function imageFolder(options: ImageFolderOptions): Promise<Splits> {
  const { onProgress, ...rest } = options;
  const settings = parseOptions("image-folder", imageFolderOptions, rest);
  const { path } = settings;
  const say: OnProgress = (message) => onProgress?.(`image-folder: ${message}`);
  resizeOf(settings);
  if (!isFolder(path)) throw wrong(path, "a folder with train/CLASS/*.jpg", "no folder");
  if (!isFolder(join(path, "train"))) throw wrong(path, "a folder train with the training images", "none");
  const name = testFolder(settings);
  const found = [findImages(path, "train"), findImages(path, name)] as const;
  assertSameClasses(path, ...found, name);
  checkSplits("image-folder", found[0].images.length, settings);
  const train = await scanned(found[0], settings, say);
  const test = await scanned(found[1], settings, say);
  judge([train, test], settings, say);
  say(told({ train, [name]: test }));
  const source: DataSource = { kind: "image folder", location: path, sha256: hashOfNames(found) };
  const data = {
    train: toDataset("image-folder", train, source, settings),
    test: toDataset("image-folder test", test, source, settings),
  };
  return splits("image-folder", data, settings);
}

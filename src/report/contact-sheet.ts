// A picture of labelled images: a row for each class with its name. Small images are enlarged by a whole factor, so that every
// pixel stays a square; large ones are scaled down.
import sharp from "sharp";
import { label } from "./format.js";
import { escapeHtml } from "./html.js";
import { roles } from "./palette.js";

/** Pixels in rows, three bytes each. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  readonly pixels: Uint8Array;
}

export interface SheetRow {
  readonly name: string;
  /** Stands below the name. */
  readonly note: string;
  /** Called when the row is drawn, so that images wait on disk until then. */
  readonly pictures: () => readonly Picture[];
}

export interface SheetOptions {
  readonly title: string;
  readonly note: string;
  /** Below the last row. */
  readonly footer?: string | undefined;
  /** Height and width of an image in pixels. */
  readonly imageSize: readonly [height: number, width: number];
  readonly rows: readonly SheetRow[];
}

export interface Sheet {
  readonly png: Uint8Array;
  readonly width: number;
  readonly height: number;
  /** Left upper corner of the first image. */
  readonly origin: readonly [x: number, y: number];
}

/** Where pictures stand, in pixels. */
export interface SheetCells {
  readonly width: number;
  readonly height: number;
  /** From one image to the next in a row. */
  readonly stepX: number;
  /** From one row to the next. */
  readonly stepY: number;
}

/** Longest side of an image: enlarged ones come up to the first, those larger than the second are scaled down to it. */
const ENLARGED = 96;
const LARGEST = 128;
const GAP = 6;
const MARGIN = 16;
const HEADER = 44;
const FOOTER = 28;
/** Two lines of text. */
const LEAST_ROW = 36;
/** What viewers still open without effort. */
const MOST_HEIGHT = 12_000;
/** Of the widest name, in pixels. */
const LABELS = 420;
const NAME_LENGTH = 40;
const TITLE_WIDTH = 1200;

const [red, green, blue] = [1, 3, 5].map((at) => Number.parseInt(roles.band.light.slice(at, at + 2), 16));
const PAPER = [red, green, blue] as [number, number, number];

export function sheetCells([height, width]: readonly [height: number, width: number]): SheetCells {
  const longest = Math.max(height, width);
  const scale = longest <= LARGEST ? Math.max(1, Math.floor(ENLARGED / longest)) : LARGEST / longest;
  const side = (length: number) => Math.max(1, Math.round(length * scale));
  const [w, h] = [side(width), side(height)];
  return { width: w, height: h, stepX: w + GAP, stepY: Math.max(h, LEAST_ROW) + GAP };
}

/** How many rows a sheet has room for. */
export function rowsThatFit(imageSize: readonly [height: number, width: number]): number {
  return Math.floor((MOST_HEIGHT - HEADER - FOOTER - 2 * MARGIN) / sheetCells(imageSize).stepY);
}

interface TextLine {
  readonly text: string;
  /** Of the base line, from the top. */
  readonly y: number;
  readonly size: number;
  readonly muted?: boolean;
}

/** Lines of text on the sheet's paper, and how far they reach to the right. */
async function drawText(lines: readonly TextLine[], width: number, height: number) {
  const drawn = lines.map(({ text, y, size, muted }) => {
    const colour = muted === true ? roles.muted.light : roles.ink.light;
    return `<text x="0" y="${y}" font-size="${size}" fill="${colour}">${escapeHtml(text)}</text>`;
  });
  const head = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" font-family="system-ui, sans-serif">`;
  const pixels = await sharp(Buffer.from(`${head}${drawn.join("")}</svg>`))
    .flatten({ background: roles.band.light })
    .raw()
    .toBuffer();
  return { picture: { width, height, pixels }, reach: reachOf(pixels, width) };
}

/** One more than the last column that is not paper. */
function reachOf(pixels: Uint8Array, width: number): number {
  let reach = 0;
  for (let at = 0; at < pixels.length; at++) {
    if (pixels[at] !== PAPER[at % 3]) reach = Math.max(reach, (Math.floor(at / 3) % width) + 1);
  }
  return reach;
}

/** Whether text comes out as letters: without any font on the system, all characters become the same box. */
export async function canWrite(): Promise<boolean> {
  const reach = async (text: string) => (await drawText([{ text, y: 20, size: 16 }], 40, 30)).reach;
  return (await reach(".")) !== (await reach("M"));
}

async function resized({ width, height, pixels }: Picture, cells: SheetCells): Promise<Picture> {
  const kernel = cells.width >= width ? "nearest" : "lanczos3";
  const bytes = await sharp(pixels, { raw: { width, height, channels: 3 } })
    .resize({ width: cells.width, height: cells.height, fit: "fill", kernel })
    .raw()
    .toBuffer();
  return { width: cells.width, height: cells.height, pixels: bytes };
}

interface Canvas {
  readonly width: number;
  readonly pixels: Uint8Array;
}

/** Copies the left `most` columns of a picture to (x, y). */
function paste(canvas: Canvas, { width, height, pixels }: Picture, x: number, y: number, most = width): void {
  const length = 3 * Math.min(width, most);
  for (let row = 0; row < height; row++) {
    const from = 3 * row * width;
    canvas.pixels.set(pixels.subarray(from, from + length), 3 * ((y + row) * canvas.width + x));
  }
}

function blank(width: number, height: number): Canvas {
  const pixels = new Uint8Array(3 * width * height);
  for (let at = 0; at < pixels.length; at += 3) pixels.set(PAPER, at);
  return { width, pixels };
}

function rowLabels({ rows, footer }: SheetOptions, { stepY }: SheetCells): TextLine[] {
  const middle = (stepY - GAP) / 2;
  const lines = rows.flatMap(({ name, note }, i): TextLine[] => [
    { text: label(name, NAME_LENGTH), y: i * stepY + middle - 2, size: 15 },
    { text: note, y: i * stepY + middle + 14, size: 12, muted: true },
  ]);
  return footer === undefined
    ? lines
    : [...lines, { text: footer, y: rows.length * stepY + 14, size: 13, muted: true }];
}

/** Draws a sheet; the same rows give the same bytes on the same machine, whose fonts it uses. */
export async function contactSheet(options: SheetOptions): Promise<Sheet> {
  const { title, note, footer, rows } = options;
  const cells = sheetCells(options.imageSize);
  const body = rows.length * cells.stepY + (footer === undefined ? 0 : FOOTER);
  const head = await drawText(
    [
      { text: label(title, 120), y: 16, size: 17 },
      { text: label(note, 160), y: 35, size: 12, muted: true },
    ],
    TITLE_WIDTH,
    HEADER,
  );
  const names = await drawText(rowLabels(options, cells), LABELS, body);
  const left = MARGIN + names.reach + 2 * GAP;
  const top = MARGIN + HEADER;
  const drawn: Picture[][] = [];
  for (const row of rows) drawn.push(await Promise.all(row.pictures().map((picture) => resized(picture, cells))));
  const columns = Math.max(0, ...drawn.map((row) => row.length));
  const width = Math.max(left + columns * cells.stepX - GAP, MARGIN + head.reach) + MARGIN;
  const height = top + body + MARGIN;
  const canvas = blank(width, height);
  paste(canvas, head.picture, MARGIN, MARGIN, head.reach);
  paste(canvas, names.picture, MARGIN, top, names.reach);
  for (const [i, row] of drawn.entries()) {
    for (const [j, picture] of row.entries()) paste(canvas, picture, left + j * cells.stepX, top + i * cells.stepY);
  }
  const png = await sharp(canvas.pixels, { raw: { width, height, channels: 3 } })
    .png()
    .toBuffer();
  return { png, width, height, origin: [left, top] };
}

// Figures as SVG and as PNG. PNG is drawn by sharp (librsvg), which we need for images anyway. It takes fonts from the system, as
// any SVG renderer does that is not given some: without any, the words of a figure would be missing and nothing would say so.
// One drawn word tells.
import sharp from "sharp";
import type { Chart } from "./blocks.js";

/** Dots an inch of a PNG: three for each unit of the SVG, enough for print in a column. */
const DENSITY = 216;

/** An SVG with a white ground, for a file: its ink is dark, and pages that show it may be too. */
export const onWhite = (svg: string): string =>
  svg.replace(/^<svg [^>]*>/, '$&\n<rect width="100%" height="100%" fill="#ffffff"></rect>');

/** An SVG as PNG on white. */
export async function svgToPng(svg: string): Promise<Buffer> {
  return sharp(Buffer.from(svg), { density: DENSITY }).flatten({ background: "#ffffff" }).png().toBuffer();
}

/** Whether text comes out at all. */
export async function hasFonts(): Promise<boolean> {
  const word = `<svg xmlns="http://www.w3.org/2000/svg" width="60" height="20"><text x="4" y="15" font-size="14" font-family="sans-serif">word</text></svg>`;
  const { channels } = await sharp(Buffer.from(word)).flatten({ background: "#ffffff" }).stats();
  return channels.some(({ min }) => min < 128);
}

/** Files of every chart by name; the words say what is wrong with them. */
export async function figureFiles(
  charts: readonly Chart[],
): Promise<{ readonly files: ReadonlyMap<string, string | Buffer>; readonly problems: readonly string[] }> {
  const files = new Map<string, string | Buffer>();
  for (const chart of charts) {
    const svg = onWhite(chart.draw());
    files.set(`${chart.id}.svg`, svg);
    files.set(`${chart.id}.png`, await svgToPng(svg));
  }
  const blind = charts.length > 0 && !(await hasFonts());
  const problem = "PNG figures have no words, because this machine has no fonts: install one (fonts-dejavu-core)";
  return { files, problems: blind ? [problem] : [] };
}
